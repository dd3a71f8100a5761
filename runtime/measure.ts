/**
 * The second module of a WGSL artifact, `measure.js`: looks inside a model that `model.js` has loaded. What every step stores, how long each takes,
 * and which of the kernels that the artifact holds for it is the quickest on this device.
 *
 *     const model = await load('./resnet18/');
 *     await tuned(model);      // times the kernels on the first visit, remembers on the next
 *
 * Results never change by it: all kernels of a step make the same bits.
 */
import type { Model, ModelInput, ModelParts, RunResult } from './model.ts';
import { usage, wholeVectors } from './webgpu/buffers.ts';
import { ModelError } from './webgpu/model-error.ts';
import { adapterName, runsSubgroups } from './webgpu/adapter.ts';
import { type Dispatch, encodePass, fileOf, workgroupsOf } from './webgpu/dispatch.ts';
import type { KernelChoice, Tuning } from './webgpu/program.ts';
import { mapped, readableBuffer } from './webgpu/readback.ts';
import { programDigest, tuningRefused } from './webgpu/tuning.ts';
import { keepTuning, keptTuning } from './webgpu/tuning-store.ts';

export type { Tuning } from './webgpu/program.ts';

export interface TraceResult extends RunResult {
  /** Packed bytes of every stored tensor, by name, as the manifest's layouts describe them. */
  readonly tensors: ReadonlyMap<string, Uint8Array>;
}

/** Time on the device by step, in milliseconds. */
export type Profile = readonly { readonly step: string; readonly milliseconds: number }[];

