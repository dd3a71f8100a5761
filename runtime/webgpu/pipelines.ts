/** From the text of kernels to pipelines, each made once. */
import { fileOf } from './dispatch.ts';
import { ModelError } from './model-error.ts';
import type { KernelFile, WgslProgram } from './program.ts';

/** A pipeline with the layout of its bindings. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** `GPUShaderStage.COMPUTE`: Node has no global for it. */
const computeStage = 0x4;

/** The language feature behind `dot4I8Packed`. */
export const packedFeature = 'packed_4x8_integer_dot_product';

/** Code for an implementation without `dot4I8Packed`: functions of the same names take the place of the feature. */
export const withFallbacks = (code: string, fallbacks: string): string =>
  `${code.replace(`requires ${packedFeature};`, '')}\n${fallbacks}`;

/** For each dispatch the choice that a device gets which was not timed: the first, or the first for subgroups. */
export const defaultChoices = (program: WgslProgram, subgroups: boolean): number[] =>
  program.dispatches.map(({ choices }) =>
    Math.max(
      0,
      choices.findIndex(([kernel]) => subgroups && fileOf(program, kernel) === 'subgroups'),
    ),
  );

/** The kernels that are dispatched, for the program and for images. */
export const usedKernels = (
  { image, dispatches }: WgslProgram,
  choices: readonly number[],
): ReadonlySet<number> =>
  new Set([
    ...dispatches.map((dispatch, i) => dispatch.choices[choices[i]!]![0]),
    ...(image === undefined ? [] : [image.columns, image.rows]),
  ]);

/** Makes the pipelines of a program's kernels on a device, each when it is first asked for. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #program: WgslProgram;
  readonly #codeOf: (file: KernelFile) => Promise<string>;
  readonly #modules = new Map<KernelFile, Promise<GPUShaderModule>>();
  readonly #made = new Map<number, Promise<Pipeline>>();

  /** `codeOf` gives a file's text. */
  constructor(device: GPUDevice, program: WgslProgram, codeOf: (file: KernelFile) => Promise<string>) {
    this.#device = device;
    this.#program = program;
    this.#codeOf = codeOf;
  }

  /** The pipeline of a kernel, by its number. */
  of(kernel: number): Promise<Pipeline> {
    return once(this.#made, kernel, () => this.#make(kernel));
  }

  async #make(kernel: number): Promise<Pipeline> {
    const { forms, kernels } = this.#program;
    const [form, ...values] = kernels[kernel]!;
    const { name, file, constants, access } = forms[form!]!;
    const device = this.#device;
    const module = await once(this.#modules, file, async () =>
      makeModule(device, file, await this.#codeOf(file)),
    );
    const layout = device.createBindGroupLayout({
      label: name,
      entries: access.map((kind, binding) => ({
        binding,
        visibility: computeStage,
        buffer: { type: kind === 'read' ? 'read-only-storage' : 'storage' },
      })),
    });
    const pipeline = await device.createComputePipelineAsync({
      label: name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module,
        entryPoint: name,
        constants: Object.fromEntries(constants.map((constant, i) => [constant, values[i]!])),
      },
    });
    return { pipeline, layout };
  }
}

function once<K, V>(made: Map<K, V>, key: K, make: () => V): V {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known;
}

async function makeModule(device: GPUDevice, label: string, code: string): Promise<GPUShaderModule> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code, label });
  const scope = device.popErrorScope();
  const errors = (await module.getCompilationInfo()).messages.filter(({ type }) => type === 'error');
  await scope;
  const [first] = errors;
  if (first !== undefined) {
    throw new ModelError(`this device refuses the ${label}: line ${first.lineNum}: ${first.message}`);
  }
  return module;
}
