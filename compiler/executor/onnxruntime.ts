/**
 * ONNX Runtime, compiled to WebAssembly, as the quick executor: ResNet-18 in a fraction of a second an image. It computes in f32 with its
 * own order of summation, so its results are near the interpreter's and not equal; passes use it for statistics, never for the bits that
 * a program promises.
 *
 * The graph is handed over as ONNX with the wanted values as outputs. Results are copied out of the engine's memory, which is freed
 * after each run.
 */
import { InferenceSession, Tensor as EngineTensor, env } from 'onnxruntime-web';
import { emitOnnx } from '../../backends/onnx/index.ts';
import { containerOf } from '../../backends/onnx/tensors.ts';
import { fail, type Graph, tensor, type Tensor, typesOf } from '../../ir/index.ts';
import type { Executor, Session } from '../../passes/pass.ts';
import { encodeModel } from '../onnx/encode.ts';

/** Two threads: what the smallest machine worth compiling on has. Read once, when the first session starts. */
env.wasm.numThreads = 2;
env.logLevel = 'error';

/** Throws a QcError `executor/refused` when the engine does not take the graph. */
export const onnxRuntime: Executor = { prepare };

async function prepare(graph: Graph, wanted: readonly string[]): Promise<Session> {
  const types = typesOf(graph);
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const computed = [...new Set(wanted)].filter((name) => !inputs.has(name) && !graph.constants.has(name));
  const session =
    computed.length === 0 ? undefined : await start(encodeModel(emitOnnx(graph, { outputs: computed })));
  return {
    run: async (given) => {
      const results = new Map<string, Tensor>();
      for (const name of new Set(wanted)) {
        const constant = graph.constants.get(name);
        const position = graph.inputs.findIndex((input) => input.name === name);
        if (constant !== undefined) results.set(name, constant);
        else if (position >= 0) results.set(name, given[position]!);
      }
      if (session === undefined) return results;
      const feeds = Object.fromEntries(graph.inputs.map(({ name }, i) => [name, engineTensor(given[i]!)]));
      const outputs = await session.run(feeds);
      for (const name of computed) {
        const output = outputs[name]!;
        results.set(name, tensor(types.get(name)!, (output.data as Float32Array).slice()));
        output.dispose();
      }
      for (const feed of Object.values(feeds)) feed.dispose();
      return results;
    },
    close: async () => {
      await session?.release();
    },
  };
}

async function start(bytes: Uint8Array): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(bytes, {
      executionProviders: ['wasm'],
      logSeverityLevel: 3,
      // Values that are asked for are kept apart by the engine; patterns over shapes only help a graph run often.
      enableMemPattern: false,
      // 'all' moves tensors into blocked layouts and then loses intermediate values that are also outputs.
      graphOptimizationLevel: 'extended',
      // Between dequantize and quantize a quantized program computes in f32; the engine would compute in integers of its own.
      extra: { session: { disable_quant_qdq: '1' } },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return fail('executor/refused', `the float engine does not take the graph: ${reason}`, {
      help: 'run with the interpreter instead',
    });
  }
}

function engineTensor({ type, data }: Tensor): EngineTensor {
  return new EngineTensor(containerType(type.element.storage), data as Float32Array, [...type.shape]);
}

function containerType(storage: Tensor['type']['element']['storage']): 'float32' {
  const container = containerOf(storage);
  return (container === 'float' ? 'float32' : container) as 'float32';
}
