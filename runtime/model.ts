/**
 * The module that ships with a WGSL artifact, as `model.js`: loads what the compiler emitted and runs it, in a browser or in Node, with no
 * other dependency. One file on purpose: its compiled text is the artifact's.
 *
 *     const model = await load('./resnet18/', { device });
 *     const { output } = await model.run(input);
 *
 * Laws
 * - Integers only on the device. f32 is quantized and dequantized here, where IEEE arithmetic is exact about rounding: the same input gives
 *   the same bits of every integer tensor on every adapter. (Softmax, if the model ends in one, is f32 and outside this promise.)
 * - Everything that can be made once is made once: pipelines, bind groups, buffers. A run writes its input, submits one command buffer, maps
 *   its output.
 * - Runs do not overlap: a run begins when the one before has read its output. They may be started together.
 */

/** How a tensor lies in a buffer: strides in elements by logical axis, elements of `bits` bits, packed low bits first. */
interface Layout {
  readonly strides: readonly number[];
  readonly bits: number;
  readonly bytes: number;
}

/** An input as it goes to the device. */
export interface HostUpload extends Layout {
  /** Index of the input. */
  readonly input: number;
  readonly tensor: string;
  readonly buffer: number;
  readonly shape: readonly number[];
  readonly storage: string;
  /** One scale, or one for each index of `axis`. Absent where the program takes integers. */
  readonly quantize?: {
    readonly scale: readonly number[];
    readonly axis: number;
    readonly zero_point: number;
  };
}

/** What is done to an output after the last dispatch. */
export type HostStage =
  | {
      readonly op: 'dequantize';
      readonly scale: readonly number[];
      readonly axis: number;
      readonly zero_point: number;
      readonly shape: readonly number[];
    }
  | { readonly op: 'softmax'; readonly axis: number; readonly shape: readonly number[] };

export interface HostOutput extends Layout {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of the input that is returned as it came, where that is so. */
  readonly input?: number;
  readonly tensor: string;
  readonly buffer: number;
  readonly storage: string;
  readonly stages: readonly HostStage[];
}

/** The entry for bytes: `tables[c][byte]` is the integer of a byte in channel c; `layout` is that of the program's input. */
export interface ImageEntry {
  readonly layout: 'NCHW' | 'NHWC';
  readonly tables: readonly (readonly number[])[];
}

/** `program` of a WGSL artifact's manifest. */
export interface WgslProgram {
  readonly format: 'qc-wgsl/1';
  readonly files: { readonly kernels: string; readonly fallbacks: string; readonly weights: string };
  readonly weight_bytes: number;
  /** What a device must have. */
  readonly limits: {
    readonly storage_buffers: number;
    readonly binding_bytes: number;
    readonly buffer_bytes: number;
    readonly invocations: number;
  };
  readonly kernels: readonly { readonly name: string; readonly access: readonly ('read' | 'read_write')[] }[];
  /** Bytes of buffers 1, 2, ...; buffer 0 holds the weights. */
  readonly buffers: readonly number[];
  readonly dispatches: readonly {
    readonly step: string;
    readonly kernel: number;
    readonly workgroups: readonly [number, number, number];
    readonly bindings: readonly (readonly [buffer: number, offset: number, bytes: number])[];
    /** Tensors that are finished after it. */
    readonly makes: readonly string[];
  }[];
  readonly tensors: readonly { readonly name: string; readonly buffer: number; readonly bytes: number }[];
  readonly uploads: readonly HostUpload[];
  readonly outputs: readonly HostOutput[];
  readonly image?: ImageEntry;
}

interface ArtifactManifest {
  readonly name: string;
  readonly target: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly class_names?: readonly string[];
  readonly preprocess: unknown;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly program?: unknown;
}

/** Where an artifact comes from: the URL of its folder, its files by name, or a function that reads one. */
export type ModelSource =
  string | URL | Readonly<Record<string, Uint8Array>> | ((file: string) => Uint8Array | Promise<Uint8Array>);

export interface LoadOptions {
  /** The device to run on. Default: one of the browser's own choice. */
  readonly device?: GPUDevice;
  /** What the implementation's WGSL offers. Default: what the browser says; in Node, nothing, which is slower. */
  readonly wgslLanguageFeatures?: { has(feature: string): boolean };
  /** Whether to use `dot4I8Packed`. Default: where it exists. The results are the same. */
  readonly packedDot?: boolean;
}

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

