/**
 * Every op that is written as ONNX means the same to ONNX Runtime as to the interpreter, and to the importer: a row an op, with the
 * forms that have something to go wrong. Integers that come out must be equal; reals may differ by the order of sums.
 */
import { describe, expect, it } from '@jest/globals';
import { emitOnnx, type EmittedOp } from '../../backends/onnx/index.ts';
import {
  elementCount,
  f32,
  type Graph,
  GraphBuilder,
  interpret,
  isF32,
  perAxis,
  perTensor,
  tensor,
  type Tensor,
  typesOf,
} from '../../ir/index.ts';
import { interpreterExecutor } from '../../passes/interpreter-executor.ts';
import { createRandom } from '../data/random.ts';
import { decodeModel } from '../onnx/decode.ts';
import { encodeModel } from '../onnx/encode.ts';
import { importModel } from '../onnx/import.ts';
import { onnxRuntime } from './onnxruntime.ts';

const random = createRandom(7);

function noise(shape: readonly number[]): Tensor {
  return tensor(
    f32(shape),
    Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
  );
}

/** Adds nodes behind `x` and returns the result. */
type Make = (b: GraphBuilder, x: string) => string;

const image = [2, 4, 7, 6];
const constant = (b: GraphBuilder, name: string, ...shape: number[]): string =>
  b.constant(name, noise(shape));
const positive = (b: GraphBuilder, name: string, length: number): string =>
  b.constant(
    name,
    tensor(
      f32([length]),
      Float32Array.from({ length }, () => 0.5 + random.uniform()),
    ),
  );

const cases: Readonly<Record<EmittedOp, readonly (readonly [shape: readonly number[], make: Make])[]>> = {
  conv2d: [
    [image, (b, x) => b.add('conv2d', [x, constant(b, 'w', 3, 4, 3, 2)])],
    [
      image,
      (b, x) =>
        b.add('conv2d', [x, constant(b, 'w', 8, 2, 3, 3), constant(b, 'b', 8)], {
          groups: 2,
          strides: [2, 1],
          pads: [0, 1, 2, 3],
          dilations: [1, 2],
        }),
    ],
  ],
  dense: [
    [[3, 5], (b, x) => b.add('dense', [x, constant(b, 'w', 4, 5), constant(b, 'b', 4)])],
    [[3, 5], (b, x) => b.add('dense', [x, constant(b, 'w', 4, 5)])],
  ],
  affine: [
    [image, (b, x) => b.add('affine', [x, constant(b, 'g', 4), constant(b, 's', 4)])],
    [[3, 5], (b, x) => b.add('affine', [x, constant(b, 'g', 5), constant(b, 's', 5)])],
  ],
  batch_norm: [
    [
      image,
      (b, x) =>
        b.add(
          'batch_norm',
          [x, constant(b, 'g', 4), constant(b, 'b', 4), constant(b, 'm', 4), positive(b, 'v', 4)],
          { epsilon: Math.fround(1e-3) },
        ),
    ],
  ],
  relu: [[image, (b, x) => b.add('relu', [x])]],
  clip: [
    [image, (b, x) => b.add('clip', [x], { min: -0.5, max: 0.25 })],
    [image, (b, x) => b.add('clip', [x], { max: 0.25 })],
    [image, (b, x) => b.add('clip', [x], { min: -0.5 })],
    [image, (b, x) => b.add('clip', [x])],
  ],
  leaky_relu: [[image, (b, x) => b.add('leaky_relu', [x], { alpha: 0.25 })]],
  sigmoid: [[image, (b, x) => b.add('sigmoid', [x])]],
  hard_sigmoid: [[image, (b, x) => b.add('hard_sigmoid', [x], { alpha: 0.25, beta: 0.375 })]],
  hard_swish: [[image, (b, x) => b.add('hard_swish', [x])]],
  add: [[image, (b, x) => b.add('add', [x, constant(b, 'c', 4, 1, 1)])]],
  sub: [[image, (b, x) => b.add('sub', [constant(b, 'c', 7, 1), x])]],
  mul: [[image, (b, x) => b.add('mul', [x, constant(b, 'c', 2, 4, 1, 1)])]],
  div: [[image, (b, x) => b.add('div', [x, positive(b, 'c', 6)])]],
  max_pool2d: [
    [image, (b, x) => b.add('max_pool2d', [x], { kernel: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] })],
    // The bottom pad is larger than what a window reaches.
    [image, (b, x) => b.add('max_pool2d', [x], { kernel: [2, 2], strides: [5, 5], pads: [0, 0, 3, 2] })],
    [image, (b, x) => b.add('max_pool2d', [x], { kernel: [2, 2], dilations: [3, 2] })],
  ],
  average_pool2d: [
    [image, (b, x) => b.add('average_pool2d', [x], { kernel: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] })],
    [image, (b, x) => b.add('average_pool2d', [x], { kernel: [7, 6] })],
    [image, (b, x) => b.add('average_pool2d', [x], { kernel: [2, 2], dilations: [3, 2] })],
  ],
  reduce_mean: [
    [image, (b, x) => b.add('reduce_mean', [x], { axes: [2, 3] })],
    [image, (b, x) => b.add('reduce_mean', [x], { axes: [1], keepdims: false })],
    [image, (b, x) => b.add('reduce_mean', [x], { axes: [] })],
  ],
  reshape: [[image, (b, x) => b.add('reshape', [x], { shape: [8, 42] })]],
  transpose: [[image, (b, x) => b.add('transpose', [x], { perm: [0, 2, 3, 1] })]],
  pad: [[image, (b, x) => b.add('pad', [x], { pads: [0, 1, 2, 0, 0, 2, 0, 1], value: -1.5 })]],
  slice: [
    [
      image,
      (b, x) => b.add('slice', [x], { starts: [0, 1, 6, 5], ends: [2, 4, -1, 0], steps: [1, 2, -2, -1] }),
    ],
  ],
  concat: [[image, (b, x) => b.add('concat', [x, constant(b, 'c', 2, 3, 7, 6), x], { axis: 1 })]],
  softmax: [
    [image, (b, x) => b.add('softmax', [x], { axis: 1 })],
    [[3, 5], (b, x) => b.add('softmax', [x], { axis: 1 })],
  ],
  quantize: [
    ...(['i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'i16'] as const).map(
      (storage): readonly [readonly number[], Make] => [
        image,
        (b, x) => b.add('quantize', [x], {}, { element: perTensor(storage, storage === 'i16' ? 1e-4 : 0.3) }),
      ],
    ),
    [image, (b, x) => b.add('quantize', [x], {}, { element: perTensor('u4', 0.25, 7) })],
    [image, (b, x) => b.add('quantize', [x], {}, { element: perAxis('i8', positive(b, 's', 4), 1) })],
  ],
  dequantize: [
    [
      image,
      (b, x) => b.add('dequantize', [b.add('quantize', [x], {}, { element: perTensor('u8', 0.02, 120) })]),
    ],
    [
      image,
      (b, x) =>
        b.add('dequantize', [b.add('quantize', [x], {}, { element: perAxis('i8', positive(b, 's', 7), 2) })]),
    ],
  ],
};

