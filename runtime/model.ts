/**
 * The module that ships with a WGSL artifact, as `model.js`: loads what the compiler emitted and runs it, in a page, a worker or Node, with no
 * other dependency.
 *
 *     const model = await load('./resnet18/');
 *     const { output } = await model.run(image);
 *
 * Laws
 * - Integers only on the device: the same input gives the same bits of every integer tensor on every adapter.
 * - Everything that can be made once is made once: pipelines, bind groups, buffers. A run writes its input, submits, and maps its output.
 * - Runs happen on the device in the order they were asked for. Some may be under way at once: each has a buffer of its own for its result,
 *   all else they share, which is safe because a queue does one thing after the other.
 */
import { finishOutput, packInput } from './webgpu/boundary.ts';
import { ArtifactSource, type ModelSource } from './webgpu/artifact-source.ts';
import { prefersSubgroups } from './webgpu/adapter.ts';
import { storageBuffer, wholeVectors } from './webgpu/buffers.ts';
import { browserGpu, checkLimits, requestDevice } from './webgpu/device.ts';
import { elementCount } from './webgpu/elements.ts';
import type { ImageInput, ModelImage } from './webgpu/image-input.ts';
import { inflated } from './webgpu/inflate.ts';
import { ModelError } from './webgpu/model-error.ts';
import { type Dispatch, encodePass, fileOf, workgroupsOf } from './webgpu/dispatch.ts';
import {
  defaultChoices,
  packedFeature,
  type Pipeline,
  Pipelines,
  usedKernels,
  withFallbacks,
} from './webgpu/pipelines.ts';
import type { ArtifactManifest, WgslProgram } from './webgpu/program.ts';
import { ReadbackRing } from './webgpu/readback-ring.ts';
import { mapped } from './webgpu/readback.ts';

export { ModelError } from './webgpu/model-error.ts';
export type { ModelSource } from './webgpu/artifact-source.ts';
export type { ImageBytes, ModelImage } from './webgpu/image-input.ts';
export type { HostOutput, HostStage, HostUpload, ImageEntry, Tuning, WgslProgram } from './webgpu/program.ts';

export interface LoadOptions {
  /** The device to run on. Default: one of the browser's own choice, which is then the model's own. */
  readonly device?: GPUDevice;
  /** What the implementation's WGSL offers. Default: what the browser says; in Node, nothing, which is slower. */
  readonly wgslLanguageFeatures?: { has(feature: string): boolean };
  /** Whether to use `dot4I8Packed`. Default: where it exists. The results are the same. */
  readonly packedDot?: boolean;
  /** Whether to use the kernels for subgroups of eight invocations or more. Default: where they have exactly eight. The results are the same. */
  readonly subgroups?: boolean;
  /** Hears how many bytes have been loaded, of how many. */
  readonly onProgress?: (loaded: number, total: number) => void;
  /** Ends the loading. */
  readonly signal?: AbortSignal;
}

export interface RunOptions {
  /** Ends the waiting: a run that has not begun never does, of one under way nobody hears again. */
  readonly signal?: AbortSignal;
}

/**
 * What a model reads: f32 in its own layout (one array, or one for each input in order), or, where it was compiled with a preprocessing, an
 * image of any size, as many as the batch has, or the bytes of a batch that has the model's size already, RGB or RGBA.
 */
export type ModelInput =
  | Float32Array
  | readonly Float32Array[]
  | ModelImage
  | readonly ModelImage[]
  | Uint8Array
  | Uint8ClampedArray;

export interface ModelOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface RunResult {
  /** Values of the first output. */
  readonly output: Float32Array;
  readonly outputs: readonly ModelOutput[];
}

/**
 * Loads an artifact. Rejects with a ModelError when a file is missing or not what was compiled, when there is no WebGPU, or when the device
 * lacks a limit.
 */
export async function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const artifact = await ArtifactSource.open(source, options.signal);
  const { manifest } = artifact;
  const { program } = manifest;
  if (manifest.target !== 'wgsl' || program?.format !== 'qc-wgsl/2') {
    throw new ModelError(
      `${manifest.name} is an artifact of target ${manifest.target}, ${program?.format}, not qc-wgsl/2: compile it again`,
    );
  }
  const features = options.wgslLanguageFeatures ?? browserGpu()?.wgslLanguageFeatures ?? new Set<string>();
  const packedDot = options.packedDot ?? features.has(packedFeature);
  const { fallbacks, weights } = program.files;
  const owns = options.device === undefined;
  const device = options.device ?? (await requestDevice(program));
  try {
    checkLimits(device, program);
    const choices = defaultChoices(program, options.subgroups ?? prefersSubgroups(device, program.tuned_on));
    const used = [...usedKernels(program, choices)];
    const files = new Set(used.map((kernel) => program.files[fileOf(program, kernel)]));
    const first = artifact.reader([...files, ...(packedDot ? [] : [fallbacks]), weights], options.onProgress);
    // A file for kernels that are chosen later is read then.
    const text = async (name: string): Promise<string> =>
      new TextDecoder().decode(await (first(name) ?? artifact.reader([name])(name)));
    const pipelines = new Pipelines(device, program, async (file) => {
      const code = await text(program.files[file]);
      return packedDot ? code : withFallbacks(code, await text(fallbacks));
    });
    // Pipelines are made while the weights still arrive.
    const takesImages = program.image !== undefined && manifest.preprocess !== null;
    const [images, made, bytes] = await Promise.all([
      takesImages ? import('./images.ts') : undefined,
      Promise.all(used.map(async (kernel) => [kernel, await pipelines.of(kernel)] as const)),
      first(weights)!.then((packed) => inflated(packed, program.weight_bytes, weights)),
    ]);
    options.signal?.throwIfAborted();
    const parts = { manifest, program, pipelines, made: new Map(made), choices };
    return new Model(device, owns, parts, bytes, images?.ImageInput);
  } catch (error) {
    if (owns) device.destroy();
    throw error;
  }
}