export interface TraceResult extends RunResult {
  /** Packed bytes of every stored tensor, by name, as the manifest's layouts describe them. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

/** Time on the device by step, in milliseconds. */
export type Profile = readonly { readonly step: string; readonly milliseconds: number }[];

/** What cannot be run here, in words for the person who can change it. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}

const packedFeature = 'packed_4x8_integer_dot_product';

// WebGPU's constants: Node has no globals for them.
const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, storage: 0x80, queryResolve: 0x200 } as const;
const mapForReading = 0x1;
const computeStage = 0x4;

/**
 * Loads an artifact. Rejects with a ModelError when a file is missing or not of the size the manifest states, when the browser has no WebGPU
 * or when the device lacks a limit.
 */
export async function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const read = readerOf(source);
  const manifest = JSON.parse(new TextDecoder().decode(await read('manifest.json'))) as ArtifactManifest;
  const program = manifest.program as WgslProgram | undefined;
  if (manifest.target !== 'wgsl' || program?.format !== 'qc-wgsl/1') {
    throw new ModelError(
      `${manifest.name} is an artifact of target ${manifest.target}; this module runs qc-wgsl/1`,
    );
  }
  const { kernels, fallbacks, weights } = program.files;
  const [code, plain, packed] = await Promise.all([kernels, fallbacks, weights].map((name) => read(name)));
  for (const [name, bytes] of [
    [kernels, code!],
    [fallbacks, plain!],
    [weights, packed!],
  ] as const) {
    const stated = manifest.files.find((file) => file.name === name)?.bytes;
    if (stated !== bytes.length) {
      throw new ModelError(`${name} has ${bytes.length} bytes, the manifest states ${stated ?? 'none'}`);
    }
  }
  const device = options.device ?? (await requestDevice(program));
  checkLimits(device, program);
  const features = options.wgslLanguageFeatures ?? browserGpu()?.wgslLanguageFeatures ?? new Set<string>();
  const packedDot = options.packedDot ?? features.has(packedFeature);
  const text = new TextDecoder();
  const wgsl = packedDot
    ? text.decode(code)
    : `${text.decode(code).replace(`requires ${packedFeature};`, '')}\n${text.decode(plain)}`;
  const pipelines = await makePipelines(device, program, wgsl);
  return new Model(device, options.device === undefined, manifest, program, pipelines, packed!);
}

function readerOf(source: ModelSource): (file: string) => Promise<Uint8Array> {
  if (typeof source === 'function') return async (file) => source(file);
  if (typeof source === 'string' || source instanceof URL) {
    const page = (globalThis as { readonly location?: { readonly href: string } }).location?.href;
    const folder = new URL(String(source).replace(/\/?$/, '/'), page);
    return async (file) => {
      const url = new URL(file, folder);
      const response = await fetch(url);
      if (!response.ok) throw new ModelError(`${url.href}: ${response.status} ${response.statusText}`);
      return new Uint8Array(await response.arrayBuffer());
    };
  }
  return async (file) => {
    const bytes = source[file];
    if (bytes === undefined) throw new ModelError(`the artifact has no file ${file}`);
    return bytes;
  };
}

const browserGpu = (): GPU | undefined =>
  (globalThis as { readonly navigator?: { readonly gpu?: GPU } }).navigator?.gpu;

/** Limits by WebGPU's name, with what the program needs. */
function neededLimits({ limits }: WgslProgram): readonly (readonly [keyof GPUSupportedLimits, number])[] {
  return [
    ['maxStorageBuffersPerShaderStage', limits.storage_buffers],
    ['maxStorageBufferBindingSize', limits.binding_bytes],
    ['maxBufferSize', limits.buffer_bytes],
    ['maxComputeInvocationsPerWorkgroup', limits.invocations],
  ];
}

