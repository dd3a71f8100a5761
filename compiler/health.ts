/**
 * Whether quantization kept the model, measured: the quantized program next to the float one on samples of the calibration, layer by layer.
 * Both run in the quick executor (between dequantize and quantize the quantized program computes in f32, which is as near to the integer
 * program as a few roundings). Samples stream; what is kept is a few numbers for each channel. `health-verdict.ts` says what to make of it.
 *
 * A layer is compared by what it makes before activation functions and sums, with whatever the layers before it did to its input: the
 * ratio sinks along the program, and falls where a layer breaks it.
 */
import {
  bitWidth,
  type Graph,
  isQuantized,
  narrowLimit,
  type Node,
  opOf,
  producersOf,
  sameShape,
  storageRange,
  type Tensor,
  typesOf,
} from '../ir/index.ts';
import { type Layer, layersOf, type PassContext, type Samples } from '../passes/index.ts';
import type { ActivationHealth, HealthSummary, LayerHealth } from '../runtime/manifest.ts';
import { Comparison, SignalToNoise } from './metrics.ts';

/** Samples that are looked at, if there are as many: so many multiplications' worth of each program, within these bounds. */
const multiplications = 3.2e10;
const leastSamples = 16;
const mostSamples = 256;

/** Decibels of a ratio that has no logarithm, where all is noise. */
const allNoise = -100;

/** Compares two programs with the same inputs by their first outputs, and by the layers and stored activations of `quantized`. */
export async function measureHealth(
  float: Graph,
  quantized: Graph,
  samples: Samples,
  { executor, progress }: Pick<PassContext, 'executor' | 'progress'>,
): Promise<HealthSummary> {
  const watched = watchedLayers(float, quantized);
  const makers = producersOf(quantized);
  const activations = storedActivations(quantized, makers);
  const outputs = [float.outputs[0]!, quantized.outputs[0]!] as const;
  const values = watched.map(({ layer }) => layer.value);
  const reference = await executor.prepare(float, [...values, outputs[0]]);
  try {
    const session = await executor.prepare(quantized, [
      ...values,
      ...activations.map(({ name }) => name),
      outputs[1],
    ]);
    try {
      const comparison = new Comparison();
      const total = Math.min(sampleBudget(quantized), samples.count);
      let done = 0;
      for await (const inputs of samples.read()) {
        if (done >= total) break;
        const wanted = await reference.run(inputs);
        const made = await session.run(inputs);
        addRows(comparison, wanted.get(outputs[0])!, made.get(outputs[1])!);
        for (const { layer, watch } of watched) watch.add(wanted.get(layer.value)!, made.get(layer.value)!);
        for (const { name, clip } of activations) clip.add(made.get(name)!);
        done += 1;
        progress('comparing with float', done, total);
      }
      return {
        samples: comparison.samples,
        agreement: rounded(comparison.agreement),
        sqnr_db: decibels(comparison.sqnr),
        layers: watched.map(({ layer, watch }): LayerHealth => ({
          name: layer.name,
          sqnr_db: decibels(watch.ratio.decibels),
          weights_at_limit: weightsAtLimit(layer, makers, quantized),
          ...watch.deadChannels(),
        })),
        activations: activations.map(({ name, storage, readBy, clip }): ActivationHealth => ({
          name,
          storage,
          read_by: readBy,
          clipped: rounded(clip.percent),
        })),
      };
    } finally {
      await session.close();
    }
  } finally {
    await reference.close();
  }
}

function sampleBudget(graph: Graph): number {
  const macs = layersOf(graph).reduce((sum, layer) => sum + layer.macs, 0);
  const batch = graph.inputs[0]?.type.shape[0] ?? 1;
  return Math.min(mostSamples, Math.max(leastSamples, Math.floor(multiplications / (macs * batch + 1))));
}

/** A batch, sample by sample. */
function addRows(comparison: Comparison, reference: Tensor, found: Tensor): void {
  const batch = reference.type.shape[0]!;
  const size = reference.data.length / batch;
  for (let i = 0; i < batch; i++) {
    const [from, end] = [i * size, (i + 1) * size];
    comparison.add(reference.data.subarray(from, end), found.data.subarray(from, end));
  }
}

/** The layers that both programs have. Passes keep the names of what a layer makes. */
function watchedLayers(float: Graph, quantized: Graph): { layer: Layer; watch: LayerWatch }[] {
  const types = typesOf(float);
  return layersOf(quantized).flatMap((layer) => {
    const twin = types.get(layer.value);
    const { type } = layer.node.result;
    const same = twin !== undefined && sameShape(twin.shape, type.shape) && !isQuantized(type);
    return same ? [{ layer, watch: new LayerWatch(type.shape) }] : [];
  });
}

