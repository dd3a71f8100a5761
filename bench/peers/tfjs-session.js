/**
 * Times a network in TensorFlow.js on WebGPU, through npm's `webgpu` (protocol: line-process.ts).
 *
 *     node tfjs-session.js NETWORK
 *
 * NETWORK is the JSON of network.ts. Activations are NHWC and a ReLU is computed by the convolution before it, as TensorFlow.js's own
 * converter would have it; weights are drawn. A run ends when the result has been read back.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', {
  value: { gpu: create(['backend=vulkan']), userAgent: 'node' },
  configurable: true,
});
const tf = await import('@tensorflow/tfjs-core');
await import('@tensorflow/tfjs-backend-webgpu');
if (!(await tf.setBackend('webgpu')))
  throw new Error('the webgpu backend of TensorFlow.js does not start here');

const network = JSON.parse(await readFile(process.argv[2], 'utf8'));
const nhwc = (shape) => (shape.length === 4 ? [shape[0], shape[2], shape[3], shape[1]] : shape);
const draw = (shape) => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const fan = size / shape[shape.length - 1];
  const data = Float32Array.from(
    { length: size },
    (_, i) => (((i * 7919) % 2001) / 1000 - 1) * Math.sqrt(2 / fan),
  );
  return tf.keep(tf.tensor(data, shape));
};
const readers = (name) => network.nodes.filter(({ inputs }) => inputs.includes(name));

/** Names of ReLUs that a layer computes itself. */
const fused = new Set();
const steps = network.nodes.map((node) => {
  const { op, attributes, constants, inputs, shape } = node;
  if (op === 'conv2d' || op === 'dense') {
    const next = readers(node.name);
    const relu = next.length === 1 && next[0].op === 'relu' ? next[0] : undefined;
    if (relu !== undefined) fused.add(relu.name);
    const activation = relu === undefined ? undefined : 'relu';
    if (op === 'dense') {
      const [outputs, features] = constants[0];
      const [b, bias] = [draw([features, outputs]), draw([outputs])];
      return { node, run: ([a]) => tf.fused.matMul({ a, b, bias, activation }) };
    }
    if (attributes.groups !== 1) throw new Error('grouped convolutions are not built here');
    const [outputs, channels, height, width] = constants[0];
    const [top, left, bottom, right] = attributes.pads;
    const filter = draw([height, width, channels, outputs]);
    const bias = draw([outputs]);
    const pad = [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ];
    const { strides, dilations } = attributes;
    return { node, run: ([x]) => tf.fused.conv2d({ x, filter, strides, pad, dilations, bias, activation }) };
  }
  switch (op) {
    case 'relu':
      return { node, run: ([x]) => (fused.has(node.name) ? x.clone() : tf.relu(x)) };
    case 'add':
      return { node, run: ([a, b]) => tf.add(a, b) };
    case 'max_pool2d': {
      const [top, left, bottom, right] = attributes.pads;
      const pad = [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
      return { node, run: ([x]) => tf.maxPool(x, attributes.kernel, attributes.strides, pad) };
    }
    case 'average_pool2d':
      if (attributes.pads.some((extent) => extent > 0))
        throw new Error('padded average pools are not built here');
      return { node, run: ([x]) => tf.avgPool(x, attributes.kernel, attributes.strides, 'valid') };
    case 'reduce_mean':
      return { node, run: ([x]) => tf.mean(x, [1, 2], attributes.keepdims) };
    case 'reshape':
      // Of one pixel: no order of elements to keep.
      return { node, run: ([x]) => tf.reshape(x, shape) };
    default:
      throw new Error(`TensorFlow.js peer builds no ${op}, made from ${inputs.join(', ')}`);
  }
});

const size = network.input.shape.reduce((product, extent) => product * extent, 1);
const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i) * 2);

async function run() {
  const output = tf.tidy(() => {
    const values = new Map([[network.input.name, tf.tensor(data, nhwc(network.input.shape))]]);
    for (const { node, run: compute } of steps) {
      values.set(node.name, compute(node.inputs.map((name) => values.get(name))));
    }
    return values.get(network.output);
  });
  const result = await output.data();
  output.dispose();
  return result;
}

await run();
await run();
console.log(JSON.stringify({ device: `TensorFlow.js ${tf.version_core}, ${tf.getBackend()}` }));
for await (const line of createInterface({ input: process.stdin })) {
  const times = [];
  for (let i = 0; i < Number(line); i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  console.log(JSON.stringify(times));
}
process.exit(0);