async function requestDevice(program: WgslProgram): Promise<GPUDevice> {
  const gpu = browserGpu();
  if (gpu === undefined) {
    throw new ModelError('there is no WebGPU here: use a browser that has it, or give load() a device');
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new ModelError('WebGPU has no adapter: no usable GPU, or it is disabled');
  for (const [name, needed] of neededLimits(program)) checkLimit('adapter', name, adapter.limits, needed);
  return adapter.requestDevice({
    requiredFeatures: adapter.features.has('timestamp-query') ? ['timestamp-query'] : [],
    requiredLimits: Object.fromEntries(neededLimits(program)),
  });
}

function checkLimit(
  owner: string,
  name: keyof GPUSupportedLimits,
  limits: GPUSupportedLimits,
  needed: number,
): void {
  const has = limits[name] as number;
  if (has < needed) {
    throw new ModelError(
      `the model needs ${name} of ${needed}, this ${owner} has ${has}` +
        (owner === 'device' ? ': ask for it in requiredLimits, if the adapter has it' : ''),
    );
  }
}

function checkLimits(device: GPUDevice, program: WgslProgram): void {
  for (const [name, needed] of neededLimits(program)) checkLimit('device', name, device.limits, needed);
}

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

async function makePipelines(device: GPUDevice, program: WgslProgram, code: string): Promise<Pipeline[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code, label: 'kernels' });
  const errors = (await module.getCompilationInfo()).messages.filter(({ type }) => type === 'error');
  await device.popErrorScope();
  const [first] = errors;
  if (first !== undefined) {
    throw new ModelError(`this device refuses the kernels: line ${first.lineNum}: ${first.message}`);
  }
  return Promise.all(
    program.kernels.map(async ({ name, access }) => {
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
        compute: { module, entryPoint: name },
      });
      return { pipeline, layout };
    }),
  );
}

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly step: string;
  readonly makes: readonly string[];
}

/** A part of a buffer that is read back, and where it goes. */
interface Readback {
  readonly buffer: number;
  readonly bytes: number;
  readonly at: number;
}

const wholeVectors = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** A model on a device. */
export class Model {
  /** Rejects nothing; resolves, with the reason, if the device is lost before `dispose`. */
  readonly lost: Promise<string>;
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly classNames: readonly string[] | undefined;
  readonly preprocess: unknown;
  readonly device: GPUDevice;

  readonly #ownsDevice: boolean;
  readonly #program: WgslProgram;
  readonly #buffers: GPUBuffer[];
  readonly #dispatches: readonly Dispatch[];
  readonly #reads: readonly Readback[];
  readonly #readback: GPUBuffer;
  #queue: Promise<unknown> = Promise.resolve();
  #gone: string | undefined;