/** What is kept of a layer while samples pass. */
class LayerWatch {
  readonly ratio = new SignalToNoise();
  readonly #channels: number;
  readonly #reference: Liveness;
  readonly #found: Liveness;

  constructor(shape: readonly number[]) {
    this.#channels = shape[1] ?? 1;
    this.#reference = new Liveness(this.#channels);
    this.#found = new Liveness(this.#channels);
  }

  add(reference: Tensor, found: Tensor): void {
    this.ratio.add(reference.data, found.data);
    this.#reference.add(reference);
    this.#found.add(found);
  }

  deadChannels(): Pick<LayerHealth, 'dead_channels' | 'dead_in_float'> {
    let [dead, both] = [0, 0];
    for (let c = 0; c < this.#channels; c++) {
      if (this.#found.varies(c)) continue;
      dead += 1;
      if (!this.#reference.varies(c)) both += 1;
    }
    return { dead_channels: dead, dead_in_float: both };
  }
}

/** Which channels (axis 1) ever take a second value. One that was seen to vary is not looked at again. */
class Liveness {
  readonly #first: Float32Array;
  readonly #alive: Uint8Array;
  #seen = false;

  constructor(channels: number) {
    this.#first = new Float32Array(channels);
    this.#alive = new Uint8Array(channels);
  }

  add({ data, type }: Tensor): void {
    const channels = this.#first.length;
    const batch = type.shape[0]!;
    const plane = data.length / batch / channels;
    for (let c = 0; c < channels; c++) {
      if (!this.#seen) this.#first[c] = data[c * plane]!;
      const first = this.#first[c]!;
      for (let n = 0; n < batch && this.#alive[c] === 0; n++) {
        const from = (n * channels + c) * plane;
        for (let i = from; i < from + plane; i++) {
          if (data[i] !== first) {
            this.#alive[c] = 1;
            break;
          }
        }
      }
    }
    this.#seen = true;
  }

  varies(channel: number): boolean {
    return this.#alive[channel] === 1;
  }
}

interface StoredActivation {
  readonly name: string;
  readonly storage: string;
  readonly readBy: readonly string[];
  readonly clip: ClipCount;
}

/** What `quantize` makes while the program runs, with the layers that read it, directly or through what only moves elements. */
function storedActivations(graph: Graph, makers: ReadonlyMap<string, Node>): StoredActivation[] {
  const readers = new Map<string, string[]>();
  for (const layer of layersOf(graph)) {
    let name = layer.node.operands[0]!;
    for (let node = makers.get(name); node !== undefined; node = makers.get(name)) {
      if (node.op !== 'dequantize' && opOf(node.op).traits.transparent !== true) break;
      name = node.operands[0]!;
    }
    readers.set(name, [...(readers.get(name) ?? []), layer.name]);
  }
  return graph.nodes.flatMap(({ op, operands, result: { name, type } }) => {
    if (op !== 'quantize' || graph.constants.has(operands[0]!) || !isQuantized(type)) return [];
    const { storage, zeroPoint } = type.element;
    return [{ name, storage, readBy: readers.get(name) ?? [], clip: new ClipCount(storage, zeroPoint) }];
  });
}

class ClipCount {
  readonly #low: number;
  readonly #high: number;
  #clipped = 0;
  #count = 0;

  /** An end that stands for 0 is where a ReLU puts half of its values: being there means nothing. */
  constructor(storage: Parameters<typeof storageRange>[0], zeroPoint: number) {
    const [low, high] = storageRange(storage);
    this.#low = low === zeroPoint ? -Infinity : low;
    this.#high = high === zeroPoint ? Infinity : high;
  }

  add({ data }: Tensor): void {
    let clipped = 0;
    for (const value of data) if (value >= this.#high || value <= this.#low) clipped += 1;
    this.#clipped += clipped;
    this.#count += data.length;
  }

  get percent(): number {
    return this.#count === 0 ? 0 : (100 * this.#clipped) / this.#count;
  }
}

function weightsAtLimit({ node }: Layer, makers: ReadonlyMap<string, Node>, graph: Graph): number | null {
  const maker = makers.get(node.operands[1]!);
  const weights = maker?.op === 'dequantize' ? graph.constants.get(maker.operands[0]!) : undefined;
  if (weights === undefined) return null;
  const limit = narrowLimit(bitWidth(weights.type.element.storage));
  let count = 0;
  for (const value of weights.data) if (Math.abs(value) >= limit) count += 1;
  return rounded((100 * count) / weights.data.length);
}

function decibels(ratio: number): number | null {
  if (ratio === Infinity) return null;
  return Number.isFinite(ratio) ? rounded(ratio) : allNoise;
}

/** More digits would say nothing. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