/** Runs once and returns every stored tensor, as it was when its step had made it. For checking, not for speed. */
export function trace({ device, parts }: Model, input: ModelInput): Promise<TraceResult> {
  const { program, buffers } = parts;
  return parts.inTurn(input, undefined, async (given, readback) => {
    const { steps } = parts;
    const { tensors } = program;
    const made = new Set(steps.flatMap(({ makes }) => makes));
    const offsets = new Map<string, number>();
    let size = 0;
    for (const { name, bytes } of tensors) {
      offsets.set(name, size);
      size += wholeVectors(bytes);
    }
    const kept = readableBuffer(device, size);
    const encoder = device.createCommandEncoder();
    const keep = (wanted: (name: string) => boolean): void => {
      for (const { name, buffer, bytes } of tensors) {
        if (!wanted(name)) continue;
        const words = Math.ceil(bytes / 4) * 4;
        encoder.copyBufferToBuffer(buffers[buffer]!, 0, kept, offsets.get(name)!, words);
      }
    };
    keep((name) => !made.has(name));
    for (const step of steps) {
      encodePass(encoder, [step]);
      keep((name) => step.makes.includes(name));
    }
    const outputs = await parts.submit(encoder, readback);
    const bytes = await mapped(kept);
    kept.destroy();
    return {
      ...parts.finish(given, outputs),
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
export function profile({ device, parts }: Model, input: ModelInput): Promise<Profile> {
  return parts.inTurn(input, undefined, async (_, readback) => {
    if (!device.features.has('timestamp-query')) {
      throw new ModelError('this device has no timestamp-query: ask for it in requiredFeatures');
    }
    const { steps } = parts;
    const clock = new DeviceClock(device, steps.length);
    const encoder = device.createCommandEncoder();
    for (const [i, step] of steps.entries()) encodePass(encoder, [step], clock.around(i));
    clock.finish(encoder);
    await parts.submit(encoder, readback);
    const times = await clock.read();
    return steps.map(({ step }, i) => ({ step, milliseconds: times[i]! }));
  });
}

/** Timestamps around passes. */
class DeviceClock {
  readonly #querySet: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #times: GPUBuffer;
  readonly #count: number;

  constructor(device: GPUDevice, passes: number) {
    this.#count = 2 * passes;
    this.#querySet = device.createQuerySet({ type: 'timestamp', count: this.#count });
    this.#resolved = device.createBuffer({
      size: 8 * this.#count,
      usage: usage.queryResolve | usage.copySource,
    });
    this.#times = readableBuffer(device, 8 * this.#count);
  }

  /** For the description of the pass of this number. */
  around(pass: number): GPUComputePassDescriptor {
    return {
      timestampWrites: {
        querySet: this.#querySet,
        beginningOfPassWriteIndex: 2 * pass,
        endOfPassWriteIndex: 2 * pass + 1,
      },
    };
  }

  finish(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.#querySet, 0, this.#count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#times, 0, 8 * this.#count);
  }

  /** Milliseconds of each pass, once it has been submitted. */
  async read(): Promise<number[]> {
    const stamps = new BigInt64Array((await mapped(this.#times)).buffer);
    for (const used of [this.#querySet, this.#resolved, this.#times]) used.destroy();
    return Array.from(
      { length: this.#count / 2 },
      (_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6,
    );
  }
}

export interface TuneOptions {
  /** Hears how many kernels have been timed, of how many. */
  readonly onProgress?: (timed: number, total: number) => void;
  /** Ends it: nothing is changed then. */
  readonly signal?: AbortSignal;
}

/** A step with what its choices took. */
export interface TunedStep {
  readonly step: string;
  /** Milliseconds of a dispatch by choice; NaN for one that this device does not run, and for one without an alternative. */
  readonly milliseconds: readonly number[];
  /** The choice before, and now. */
  readonly before: number;
  readonly choice: number;
}

export interface TuneResult {
  /** For `applyTuning`; JSON. */
  readonly tuning: Tuning;
  readonly steps: readonly TunedStep[];
}

/** Samples of each kernel, of which the least counts. */
const samples = 5;
/** A sample repeats its dispatch until it takes so many milliseconds: clocks are coarse. */
const [sampleTime, mostRepeats] = [8, 1024];
/** A kernel this many times slower than the quickest is not timed again. */
const hopeless = 1.5;
/** What a kernel must save for the choice before to be given up. */
const worthwhile = 0.97;

/**
 * Times every kernel that the artifact holds for each step, and goes on with the quickest. Steps that are alike are timed once. Most of the time
 * goes into making pipelines. The model can be run meanwhile, but should not be: the times would be of both.
 */
export async function tune(model: Model, { onProgress, signal }: TuneOptions = {}): Promise<TuneResult> {
  const { device, parts } = model;
  const { manifest, program, pipelines } = parts;
  const runs = ([kernel]: KernelChoice): boolean =>
    fileOf(program, kernel) === 'kernels' || runsSubgroups(device);
  const keys = program.dispatches.map(({ choices, bindings }) =>
    JSON.stringify([choices, bindings.map(([, , bytes]) => bytes)]),
  );
  const alike = new Map<string, readonly number[]>();
  const total = [...new Set(keys)]
    .map((key) => program.dispatches[keys.indexOf(key)]!.choices.filter(runs).length)
    .reduce((sum, count) => sum + count, 0);
  let timed = 0;
  onProgress?.(0, total);
  for (const [i, { choices }] of program.dispatches.entries()) {
    if (alike.has(keys[i]!)) continue;
    const { group } = parts.steps[i]!;
    const candidates = new Map<number, Dispatch>();
    for (const [number, choice] of choices.entries()) {
      if (!runs(choice)) continue;
      signal?.throwIfAborted();
      const { pipeline } = await pipelines.of(choice[0]);
      candidates.set(number, { pipeline, group, workgroups: workgroupsOf(choice) });
      onProgress?.(++timed, total);
    }
    const times = choices[1] && (await race(model, candidates, signal));
    alike.set(
      keys[i]!,
      choices.map((_, number) => times?.get(number) ?? NaN),
    );
  }
  const steps = program.dispatches.map(({ step }, i): TunedStep => {
    const milliseconds = alike.get(keys[i]!)!;
    const before = parts.choices[i]!;
    const best = milliseconds.reduce((least, time, n) => (time < milliseconds[least]! ? n : least), before);
    const choice = milliseconds[best]! < worthwhile * milliseconds[before]! ? best : before;
    return { step, milliseconds, before, choice };
  });
  const choices = steps.map(({ choice }) => choice);
  await choose(parts, choices);
  const tuning: Tuning = {
    format: 'qc-tuning/1',
    program: programDigest(manifest, program),
    adapter: adapterName(device),
    choices,
  };
  return { tuning, steps };
}

/**
 * Goes on with what `tuned` found here before, as far as this browser keeps it (IndexedDB), and returns it; undefined, and nothing changed, where it
 * keeps nothing.
 */
export async function recallTuning({ device, parts }: Model): Promise<Tuning | undefined> {
  const { manifest, program } = parts;
  const known = await keptTuning(programDigest(manifest, program), adapterName(device));
  if (known === undefined || tuningRefused(known, manifest, program, device) !== undefined) return undefined;
  await choose(parts, known.choices);
  return known;
}

/** Goes on with what was found before, else tunes and has the browser keep it. Where there is nothing to keep it in, as in Node, it tunes each time. */
export async function tuned(model: Model, options: TuneOptions = {}): Promise<Tuning> {
  const known = await recallTuning(model);
  if (known !== undefined) return known;
  const { tuning } = await tune(model, options);
  await keepTuning(tuning);
  return tuning;
}

/** Goes on with what `tune` found for this program on this adapter, wherever it was kept. Rejects with the reason where it is of no use. */
export async function applyTuning({ device, parts }: Model, tuning: Tuning): Promise<void> {
  const refused = tuningRefused(tuning, parts.manifest, parts.program, device);
  if (refused !== undefined) throw new ModelError(`this tuning is of no use here: ${refused}`);
  await choose(parts, tuning.choices);
}

/** Changes what runs dispatch: for each dispatch of the program, one of its choices. */
async function choose(parts: ModelParts, choices: readonly number[]): Promise<void> {
  const chosen = parts.program.dispatches.map((dispatch, i) => dispatch.choices[choices[i]!]!);
  const made = await Promise.all(chosen.map(([kernel]) => parts.pipelines.of(kernel)));
  parts.steps = parts.steps.map((step, i) => ({
    ...step,
    pipeline: made[i]!.pipeline,
    workgroups: workgroupsOf(chosen[i]!),
  }));
  parts.choices = choices;
}

/** Least time of each candidate, by number, in milliseconds: they take turns. */
async function race(
  model: Model,
  candidates: ReadonlyMap<number, Dispatch>,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, number>> {
  const least = new Map<number, number>();
  const repeats = new Map<number, number>();
  for (let sample = 0; sample < samples; sample++) {
    for (const [number, dispatch] of candidates) {
      signal?.throwIfAborted();
      const known = least.get(number);
      if (known !== undefined && known > hopeless * Math.min(...least.values())) continue;
      // The first run of a pipeline includes what drivers put off until then.
      if (known === undefined) await elapsed(model, dispatch, 1);
      let count = repeats.get(number) ?? 1;
      let time = await elapsed(model, dispatch, count);
      while (time < sampleTime && count < mostRepeats) {
        count = Math.min(
          mostRepeats,
          Math.ceil(count * Math.min(16, (1.2 * sampleTime) / Math.max(time, 0.01))),
        );
        time = await elapsed(model, dispatch, count);
      }
      repeats.set(number, count);
      least.set(number, Math.min(known ?? Infinity, time / count));
    }
  }
  return least;
}

/** Milliseconds of as many dispatches: by the device's clock, or from submission until it says that they are done. */
async function elapsed({ device }: Model, dispatch: Dispatch, count: number): Promise<number> {
  const dispatches = Array<Dispatch>(count).fill(dispatch);
  const encoder = device.createCommandEncoder();
  const clock = device.features.has('timestamp-query') ? new DeviceClock(device, 1) : undefined;
  encodePass(encoder, dispatches, clock?.around(0));
  clock?.finish(encoder);
  const start = performance.now();
  device.queue.submit([encoder.finish()]);
  if (clock !== undefined) return (await clock.read())[0]!;
  await device.queue.onSubmittedWorkDone();
  return performance.now() - start;
}