  /** Use `load`. */
  constructor(
    device: GPUDevice,
    ownsDevice: boolean,
    manifest: ArtifactManifest,
    program: WgslProgram,
    pipelines: readonly Pipeline[],
    weights: Uint8Array,
  ) {
    this.device = device;
    this.#ownsDevice = ownsDevice;
    this.#program = program;
    this.name = manifest.name;
    this.inputs = manifest.inputs;
    this.outputs = program.outputs.map(({ name, shape }) => ({ name, shape }));
    this.classNames = manifest.class_names;
    this.preprocess = manifest.preprocess;
    this.#buffers = [weights.length, ...program.buffers].map((bytes, i) =>
      device.createBuffer({
        size: Math.max(16, wholeVectors(bytes)),
        usage: usage.storage | usage.copySource | usage.copyTarget,
        label: i === 0 ? 'weights' : `slot ${i}`,
      }),
    );
    this.#write(0, weights);
    this.#dispatches = program.dispatches.map(({ step, kernel, workgroups, bindings, makes }) => {
      const { pipeline, layout } = pipelines[kernel]!;
      const group = device.createBindGroup({
        layout,
        label: step,
        entries: bindings.map(([buffer, offset, size], binding) => ({
          binding,
          resource: { buffer: this.#buffers[buffer]!, offset, size },
        })),
      });
      return { pipeline, group, workgroups, step, makes };
    });
    const reads: Readback[] = [];
    let at = 0;
    for (const { buffer, bytes } of program.outputs) {
      reads.push({ buffer, bytes, at });
      at += wholeVectors(bytes);
    }
    this.#reads = reads;
    this.#readback = this.#readable(at);
    this.lost = device.lost.then(({ message, reason }) => {
      this.#gone ??= `the GPU device was lost (${reason}): ${message}`;
      return this.#gone;
    });
  }

  /** Runs one batch of f32 inputs: one array, or one for each input in order. */
  run(inputs: Float32Array | readonly Float32Array[]): Promise<RunResult> {
    return this.#next(async () => {
      const given = this.#upload(inputs);
      return this.#finish(given, await this.#compute());
    });
  }

  /**
   * Runs a batch of images: bytes in rows of pixels, top to bottom, RGB or (from a canvas) RGBA, of the model's own height and width. The
   * artifact must have been compiled with a preprocessing.
   */
  runImage(bytes: Uint8Array | Uint8ClampedArray): Promise<RunResult> {
    return this.#next(async () => {
      const { image, uploads } = this.#program;
      const [upload] = uploads;
      if (image === undefined || upload === undefined) {
        throw new ModelError(
          'this artifact takes no images: compile it with --preprocess, for a model of one image input',
        );
      }
      this.#write(upload.buffer, packImage(image, upload, bytes));
      return this.#finish([], await this.#compute());
    });
  }

  /** Runs once and returns every stored tensor, as it was when its step had made it. For checking, not for speed. */
  trace(inputs: Float32Array | readonly Float32Array[]): Promise<TraceResult> {
    return this.#next(async () => {
      const given = this.#upload(inputs);
      const { tensors } = this.#program;
      const made = new Set(this.#dispatches.flatMap(({ makes }) => makes));
      const offsets = new Map<string, number>();
      let size = 0;
      for (const { name, bytes } of tensors) {
        offsets.set(name, size);
        size += wholeVectors(bytes);
      }
      const kept = this.#readable(size);
      const encoder = this.device.createCommandEncoder();
      const keep = (wanted: (name: string) => boolean): void => {
        for (const { name, buffer, bytes } of tensors) {
          if (!wanted(name)) continue;
          encoder.copyBufferToBuffer(
            this.#buffers[buffer]!,
            0,
            kept,
            offsets.get(name)!,
            Math.ceil(bytes / 4) * 4,
          );
        }
      };
      keep((name) => !made.has(name));
      for (const dispatch of this.#dispatches) {
        const pass = encoder.beginComputePass();
        encode(pass, dispatch);
        pass.end();
        keep((name) => dispatch.makes.includes(name));
      }
      const outputs = await this.#submit(encoder);
      const bytes = await mapped(kept);
      kept.destroy();
      const result = this.#finish(given, outputs);
      return {
        ...result,
        tensors: new Map(
          tensors.map((tensor) => {
            const at = offsets.get(tensor.name)!;
            return [tensor.name, bytes.slice(at, at + tensor.bytes)];
          }),
        ),
      };
    });
  }

  /** Runs once with a timestamp around every dispatch. Rejects where the device has no `timestamp-query`. */
  profile(inputs: Float32Array | readonly Float32Array[]): Promise<Profile> {
    return this.#next(async () => {
      if (!this.device.features.has('timestamp-query')) {
        throw new ModelError('this device has no timestamp-query');
      }
      this.#upload(inputs);
      const count = 2 * this.#dispatches.length;
      const querySet = this.device.createQuerySet({ type: 'timestamp', count });
      const resolved = this.device.createBuffer({
        size: 8 * count,
        usage: usage.queryResolve | usage.copySource,
      });
      const times = this.#readable(8 * count);
      const encoder = this.device.createCommandEncoder();
      for (const [i, dispatch] of this.#dispatches.entries()) {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
        });
        encode(pass, dispatch);
        pass.end();
      }
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, times, 0, 8 * count);
      await this.#submit(encoder);
      const stamps = new BigInt64Array((await mapped(times)).buffer);
      for (const made of [querySet, resolved, times]) made.destroy();
      return this.#dispatches.map(({ step }, i) => ({
        step,
        milliseconds: Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6,
      }));
    });
  }

  /** Frees every buffer, and the device if `load` made it. Runs under way reject. */
  dispose(): void {
    this.#gone ??= 'the model was disposed';
    for (const buffer of [...this.#buffers, this.#readback]) buffer.destroy();
    this.#buffers.length = 0;
    if (this.#ownsDevice) this.device.destroy();
  }

  /** Runs `action` after all before it, whether they failed or not. */
  #next<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      this.#check();
      try {
        return await action();
      } catch (error) {
        this.#check();
        throw error;
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #check(): void {
    if (this.#gone !== undefined) throw new ModelError(this.#gone);
  }

  #readable(bytes: number): GPUBuffer {
    return this.device.createBuffer({
      size: Math.max(16, wholeVectors(bytes)),
      usage: usage.mapRead | usage.copyTarget,
    });
  }

  #write(buffer: number, bytes: Uint8Array): void {
    // A whole number of words: what writeBuffer takes. Tensors and weights are.
    this.device.queue.writeBuffer(this.#buffers[buffer]!, 0, bytes as Uint8Array<ArrayBuffer>);
  }

  #upload(inputs: Float32Array | readonly Float32Array[]): readonly Float32Array[] {
    const given = inputs instanceof Float32Array ? [inputs] : inputs;
    for (const [i, { name, shape }] of this.inputs.entries()) {
      const count = elementCount(shape);
      const found = given[i]?.length;
      if (found !== count) {
        throw new ModelError(
          `input ${JSON.stringify(name)} has ${found ?? 'no'} values, expected ${count} for [${shape.join(', ')}]`,
        );
      }
    }
    for (const upload of this.#program.uploads)
      this.#write(upload.buffer, packInput(upload, given[upload.input]!));
    return given;
  }

  async #compute(): Promise<Uint8Array> {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const dispatch of this.#dispatches) encode(pass, dispatch);
    pass.end();
    return this.#submit(encoder);
  }

  /** Submits with the outputs copied at the end; gives their bytes. */
  async #submit(encoder: GPUCommandEncoder): Promise<Uint8Array> {
    for (const { buffer, bytes, at } of this.#reads) {
      if (bytes > 0) {
        encoder.copyBufferToBuffer(this.#buffers[buffer]!, 0, this.#readback, at, Math.ceil(bytes / 4) * 4);
      }
    }
    this.device.queue.submit([encoder.finish()]);
    return mapped(this.#readback);
  }

  #finish(given: readonly Float32Array[], bytes: Uint8Array): RunResult {
    const outputs = this.#program.outputs.map((output, i) => {
      const data =
        output.input === undefined
          ? finishOutput(output, bytes.subarray(this.#reads[i]!.at))
          : Float32Array.from(given[output.input] ?? []);
      return { name: output.name, shape: output.shape, data };
    });
    return { output: outputs[0]?.data ?? new Float32Array(0), outputs };
  }
}

function encode(pass: GPUComputePassEncoder, { pipeline, group, workgroups }: Dispatch): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...workgroups);
}

