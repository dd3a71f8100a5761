/**
 * Times a model in ONNX Runtime for Node (protocol: line-process.ts).
 *
 *     node onnxruntime-session.js MODEL PROVIDER THREADS SHAPE [OPTIMIZED]
 *
 * PROVIDER is `cpu` or `webgpu`; SHAPE is the input's, such as 1x3x224x224; the model as the engine has rewritten it
 * goes to OPTIMIZED. Threads wait without spinning once a run is over, as they must
 * where others take turns.
 */
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor, env } from 'onnxruntime-node';

const [model, provider, threads, shape, optimized] = process.argv.slice(2);
const dims = shape.split('x').map(Number);
const session = await InferenceSession.create(model, {
  executionProviders: [provider],
  intraOpNumThreads: Number(threads),
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  ...(optimized === undefined ? {} : { optimizedModelFilePath: optimized }),
  extra: { session: { force_spinning_stop: '1' } },
});
const elements = dims.reduce((product, extent) => product * extent, 1);
const input = Float32Array.from({ length: elements }, (_, i) => Math.sin(i) * 2);
const feeds = { [session.inputNames[0]]: new Tensor('float32', input, dims) };
await session.run(feeds);
console.log(JSON.stringify({ device: `ONNX Runtime ${env.versions.node ?? ''}, ${provider}` }));
for await (const line of createInterface({ input: process.stdin })) {
  const times = [];
  for (let i = 0; i < Number(line); i++) {
    const start = performance.now();
    const outputs = await session.run(feeds);
    times.push(performance.now() - start);
    for (const output of Object.values(outputs)) output.dispose?.();
  }
  console.log(JSON.stringify(times));
}
