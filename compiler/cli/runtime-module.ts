/**
 * The runtime that ships inside WGSL artifacts, as built JavaScript and its types. A package has it beside the compiler; sources that run
 * unbuilt take what the last build left, if there was one.
 */
import { readFile } from 'node:fs/promises';
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