/** The bytes of a buffer that is mapped for reading and unmapped again. */
async function mapped(buffer: GPUBuffer): Promise<Uint8Array> {
  await buffer.mapAsync(mapForReading);
  const bytes = new Uint8Array(buffer.getMappedRange()).slice();
  buffer.unmap();
  return bytes;
}

const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, extent) => product * extent, 1);

/** Smallest and largest value of a storage such as `u4`. */
function rangeOf(storage: string): readonly [number, number] {
  const bits = Number(storage.slice(1));
  return storage.startsWith('i') ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** Calls `visit(row-major index, offset in elements)` for every element of a tensor. */
function forEachElement(
  shape: readonly number[],
  strides: readonly number[],
  visit: (index: number, offset: number) => void,
): void {
  const last = shape.length - 1;
  const extent = shape[last] ?? 1;
  const step = strides[last] ?? 1;
  const position = shape.map(() => 0);
  const count = elementCount(shape);
  for (let index = 0, start = 0; index < count; index += extent) {
    for (let i = 0; i < extent; i++) visit(index + i, start + i * step);
    for (let axis = last - 1; axis >= 0; axis--) {
      position[axis]! += 1;
      start += strides[axis]!;
      if (position[axis]! < shape[axis]!) break;
      start -= position[axis]! * strides[axis]!;
      position[axis] = 0;
    }
  }
}

/** Puts integers of `bits` bits into zeroed bytes. */
function packer(bytes: Uint8Array, bits: number): (offset: number, value: number) => void {
  if (bits === 32) {
    const words = new Int32Array(bytes.buffer);
    return (offset, value) => (words[offset] = value);
  }
  if (bits === 16) {
    const halves = new Int16Array(bytes.buffer);
    return (offset, value) => (halves[offset] = value);
  }
  if (bits === 8) return (offset, value) => (bytes[offset] = value);
  const mask = 2 ** bits - 1;
  return (offset, value) => {
    const at = offset * bits;
    bytes[at >>> 3]! |= (value & mask) << (at & 7);
  };
}

/** Numbers in steps of `scale` that differ along one axis: the scale of a row-major index. */
function scaleOf(
  scale: readonly number[],
  axis: number,
  shape: readonly number[],
): (index: number) => number {
  const [first] = scale;
  if (scale.length === 1) return () => first!;
  const inner = elementCount(shape.slice(axis + 1));
  return (index) => scale[Math.floor(index / inner) % scale.length]!;
}

/** Adding and subtracting this rounds a double to an integer, ties to even, for magnitudes below 2^51. */
const rounder = 1.5 * 2 ** 52;

/** An input as the device reads it: quantized as ONNX QuantizeLinear does, NaN to the zero point. */
function packInput(
  { shape, strides, bits, bytes, storage, quantize }: HostUpload,
  data: Float32Array,
): Uint8Array {
  const packed = new Uint8Array(bytes);
  const put = packer(packed, bits);
  if (quantize === undefined) {
    forEachElement(shape, strides, (index, offset) => {
      put(offset, data[index]!);
    });
    return packed;
  }
  const [min, max] = rangeOf(storage);
  const { zero_point: zeroPoint } = quantize;
  const scale = scaleOf(quantize.scale, quantize.axis, shape);
  const [low, high] = [min - zeroPoint, max - zeroPoint];
  forEachElement(shape, strides, (index, offset) => {
    const steps = Math.fround(data[index]! / scale(index));
    // Saturating first is the same, as both ends are integers, and keeps the sum small.
    const held = steps < low ? low : steps > high ? high : steps;
    put(offset, Number.isNaN(held) ? zeroPoint : held + rounder - rounder + zeroPoint);
  });
  return packed;
}

/** Bytes of images as the device reads them. */
function packImage(
  image: ImageEntry,
  upload: HostUpload,
  pixels: Uint8Array | Uint8ClampedArray,
): Uint8Array {
  const { tables } = image;
  const place = image.layout === 'NCHW' ? [0, 2, 3, 1] : [0, 1, 2, 3];
  const [batch, height, width, channels] = place.map((axis) => upload.shape[axis]!) as [
    number,
    number,
    number,
    number,
  ];
  const [ofImage, ofRow, ofColumn, ofChannel] = place.map((axis) => upload.strides[axis]!) as [
    number,
    number,
    number,
    number,
  ];
  const count = batch * height * width;
  const given = pixels.length / count;
  if (given !== channels && !(given === 4 && channels === 3)) {
    throw new ModelError(
      `${pixels.length} bytes for ${batch} images of ${height} x ${width} pixels, expected ${count * channels}`,
    );
  }
  const packed = new Uint8Array(upload.bytes);
  const put = packer(packed, upload.bits);
  let from = 0;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, from += given) {
        const at = n * ofImage + y * ofRow + x * ofColumn;
        for (let c = 0; c < channels; c++) put(at + c * ofChannel, tables[c]![pixels[from + c]!]!);
      }
    }
  }
  return packed;
}