function program(shape: readonly number[], make: Make): Graph {
  const builder = new GraphBuilder('case');
  const result = make(builder, builder.input('x', f32(shape)));
  return builder.finish([result]);
}

function expectEqual(found: Tensor, wanted: Tensor): void {
  expect(found.type).toEqual(wanted.type);
  expectNear(found, wanted);
}

function expectNear(found: Tensor, wanted: Tensor): void {
  expect(found.type.shape).toEqual(wanted.type.shape);
  if (!isF32(wanted.type)) {
    expect([...found.data]).toEqual([...wanted.data]);
    return;
  }
  for (let i = 0; i < wanted.data.length; i++) {
    const slack = 1e-5 * Math.max(1, Math.abs(wanted.data[i]!));
    expect(Math.abs(found.data[i]! - wanted.data[i]!)).toBeLessThanOrEqual(slack);
  }
}

describe.each(Object.entries(cases))('%s', (_, forms) => {
  it.each(forms.map(([shape, make], i) => [i, shape, make] as const))(
    'form %d runs and reads back',
    async (_form, shape, make) => {
      const graph = program(shape, make);
      const [output] = graph.outputs as [string];
      const x = noise(shape);
      const [wanted] = interpret(graph, [x]);
      const session = await onnxRuntime.prepare(graph, [output]);
      expectEqual((await session.run([x])).get(output)!, wanted!);
      await session.close();

      const again = await importModel(decodeModel(encodeModel(emitOnnx(graph))));
      const [back] = interpret(again.graph, [x]);
      expectNear(back!, wanted!);
    },
  );
});

describe('an executor', () => {
  it('saturates narrow integers along an axis, each at its own bounds', async () => {
    const graph = program(image, (b, x) =>
      b.add('quantize', [x], {}, { element: perAxis('i4', positive(b, 's', 4), 1) }),
    );
    const x = tensor(
      f32(image),
      Array.from(noise(image).data, (value) => value * 4),
    );
    const session = await onnxRuntime.prepare(graph, graph.outputs);
    expectEqual((await session.run([x])).get(graph.outputs[0]!)!, interpret(graph, [x])[0]!);
    await session.close();
  });

  it.each([
    ['the interpreter', interpreterExecutor],
    ['ONNX Runtime', onnxRuntime],
  ] as const)('gives any value that is asked for, run after run: %s', async (_, executor) => {
    const graph = program([1, 4], (b, x) => {
      const sum = b.add('add', [x, constant(b, 'c', 4)], {}, { name: 'a "sum"' });
      b.add('sigmoid', [sum], {}, { name: 'not asked for' });
      return b.add('relu', [sum], {}, { name: 'y' });
    });
    const wanted = ['x', 'c', 'a "sum"', 'y', 'y'];
    const session = await executor.prepare(graph, wanted);
    for (let round = 0; round < 3; round++) {
      const x = noise([1, 4]);
      const results = await session.run([x]);
      expect([...results.keys()].sort()).toEqual(['a "sum"', 'c', 'x', 'y']);
      for (const [name, result] of results) expect(result.type).toEqual(typesOf(graph).get(name));
      expect(results.get('x')).toBe(x);
      const sum = [...results.get('a "sum"')!.data];
      expect([...results.get('y')!.data]).toEqual(sum.map((value) => Math.max(0, value)));
    }
    await session.close();
  });

  it('runs nothing for inputs and constants', async () => {
    const graph = program([1], (b, x) => b.add('relu', [x]));
    const session = await onnxRuntime.prepare(graph, ['x']);
    const x = noise([1]);
    expect((await session.run([x])).get('x')).toBe(x);
    await session.close();
  });
});
