/**
 * The files of a training project. Source files are built with ts-morph and go through TypeScript's own checker, against the types of the
 * runtime that ships with them, before anybody sees them.
 */
import type {
  ImportSpecifierStructure,
  FunctionDeclarationStructure,
  ImportDeclarationStructure,
  OptionalKind,
  SourceFileStructure,
} from 'ts-morph';
import type { EmittedFile } from '../backend.ts';
import { type Argument, printArgument, printStatement } from './call.ts';
import type { ProjectFacts } from './facts.ts';
import { trainingPage } from './page.ts';
import { readme } from './readme.ts';
import { imageParameter, type ModelText } from './walk.ts';

/** The compiled modules of `runtime/train`, name and text: `layers.js`, `layers.d.ts`. */
export interface TrainingRuntime {
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

/** Folder of the runtime in a project. */
export const runtimeFolder = 'runtime';

/** Versions that emitted projects install: those that the tests run with. */
export const dependencies: Readonly<Record<string, string>> = {
  '@tensorflow/tfjs-backend-cpu': '^4.22.0',
  '@tensorflow/tfjs-backend-wasm': '^4.22.0',
  '@tensorflow/tfjs-core': '^4.22.0',
  '@tensorflow/tfjs-layers': '^4.22.0',
};
const optionalDependencies = { sharp: '^0.35.5' };
const devDependencies = { '@types/node': '^20.19.43', typescript: '~5.9' };

const tsconfig = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'dom'],
    types: ['node'],
    module: 'nodenext',
    moduleResolution: 'nodenext',
    strict: true,
    skipLibCheck: true,
  },
  include: ['*.ts'],
};

/** What the runtime's types lean on, as far as the check needs it; the tests check against the real ones. */
const ambient = `declare module '@tensorflow/tfjs-core';
declare const process: { argv: string[]; exitCode: number };
`;

/** All files but the weights. A project that does not type-check is a bug of ours, and thrown as one. */
export async function emitProject(facts: ProjectFacts, runtime: TrainingRuntime): Promise<EmittedFile[]> {
  const { ModuleKind, ModuleResolutionKind, Project, ScriptTarget } = await import('ts-morph');
  const project = new Project({
    useInMemoryFileSystem: true,
    compilerOptions: {
      target: ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
      module: ModuleKind.ESNext,
      moduleResolution: ModuleResolutionKind.Bundler,
      strict: true,
      skipLibCheck: true,
      types: [],
    },
  });
  project.createSourceFile('/ambient.d.ts', ambient);
  for (const { name, text } of runtime.files) {
    if (name.endsWith('.d.ts')) project.createSourceFile(`/${runtimeFolder}/${name}`, text);
  }
  const files: Readonly<Record<string, SourceFileStructure['statements']>> = {
    'model.ts': await modelFile(facts.name, facts.model, 'quantized where the compiled program is'),
    'float-model.ts': await modelFile(
      facts.name,
      facts.float,
      'in real numbers: what the quantized model is compared with, and taught by',
    ),
    'images.ts': await imagesFile(facts),
    'data.ts': await dataFile(),
    'recipe.ts': await recipeFile(facts),
    'train.ts': await trainFile(facts),
    'page.ts': await pageFile(facts),
    'serve.ts': await serveFile(),
  };
  const sources = Object.entries(files).map(([name, statements]): EmittedFile => {
    const file = project.createSourceFile(`/${name}`, { statements: statements ?? [] });
    file.formatText({ indentSize: 2, convertTabsToSpaces: true });
    return { name, role: 'source', content: file.getFullText() };
  });
  const problems = project.getPreEmitDiagnostics();
  if (problems.length > 0) {
    throw new Error(
      `the emitted project does not type-check:\n${project.formatDiagnosticsWithColorAndContext(problems)}`,
    );
  }
  return [
    ...sources,
    { name: 'README.md', role: 'source', content: readme(facts) },
    { name: 'index.html', role: 'page', content: trainingPage(facts) },
    { name: 'package.json', role: 'build', content: json(packageFile(facts.name)) },
    { name: 'tsconfig.json', role: 'build', content: json(tsconfig) },
    ...runtime.files.map(({ name, text }) => ({
      name: `${runtimeFolder}/${name}`,
      role: name.endsWith('.d.ts') ? 'types' : 'module',
      content: text,
    })),
  ];
}

async function modelFile(
  name: string,
  { statements, result, operations }: ModelText,
  how: string,
): Promise<(string | FunctionDeclarationStructure | ImportDeclarationStructure)[]> {
  const { StructureKind } = await import('ts-morph');
  const body = statements.flatMap(({ name: value, call, begins }, i) => [
    ...(begins && i > 0 ? [''] : []),
    printStatement(value, call),
  ]);
  return [
    `/**\n * ${name}, ${how}. One statement a layer, named after the ONNX node; images are [N, H, W, C].\n */`,
    await imports([...operations], ['Layers', 'Tensor'], 'index.js'),
    {
      kind: StructureKind.Function,
      name: 'forward',
      isExported: true,
      docs: [`From images to logits. \`net\` holds the tensors.`],
      parameters: [
        { name: 'net', type: 'Layers' },
        { name: imageParameter, type: 'Tensor' },
      ],
      returnType: 'Tensor',
      statements: [...body, '', `return ${result};`],
    },
  ];
}

