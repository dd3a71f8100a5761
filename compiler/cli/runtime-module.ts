/**
 * The runtimes that ship inside artifacts, as built JavaScript and its types. A package has them beside the compiler; sources that run
 * unbuilt take what the last build left, if there was one.
 */
import { readdir, readFile } from 'node:fs/promises';
import type { TrainingRuntime } from '../../backends/tfjs/index.ts';
import type { DemoPage, RuntimeModule } from '../../backends/wgsl/index.ts';
import { forPages, joinModules } from './join-modules.ts';

const places = ['../../runtime/', '../../dist/runtime/'] as const;

/** Modules of a WGSL artifact, and what each is for. */
const artifactModules = {
  model: 'Loads and runs what qc compiled: see model.d.ts.',
  images: 'Pixels to inputs, for model.js.',
  measure: 'Measures and tunes: see measure.d.ts.',
} as const;

/** What artifacts import from a module beside them: errors are of one class in all modules. */
const modulesApart = new Map([
  ...Object.keys(artifactModules).map((name) => [name, `./${name}.js`] as const),
  ['webgpu/model-error', './model.js'],
]);

/** The modules of an artifact from the texts of files below the runtime, by `read`; `typesOf` gives their declarations, where there are any. */
export async function joinedRuntime(
  read: (path: string) => Promise<string>,
  extension: string,
  typesOf?: (path: string) => Promise<string>,
): Promise<RuntimeModule> {
  const files = Object.entries(artifactModules).map(async ([name, head]) => {
    const apart = new Map([...modulesApart].filter(([, module]) => module !== `./${name}.js`));
    const module = forPages(await joinModules(`${name}${extension}`, read, apart));
    return [
      { name: `${name}.js`, text: `// ${head}\n${module}` },
      ...(typesOf === undefined || name === 'images'
        ? []
        : [{ name: `${name}.d.ts`, text: await joinModules(`${name}.d.ts`, typesOf, apart) }]),
    ];
  });
  return { files: (await Promise.all(files)).flat() };
}

/** What WGSL artifacts are loaded with. */
export async function runtimeModule(): Promise<RuntimeModule | undefined> {
  for (const place of places) {
    const read = async (name: string): Promise<string> =>
      readFile(new URL(`${place}${name}`, import.meta.url), 'utf8');
    const built = await read('model.js').catch(() => undefined);
    if (built === undefined) continue;
    const typesOf = async (name: string): Promise<string> => read(name.replace(/(?:\.d)?\.[jt]s$/, '.d.ts'));
    return joinedRuntime(read, '.js', typesOf);
  }
  return undefined;
}

/** Modules of the demo page, by their place below the runtime and below an artifact. */
export const demoModules = ['demo/page', 'demo/results', 'demo/text', 'image/placement'] as const;

/** The page of `--demo`: what `runtime/demo` holds, beside the module it imports. */
export async function demoPage(): Promise<DemoPage | undefined> {
  for (const place of places) {
    const read = async (name: string): Promise<string | undefined> =>
      readFile(new URL(`${place}${name}`, import.meta.url), 'utf8').catch(() => undefined);
    const page = await read('demo/index.html');
    const modules = await Promise.all(demoModules.map((name) => read(`${name}.js`)));
    if (page === undefined || modules.includes(undefined)) continue;
    return {
      files: [
        { name: 'index.html', text: page },
        ...demoModules.map((name, i) => ({ name: `${name}.js`, text: standAlone(modules[i]!) })),
      ],
    };
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
