/** WGSL artifacts on a WebGPU device: the runtime that ships with them behind the interface of every runner. Runs in a browser too. */
import { unpackTensor } from '../../backends/plan/index.ts';
import { isStorage, plain, type Tensor, type TensorType } from '../../ir/index.ts';
import { type Profile, profile, trace } from '../../runtime/measure.ts';
import { load, type LoadOptions, type Model, type ModelSource } from '../../runtime/model.ts';
import type { Manifest, StoredTensor } from '../../runtime/manifest.ts';
import type { Runner } from './runner.ts';

export interface WgslRunnerOptions extends LoadOptions {
  readonly device: GPUDevice;
  /** The adapter, in words. */
  readonly deviceName: string;
  /** Called when the runner is closed, after the model is disposed of. */
  readonly release?: () => void;
}

/** Loads an artifact; `manifest` is its own. */
export async function loadWgslRunner(
  source: ModelSource,
  manifest: Pick<Manifest, 'tensors'>,
  options: WgslRunnerOptions,
): Promise<Runner> {
  const model = await load(source, options);
  return {
    run: async (inputs) => (await model.run(inputs)).outputs.map(({ data }) => data),
    trace: async (inputs) => {
      const { tensors } = await trace(model, inputs);
      return new Map(
        manifest.tensors.map((stored): [string, Tensor] => [
          stored.name,
          unpackTensor(tensors.get(stored.name) ?? new Uint8Array(0), typeOf(stored), stored.layout),
        ]),
      );
    },
    bench: async (inputs, { repeat, warmup }) => {
      const milliseconds: number[] = [];
      for (let i = -warmup; i < repeat; i++) {
        const start = performance.now();
        await model.run(inputs);
        if (i >= 0) milliseconds.push(performance.now() - start);
      }
      return { milliseconds, layers: await profileLayers(model, inputs, repeat), device: options.deviceName };
    },
    close: async () => {
      model.dispose();
      options.release?.();
    },
  };
}

function typeOf({ storage, shape }: StoredTensor): TensorType {
  if (!isStorage(storage)) throw new Error(`a stored tensor of ${storage}`);
  return plain(storage, shape);
}

/** Median time of every step over at most five profiled runs; nothing where the device has no clock. */
async function profileLayers(
  model: Model,
  inputs: readonly Float32Array[],
  repeat: number,
): Promise<{ name: string; milliseconds: number }[]> {
  if (!model.device.features.has('timestamp-query')) return [];
  const runs: Profile[] = [];
  for (let i = 0; i < Math.min(5, repeat); i++) runs.push(await profile(model, inputs));
  return (runs[0] ?? []).map(({ step }, i) => {
    const times = runs.map((run) => run[i]!.milliseconds).sort((a, b) => a - b);
    return { name: step, milliseconds: times[times.length >> 1]! };
  });
}
