/** Which passes a pipeline may name. A registry is a value: to know more passes, make another one. */
import type { Pass } from './pass.ts';

export type PassRegistry = ReadonlyMap<string, Pass>;

/** Throws when two passes share a name or a name is not one a pipeline string can hold. */
export function registryOf(passes: Iterable<Pass>): PassRegistry {
  const registry = new Map<string, Pass>();
  for (const pass of passes) {
    if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(pass.name) || pass.name === 'repeat')
      throw new Error(`${JSON.stringify(pass.name)} cannot name a pass: a name is words in kebab-case`);
    if (registry.has(pass.name)) throw new Error(`there are two passes named ${pass.name}`);
    registry.set(pass.name, pass);
  }
  return registry;
}