/** Integers out of packed bytes, in row-major order. */
function unpackIntegers({ shape, strides, bits, storage }: HostOutput, integers: Uint8Array): Float64Array {
  const values = new Float64Array(elementCount(shape));
  const view = new DataView(integers.buffer, integers.byteOffset, integers.byteLength);
  const signed = storage.startsWith('i');
  const mask = 2 ** bits - 1;
  const spare = signed ? 32 - bits : 0;
  forEachElement(shape, strides, (index, offset) => {
    if (bits === 32) values[index] = view.getInt32(4 * offset, true);
    else if (bits === 16)
      values[index] = signed ? view.getInt16(2 * offset, true) : view.getUint16(2 * offset, true);
    else {
      const at = offset * bits;
      const field = (integers[at >>> 3]! >> (at & 7)) & mask;
      values[index] = (field << spare) >> spare;
    }
  });
  return values;
}

function finishOutput(output: HostOutput, bytes: Uint8Array): Float32Array {
  const integers = unpackIntegers(output, bytes);
  let values = Float32Array.from(integers);
  for (const stage of output.stages) {
    if (stage.op === 'dequantize') {
      const scale = scaleOf(stage.scale, stage.axis, stage.shape);
      // float32 of the difference first, then one rounded product: as hardware converts.
      values = Float32Array.from(integers, (value, i) => Math.fround(value - stage.zero_point) * scale(i));
    } else {
      softmax(values, stage.shape, stage.axis);
    }
  }
  return values;
}

function softmax(values: Float32Array, shape: readonly number[], axis: number): void {
  const extent = shape[axis]!;
  const inner = elementCount(shape.slice(axis + 1));
  for (let start = 0; start < values.length; start += extent * inner) {
    for (let lane = start; lane < start + inner; lane++) {
      let largest = -Infinity;
      for (let k = 0; k < extent; k++) largest = Math.max(largest, values[lane + k * inner]!);
      let sum = 0;
      for (let k = 0; k < extent; k++) sum += Math.exp(values[lane + k * inner]! - largest);
      for (let k = 0; k < extent; k++) {
        values[lane + k * inner] = Math.exp(values[lane + k * inner]! - largest) / sum;
      }
    }
  }
}
