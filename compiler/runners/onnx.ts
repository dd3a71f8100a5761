/**
 * An ONNX artifact in ONNX Runtime, as its users run it: the model that was written, with whatever the engine fuses into integer kernels of
 * its own. What comes out is a witness from outside, near to the interpreter and not equal to it, so there is nothing to verify bit for bit.
 */
import { InferenceSession, Tensor as EngineTensor } from 'onnxruntime-web';
import { fail } from '../../ir/index.ts';
import type { Port } from '../../runtime/manifest.ts';
import type { Runner } from './runner.ts';

/** `inputs` are those of the manifest; outputs come in the order of the model. */
export async function onnxRunner(model: Uint8Array, inputs: readonly Port[]): Promise<Runner> {
  const session = await start(model);
  const run = async (given: readonly Float32Array[]): Promise<Float32Array[]> => {
    const feeds = Object.fromEntries(
      inputs.map(({ name, shape }, i) => [name, new EngineTensor('float32', given[i]!, [...shape])]),
    );
    const results = await session.run(feeds);
    const outputs = session.outputNames.map((name) => Float32Array.from(results[name]!.data as Float32Array));
    for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.dispose();
    return outputs;
  };
  return {
    run,
    trace: async () =>
      fail('run/no-trace', 'an engine that fuses operators does not show the tensors between them', {
        help: 'compare outputs: qc eval ARTIFACT --against MODEL; or verify the same program as --target c',
      }),
    bench: async (given, { repeat, warmup }) => {
      const milliseconds: number[] = [];
      for (let i = -warmup; i < repeat; i++) {
        const started = performance.now();
        await run(given);
        if (i >= 0) milliseconds.push(performance.now() - started);
      }
      return { milliseconds, layers: [], device: 'ONNX Runtime in WebAssembly' };
    },
    close: async () => session.release(),
  };
}

async function start(model: Uint8Array): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(model, { executionProviders: ['wasm'], logSeverityLevel: 3 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return fail('run/onnxruntime', `ONNX Runtime does not take the model: ${reason}`);
  }
}