/** A dispatch of the program on this device. */
export interface Step extends Dispatch {
  readonly step: string;
  readonly makes: readonly string[];
}

/** A part of a buffer that is read back, and where it goes. */
interface Readback {
  readonly buffer: number;
  readonly bytes: number;
  readonly at: number;
}

/** Runs that may be under way at once; more wait their turn. */
const runsInFlight = 3;

/** The inside of a model. */
export interface ModelParts {
  readonly manifest: ArtifactManifest;
  readonly program: WgslProgram;
  /** The weights, then the slots. */
  readonly buffers: readonly GPUBuffer[];
  readonly pipelines: Pipelines;
  /** What a run dispatches. */
  steps: readonly Step[];
  /** For each dispatch, which of its choices that is. */
  choices: readonly number[];
  /** Uploads the input when it is this caller's turn, acts, and frees the place. */
  readonly inTurn: <T>(
    input: ModelInput,
    signal: AbortSignal | undefined,
    action: (given: readonly Float32Array[], readback: GPUBuffer) => Promise<T>,
  ) => Promise<T>;
  /** Submits with the outputs copied at the end; gives their bytes. */
  readonly submit: (encoder: GPUCommandEncoder, readback: GPUBuffer) => Promise<Uint8Array>;
  /** Outputs from their bytes. */
  readonly finish: (given: readonly Float32Array[], bytes: Uint8Array) => RunResult;
}

/** A model on a device. */
export class Model implements Disposable {
  /** Rejects nothing; resolves, with the reason, if the device is lost before `dispose`. The model is then of no more use: load it again. */
  readonly lost: Promise<string>;
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly classNames: readonly string[] | undefined;
  /** Whether it reads images. */
  readonly takesImages: boolean;
  readonly device: GPUDevice;

  readonly #ownsDevice: boolean;
  readonly #parts: ModelParts;
  readonly #reads: readonly Readback[];
  readonly #readbacks: ReadbackRing;
  readonly #images: ImageInput | undefined;
  #gone: string | undefined;

  /** Use `load`. */
  constructor(
    device: GPUDevice,
    ownsDevice: boolean,
    loaded: Pick<ModelParts, 'manifest' | 'program' | 'pipelines' | 'choices'> & {
      readonly made: ReadonlyMap<number, Pipeline>;
    },
    weights: Uint8Array,
    Images: typeof ImageInput | undefined,
  ) {
    const { manifest, program, made, choices } = loaded;
    this.device = device;
    this.#ownsDevice = ownsDevice;
    this.name = manifest.name;
    this.inputs = manifest.inputs;
    this.outputs = program.outputs.map(({ name, shape }) => ({ name, shape }));
    this.classNames = manifest.class_names;
    const buffers = [weights.length, ...program.buffers].map((bytes, i) =>
      storageBuffer(device, bytes, i === 0 ? 'weights' : `slot ${i}`),
    );
    const steps = program.dispatches.map(({ step, bindings, makes, ...dispatch }, i) => {
      const choice = dispatch.choices[choices[i]!]!;
      const { pipeline, layout } = made.get(choice[0])!;
      const group = device.createBindGroup({
        layout,
        label: step,
        entries: bindings.map(([buffer, offset, size], binding) => ({
          binding,
          resource: { buffer: buffers[buffer]!, offset, size },
        })),
      });
      return { pipeline, group, workgroups: workgroupsOf(choice), step, makes };
    });
    this.#parts = {
      ...loaded,
      ...{ buffers, steps },
      inTurn: (input, signal, action) => this.#inTurn(input, signal, action),
      submit: (encoder, readback) => this.#submit(encoder, readback),
      finish: (given, bytes) => this.#finish(given, bytes),
    };
    this.#write(0, weights);
    const reads: Readback[] = [];
    let at = 0;
    for (const { buffer, bytes } of program.outputs) {
      reads.push({ buffer, bytes, at });
      at += wholeVectors(bytes);
    }
    this.#reads = reads;
    this.#readbacks = new ReadbackRing(device, at, runsInFlight);
    const [upload] = program.uploads;
    this.#images =
      Images &&
      new Images(device, program.image!, manifest.preprocess!, made, buffers[0]!, buffers[upload!.buffer]!);
    this.takesImages = this.#images !== undefined;
    this.lost = new Promise((resolve) => {
      void device.lost.then(({ message, reason }) => {
        if (this.#gone !== undefined) return;
        this.#gone = `the GPU device was lost (${reason}): ${message}`;
        resolve(this.#gone);
      });
    });
  }

  /** Runs one batch. The input is read before this returns, unless as many runs as may be are under way. */
  run(input: ModelInput, { signal }: RunOptions = {}): Promise<RunResult> {
    return this.#inTurn(input, signal, async (given, readback) => {
      const encoder = this.device.createCommandEncoder();
      encodePass(encoder, this.#parts.steps);
      return this.#finish(given, await this.#submit(encoder, readback));
    });
  }