async function imagesFile({ image }: ProjectFacts): Promise<(string | ImportDeclarationStructure)[]> {
  const { height, width, channels, layout, shortSide, scale, mean, std, source } = image;
  const pixels: Argument = { scale, mean, std, source };
  const format: Argument = { height, width, channels, layout, shortSide };
  const said = image.assumed
    ? `Nobody told the compiler how images become inputs, so this is an assumption (${image.preprocess}): check it.`
    : `As the model was compiled with --preprocess ${image.preprocess}.`;
  return [
    `/**\n * What images are, and how their bytes become what the model reads.\n */`,
    await imports([], ['ImageFormat', 'PixelScale'], 'index.js'),
    `/** From bytes to inputs: (byte * scale - mean) / std in each channel. ${said} */`,
    `export const pixels: PixelScale = ${printArgument(pixels)};`,
    `export const format: ImageFormat = ${printArgument(format)};`,
  ];
}

async function dataFile(): Promise<(string | FunctionDeclarationStructure | ImportDeclarationStructure)[]> {
  const { StructureKind } = await import('ts-morph');
  return [
    `/**\n * Where images come from, in Node.\n */`,
    await imports([], ['ImageSet'], 'index.js'),
    await imports(['readImages'], [], 'node-images.js'),
    await importAs('images.js', ['format']),
    {
      kind: StructureKind.Function,
      name: 'openImages',
      isExported: true,
      docs: [
        'Labelled images: an .npy with its labels in another, or a folder of pictures with a labels.csv.',
      ],
      parameters: [
        { name: 'path', type: 'string' },
        { name: 'labels', type: 'string | undefined' },
      ],
      returnType: 'Promise<ImageSet>',
      statements: ['return readImages(path, labels, format);'],
    },
  ];
}

async function recipeFile({ recipe }: ProjectFacts): Promise<(string | ImportDeclarationStructure)[]> {
  const lines = Object.entries(recipe).map(([key, value]) => `${key}: ${printArgument(value as Argument)},`);
  return [
    `/**\n * Every choice of this training. The options of the command line change it for one run.\n */`,
    await imports([], ['Recipe'], 'index.js'),
    `export const recipe: Recipe = {\n${lines.join('\n')}\n};`,
  ];
}

async function trainFile({ name }: ProjectFacts): Promise<(string | ImportDeclarationStructure)[]> {
  return [
    `/**\n * Fine-tunes ${name}: npm run train -- --data train.npy --labels train_labels.npy --checkpoint DIR\n */`,
    await imports(['runTraining'], [], 'node-train.js'),
    await importAs('data.js', ['openImages']),
    await importAs('float-model.js', ['forward as floatForward']),
    await importAs('images.js', ['pixels']),
    await importAs('model.js', ['forward']),
    await importAs('recipe.js', ['recipe']),
    `const folder = new URL('./', import.meta.url);`,
    `process.exitCode = await runTraining({ folder, forward, floatForward, recipe, pixels, openImages }, process.argv.slice(2));`,
  ];
}

async function pageFile({ name }: ProjectFacts): Promise<(string | ImportDeclarationStructure)[]> {
  return [
    `/**\n * Fine-tunes ${name} in a browser tab: npm run page\n */`,
    await imports(['runTrainingPage'], [], 'page.js'),
    await importAs('float-model.js', ['forward as floatForward']),
    await importAs('images.js', ['format', 'pixels']),
    await importAs('model.js', ['forward']),
    await importAs('recipe.js', ['recipe']),
    `const folder = new URL('./', import.meta.url);`,
    `runTrainingPage({ folder, forward, floatForward, recipe, pixels, format });`,
  ];
}

async function serveFile(): Promise<(string | ImportDeclarationStructure)[]> {
  return [
    `/**\n * Serves the page of this project to a browser on this machine: npm run page\n */`,
    await imports(['servePage'], [], 'node-page.js'),
    `process.exitCode = await servePage(new URL('./', import.meta.url), process.argv.slice(2));`,
  ];
}

/** An import from the runtime. */
async function imports(
  values: readonly string[],
  types: readonly string[],
  module: string,
): Promise<ImportDeclarationStructure> {
  const { StructureKind } = await import('ts-morph');
  const named: OptionalKind<ImportSpecifierStructure>[] = [
    ...types.map((type) => ({ name: type, isTypeOnly: values.length > 0 })),
    ...values.map((value) => ({ name: value })),
  ];
  return {
    kind: StructureKind.ImportDeclaration,
    isTypeOnly: values.length === 0,
    namedImports: named,
    moduleSpecifier: `./${runtimeFolder}/${module}`,
  };
}

async function importAs(module: string, names: readonly string[]): Promise<ImportDeclarationStructure> {
  const { StructureKind } = await import('ts-morph');
  return {
    kind: StructureKind.ImportDeclaration,
    namedImports: [...names],
    moduleSpecifier: `./${module}`,
  };
}

function packageFile(name: string): unknown {
  return {
    name: `${name.toLowerCase().replaceAll('_', '-')}-training`,
    private: true,
    type: 'module',
    scripts: { train: 'tsc && node train.js', page: 'tsc && node serve.js' },
    engines: { node: '>=20.11' },
    dependencies,
    optionalDependencies,
    devDependencies,
  };
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
