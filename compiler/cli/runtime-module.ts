/**
 * The runtime that ships inside WGSL artifacts, as built JavaScript and its types. A package has it beside the compiler; sources that run
 * unbuilt take what the last build left, if there was one.
 */
import { readdir, readFile } from 'node:fs/promises';
import type { TrainingRuntime } from '../../backends/tfjs/index.ts';
import type { RuntimeModule } from '../../backends/wgsl/index.ts';

const places = ['../../runtime/', '../../dist/runtime/'] as const;

export async function runtimeModule(): Promise<RuntimeModule | undefined> {
  for (const place of places) {
    const read = async (name: string): Promise<string | undefined> =>
      readFile(new URL(`${place}${name}`, import.meta.url), 'utf8').catch(() => undefined);
    const [module, types] = await Promise.all([read('model.js'), read('model.d.ts')]);
    if (module !== undefined && types !== undefined) {
      // Where the build keeps its maps is no business of an artifact.
      return { module: module.replace(/^\/\/# sourceMappingURL=.*\n?/m, ''), types };
    }
  }
  return undefined;
}

/** The modules that training projects run with, and their types. */
export async function trainingRuntime(): Promise<TrainingRuntime | undefined> {
  for (const place of places) {
    const folder = new URL(`${place}train/`, import.meta.url);
    const names = await readdir(folder).catch(() => []);
    const modules = names.filter((name) => name.endsWith('.js') || name.endsWith('.d.ts')).sort();
    if (!modules.includes('index.js')) continue;
    const files = await Promise.all(
      modules.map(async (name) => ({
        name,
        text: standAlone(await readFile(new URL(name, folder), 'utf8')),
      })),
    );
    return { files };
  }
  return undefined;
}

/** Without the map that stays behind, and with types that point at each other as the modules do. */
export function standAlone(text: string): string {
  return text.replace(/^\/\/# sourceMappingURL=.*\n?/m, '').replace(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'");
}
