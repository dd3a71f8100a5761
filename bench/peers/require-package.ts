/** Packages of this folder, which may not be installed. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Unavailable } from '../unavailable.ts';
import { benchFolder, shown } from '../workplace.ts';

/** Throws `Unavailable` unless `setup` has installed the package. */
export function requirePackage(name: string): void {
  try {
    createRequire(join(benchFolder, 'package.json')).resolve(name);
  } catch {
    throw new Unavailable(`${name} is not installed in ${shown(benchFolder)}: bash bench/setup`);
  }
}
