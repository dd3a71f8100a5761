import { describe, expect, it } from '@jest/globals';
import {
  assertVerified,
  evaluateNode,
  f32,
  type Graph,
  GraphBuilder,
  interpret,
  producersOf,
  type QuantizedElement,
  type Notes,
  tensor,
  type Tensor,
  typesOf,
} from '../ir/index.ts';
import { annotate, calibrate } from './calibrate.ts';
import { boundAccumulators } from './bound-accumulators.ts';
import { insertQuantizers } from './insert-quantizers.ts';
import { layersOf } from './layers.ts';
import { lowerToInteger } from './lower-to-integer.ts';
import type { PassContext, Samples } from './pass.ts';

/** A stream of numbers in [-1, 1), the same for every run. */
function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

function random(shape: readonly number[], next: () => number, scale = 1): Tensor {
  return tensor(
    f32(shape),
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() * scale),
  );
}

/** Stem, max pool, an identity block, a projection block, mean, dense: a ResNet as the canonical float level has it. */
function smallResNet(): Graph {
  const next = noise(1);
  const b = new GraphBuilder('small');
  const conv = (x: string, name: string, o: number, c: number, k: number, stride: number): string =>
    b.add(
      'conv2d',
      [
        x,
        b.constant(`${name}.w`, random([o, c, k, k], next, 1.5 / Math.sqrt(c * k * k))),
        b.constant(`${name}.b`, random([o], next, 0.2)),
      ],
      { strides: [stride, stride], pads: [k >> 1, k >> 1, k >> 1, k >> 1] },
      { name, location: { kind: 'onnx', node: name } },
    );
  const x = b.input('x', f32([1, 3, 16, 16]));
  let y = b.add('relu', [conv(x, 'stem', 8, 3, 3, 1)], {}, { name: 'stem.relu' });
  y = b.add('max_pool2d', [y], { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, { name: 'pool' });
  const a1 = b.add('relu', [conv(y, 'block1.conv1', 8, 8, 3, 1)], {}, { name: 'block1.relu' });
  y = b.add(
    'relu',
    [b.add('add', [conv(a1, 'block1.conv2', 8, 8, 3, 1), y], {}, { name: 'block1.add' })],
    {},
    { name: 'block1' },
  );
  const a2 = b.add('relu', [conv(y, 'block2.conv1', 12, 8, 3, 2)], {}, { name: 'block2.relu' });
  const main = conv(a2, 'block2.conv2', 12, 12, 3, 1);
  const shortcut = conv(y, 'block2.shortcut', 12, 8, 1, 2);
  y = b.add('relu', [b.add('add', [main, shortcut], {}, { name: 'block2.add' })], {}, { name: 'block2' });
  y = b.add('average_pool2d', [y], { kernel: [4, 4] }, { name: 'mean' });
  y = b.add('reshape', [y], { shape: [1, 12] }, { name: 'flat' });
  y = b.add(
    'dense',
    [y, b.constant('fc.w', random([5, 12], next, 0.5)), b.constant('fc.b', random([5], next))],
    {},
    { name: 'logits' },
  );
  return b.finish([y]);
}

const inputs = Array.from({ length: 4 }, (_, i) => [random([1, 3, 16, 16], noise(100 + i), 2)]);

const samples: Samples = {
  count: inputs.length,
  description: '4 noise images',
  async *read() {
    yield* inputs;
  },
};

const context: PassContext = {
  executor: {
    prepare: (graph, wanted) =>
      Promise.resolve({
        run: (tensors) => {
          const found = new Map<string, Tensor>();
          interpret(graph, tensors, {
            observe: (name, value) => (wanted.includes(name) ? found.set(name, value) : undefined),
          });
          return Promise.resolve(found);
        },
        close: () => Promise.resolve(),
      }),
  },
  samples,
  report: () => undefined,
  explain: () => undefined,
  progress: () => undefined,
};

function withBits(graph: Graph, weightBits: number, activationBits: number): Graph {
  const notes = new Map<string, Notes>();
  for (const layer of layersOf(graph))
    notes.set(layer.value, { weight_bits: weightBits, activation_bits: activationBits });
  return annotate(graph, notes);
}

/** Steps of a stored value that half a step of the accumulators behind it may come to: how finely their biases are counted. */
function biasError(lowered: Graph, name: string): number {
  const types = typesOf(lowered);
  const makers = producersOf(lowered);
  const coarsest = (value: string): number => {
    const element = types.get(value)?.element;
    if (element?.kind !== 'quantized' || element.storage !== 'i32') return 0;
    const own =
      typeof element.scale === 'number' ? [element.scale] : lowered.constants.get(element.scale)!.data;
    return Math.max(...own, ...(makers.get(value)?.operands ?? []).map(coarsest));
  };
  const node = makers.get(name)!;
  const result = node.result.type.element as QuantizedElement;
  return (0.5 * Math.max(0, ...node.operands.map(coarsest))) / (result.scale as number);
}

/**
 * Runs the quantized program on what the integer program stored: each quantize may differ from its integer twin by one step, where
 * one rounding fell on the other side of a half, and by what the bias was rounded; it goes on from the twin, so that differences
 * do not pile up.
 */
function follow(
  quantized: Graph,
  lowered: Graph,
  input: readonly Tensor[],
  integers: ReadonlyMap<string, Tensor>,
): void {
  const values = new Map<string, Tensor>([...quantized.constants, [quantized.inputs[0]!.name, input[0]!]]);
  let compared = 0;
  for (const node of quantized.nodes) {
    const made = evaluateNode(
      node,
      node.operands.map((name) => values.get(name)!),
      (name) => quantized.constants.get(name),
    );
    const { name } = node.result;
    const twin = node.op === 'quantize' ? integers.get(name) : undefined;
    if (twin !== undefined) {
      const off = Math.max(...twin.data.map((integer, i) => Math.abs(integer - made.data[i]!)));
      expect({ name, off }).toEqual({ name, off: Math.min(off, 1 + Math.ceil(biasError(lowered, name))) });
      compared += twin.data.length;
    }
    values.set(name, twin ?? made);
  }
  expect(compared).toBeGreaterThan(4000);
}

describe('lower-to-integer', () => {
  for (const [w, a] of [
    [8, 8],
    [4, 8],
    [4, 4],
    [2, 4],
  ] as const) {
    it(`w${w}a${a}: integers follow the quantized program within a step`, async () => {
      const places = { placement: 'accumulators' };
      const bits = withBits(smallResNet(), w, a);
      const calibrated = await calibrate.run(bits, { method: 'minmax', signed: false, ...places }, context);
      const quantized = await insertQuantizers.run(calibrated, { weight_range: 'auto', ...places }, context);
      assertVerified(quantized, 'quantized');
      const lowered = await lowerToInteger.run(quantized, {}, context);
      assertVerified(lowered, 'integer');
      expect(await boundAccumulators.run(lowered, {}, context)).toBe(lowered);
      for (const input of inputs) {
        const integers = new Map<string, Tensor>();
        const [logits] = interpret(lowered, input, { observe: (name, value) => integers.set(name, value) });
        follow(quantized, lowered, input, integers);
        const [want] = interpret(quantized, input);
        const scale = Math.max(...want!.data.map(Math.abs));
        want!.data.forEach((value, i) => {
          expect(Math.abs(value - logits!.data[i]!)).toBeLessThan((w < 4 ? 0.3 : 0.1) * scale);
        });
      }
    });
  }
});