  /** What `measure.js` works with. Not for pages: it may change. */
  get parts(): ModelParts {
    return this.#parts;
  }

  /** Frees every buffer, and the device if `load` made it. Runs under way reject. */
  dispose(): void {
    this.#gone ??= 'the model was disposed';
    for (const buffer of this.#parts.buffers) buffer.destroy();
    this.#readbacks.destroy();
    this.#images?.destroy();
    if (this.#ownsDevice) this.device.destroy();
  }

  /** For `using`. (In an engine that has no such symbol this is a method that nobody calls.) */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Uploads the input when it is this run's turn, acts, and frees the place. */
  #inTurn<T>(
    input: ModelInput,
    signal: AbortSignal | undefined,
    action: (given: readonly Float32Array[], readback: GPUBuffer) => Promise<T>,
  ): Promise<T> {
    const turn = async (): Promise<T> => {
      this.#check();
      signal?.throwIfAborted();
      const next = this.#readbacks.take();
      const readback = next instanceof Promise ? await next : next;
      try {
        this.#check();
        signal?.throwIfAborted();
        return await action(this.#upload(input), readback);
      } catch (error) {
        throw await this.#explained(error);
      } finally {
        this.#readbacks.give(readback);
      }
    };
    return abortable(turn(), signal);
  }

  #check(): void {
    if (this.#gone !== undefined) throw new ModelError(this.#gone);
  }

  /** What really went wrong: work on a device that is lost fails a moment before the device says so. */
  async #explained(error: unknown): Promise<unknown> {
    if (this.#gone === undefined && !(error instanceof ModelError)) {
      await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    return this.#gone === undefined ? error : new ModelError(this.#gone);
  }

  #write(buffer: number, bytes: Uint8Array): void {
    // A whole number of words: what writeBuffer takes. Tensors and weights are.
    this.device.queue.writeBuffer(this.#parts.buffers[buffer]!, 0, bytes as Uint8Array<ArrayBuffer>);
  }

  /** Brings the input to the device. Gives f32 inputs back, for what returns one as it came. */
  #upload(input: ModelInput): readonly Float32Array[] {
    const given = [input].flat() as readonly Float32Array[] | readonly ModelImage[];
    if (isValues(given)) {
      this.#uploadValues(given);
      return given;
    }
    if (this.#images === undefined) {
      throw new ModelError(
        'this artifact takes no images: compile it with --preprocess, for a model of one image input',
      );
    }
    const batch = this.inputs[0]!.shape[0]!;
    if (given.length !== batch) {
      throw new ModelError(`${given.length} images for a model that reads ${batch} at once`);
    }
    for (const [i, image] of given.entries()) this.#images.put(image, i);
    return [];
  }

  #uploadValues(given: readonly Float32Array[]): void {
    for (const [i, { name, shape }] of this.inputs.entries()) {
      const count = elementCount(shape);
      const found = given[i]?.length;
      if (found !== count) {
        throw new ModelError(
          `input ${JSON.stringify(name)} has ${found ?? 'no'} values, expected ${count} for [${shape.join(', ')}]`,
        );
      }
    }
    for (const upload of this.#parts.program.uploads) {
      this.#write(upload.buffer, packInput(upload, given[upload.input]!));
    }
  }

  /** Submits with the outputs copied at the end; gives their bytes. */
  async #submit(encoder: GPUCommandEncoder, readback: GPUBuffer): Promise<Uint8Array> {
    for (const { buffer, bytes, at } of this.#reads) {
      if (bytes > 0) {
        encoder.copyBufferToBuffer(this.#parts.buffers[buffer]!, 0, readback, at, Math.ceil(bytes / 4) * 4);
      }
    }
    this.device.queue.submit([encoder.finish()]);
    return mapped(readback);
  }

  #finish(given: readonly Float32Array[], bytes: Uint8Array): RunResult {
    const outputs = this.#parts.program.outputs.map((output, i) => {
      const data =
        output.input === undefined
          ? finishOutput(output, bytes.subarray(this.#reads[i]!.at))
          : Float32Array.from(given[output.input] ?? []);
      return { name: output.name, shape: output.shape, data };
    });
    return { output: outputs[0]?.data ?? new Float32Array(0), outputs };
  }
}

const isValues = (given: readonly Float32Array[] | readonly ModelImage[]): given is readonly Float32Array[] =>
  given.every((values) => values instanceof Float32Array);

/** The work, or the signal's reason as soon as there is one. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', abort);
    });
  });
}
