/** What each op computes, on cases small enough to check by hand; a row for every op, or the file does not compile. */
import { describe, expect, it } from '@jest/globals';
import {
  type Attributes,
  type Element,
  f32,
  GraphBuilder,
  interpret,
  type OpName,
  perAxis,
  perTensor,
  plain,
  type Storage,
  type Tensor,
  tensor,
} from '../index.ts';

interface Case {
  readonly operands: readonly Tensor[];
  readonly attributes?: Attributes;
  readonly element?: Element;
  readonly shape: readonly number[];
  readonly expected: readonly number[];
}

const real = (shape: readonly number[], values: readonly number[]): Tensor => tensor(f32(shape), values);
const bare = (values: readonly number[]): Tensor => tensor(plain('i32', [values.length]), values);
const quantized = (
  storage: Storage,
  shape: readonly number[],
  values: readonly number[],
  zeroPoint = 0,
  scale = 0.5,
): Tensor => tensor({ element: perTensor(storage, scale, zeroPoint), shape }, values);
const u8 = (zeroPoint = 0): Element => perTensor('u8', 0.5, zeroPoint);
const i32 = perTensor('i32', 0.25);
const oneToNine = [1, 2, 3, 4, 5, 6, 7, 8, 9];
const square = real([1, 1, 3, 3], oneToNine);

function compute({ operands, attributes = {}, element }: Case, op: string): Tensor {
  const builder = new GraphBuilder('main');
  builder.constant('steps', tensor(f32([2]), [0.5, 2]));
  const names = operands.map((operand) => builder.constant('c', operand));
  const y = builder.add(op, names, attributes, element === undefined ? {} : { element });
  return interpret(builder.finish([y]), [])[0]!;
}

const cases: Readonly<Record<OpName, readonly Case[]>> = {
  conv2d: [
    {
      operands: [square, real([1, 1, 2, 2], [1, 0, 0, -1]), real([1], [10])],
      shape: [1, 1, 2, 2],
      expected: [6, 6, 6, 6],
    },
    {
      // The zero point 10 is the real 0: padding adds nothing.
      operands: [
        quantized('u8', [1, 1, 2, 2], [11, 12, 13, 14], 10),
        quantized(
          'i4',
          [1, 1, 3, 3],
          oneToNine.map((w) => w - 5),
        ),
        bare([100]),
      ],
      attributes: { pads: [1, 1, 1, 1] },
      element: i32,
      shape: [1, 1, 2, 2],
      // y[i][j] = 100 + sum over u, v of (3u + v - 4) * x[i + u - 1][j + v - 1], x = [[1, 2], [3, 4]]
      expected: [
        100 + 0 * 1 + 1 * 2 + 3 * 3 + 4 * 4,
        100 - 1 * 1 + 0 * 2 + 2 * 3 + 3 * 4,
        100 - 3 * 1 - 2 * 2 + 0 * 3 + 1 * 4,
        100 - 4 * 1 - 3 * 2 - 1 * 3 + 0 * 4,
      ],
    },
    {
      // Two groups, each of one channel.
      operands: [real([1, 2, 1, 1], [3, 5]), real([2, 1, 1, 1], [10, 100])],
      attributes: { groups: 2 },
      shape: [1, 2, 1, 1],
      expected: [30, 500],
    },
  ],
  dense: [
    {
      operands: [real([1, 2], [1, 2]), real([3, 2], [1, 0, 0, 1, 1, 1]), real([3], [0, 0, 10])],
      shape: [1, 3],
      expected: [1, 2, 13],
    },
    {
      operands: [quantized('u8', [2, 2], [5, 6, 4, 4], 4), quantized('i8', [1, 2], [-3, 2])],
      shape: [2, 1],
      expected: [1, 0],
    },
  ],
  affine: [
    {
      operands: [real([1, 2, 1, 2], [1, 2, 3, 4]), real([2], [2, -1]), real([2], [0.5, 0])],
      shape: [1, 2, 1, 2],
      expected: [2.5, 4.5, -3, -4],
    },
    {
      operands: [quantized('u4', [1, 2], [7, 9], 8), quantized('i8', [2], [3, -2]), bare([1, 1])],
      shape: [1, 2],
      expected: [-2, -1],
    },
  ],
  batch_norm: [
    {
      operands: [
        real([1, 2, 1, 1], [3, 5]),
        real([2], [2, 1]),
        real([2], [1, 0]),
        real([2], [1, 5]),
        real([2], [3, 15]),
      ],
      attributes: { epsilon: 1 },
      shape: [1, 2, 1, 1],
      expected: [3, 0],
    },
  ],
  relu: [{ operands: [real([3], [-1, 0, 2])], shape: [3], expected: [0, 0, 2] }],
  clip: [
    { operands: [real([3], [-1, 3, 9])], attributes: { min: 0, max: 6 }, shape: [3], expected: [0, 3, 6] },
    { operands: [real([2], [-1e30, 1e30])], shape: [2], expected: [-1e30, 1e30].map(Math.fround) },
  ],
  leaky_relu: [
    { operands: [real([3], [-2, 0, 2])], attributes: { alpha: 0.5 }, shape: [3], expected: [-1, 0, 2] },
  ],
  sigmoid: [{ operands: [real([3], [0, 1000, -1000])], shape: [3], expected: [0.5, 1, 0] }],
  hard_sigmoid: [
    { operands: [real([3], [-9, 1, 9])], attributes: { alpha: 0.25 }, shape: [3], expected: [0, 0.75, 1] },
  ],
  hard_swish: [{ operands: [real([4], [-4, 0, 3, 5])], shape: [4], expected: [-0, 0, 3, 5] }],
  add: [
    {
      operands: [real([2, 1], [1, 2]), real([3], [10, 20, 30])],
      shape: [2, 3],
      expected: [11, 21, 31, 12, 22, 32],
    },
    { operands: [bare([1, -2]), bare([3, 2])], shape: [2], expected: [4, 0] },
  ],
  sub: [
    { operands: [real([2], [1, 2]), real([], [3])], shape: [2], expected: [-2, -1] },
    { operands: [bare([2 ** 30]), bare([-(2 ** 30) + 1])], shape: [1], expected: [2 ** 31 - 1] },
  ],
  mul: [
    { operands: [real([2], [2, 3]), real([2], [4, -5])], shape: [2], expected: [8, -15] },
    {
      operands: [quantized('u8', [1, 2], [255, 3], 5), quantized('i8', [1, 1], [-128])],
      shape: [1, 2],
      expected: [-32000, 256],
    },
  ],
  div: [{ operands: [real([3], [1, -1, 0]), real([1], [4])], shape: [3], expected: [0.25, -0.25, 0] }],
  max_pool2d: [
    { operands: [square], attributes: { kernel: [2, 2] }, shape: [1, 1, 2, 2], expected: [5, 6, 8, 9] },
    // Padding never wins, not even over negative elements.
    {
      operands: [quantized('i8', [1, 1, 1, 2], [-7, -9])],
      attributes: { kernel: [1, 2], pads: [0, 1, 0, 1] },
      shape: [1, 1, 1, 3],
      expected: [-7, -7, -9],
    },
    {
      operands: [real([1, 1, 1, 3], [1, NaN, 2])],
      attributes: { kernel: [1, 3] },
      shape: [1, 1, 1, 1],
      expected: [NaN],
    },
  ],
  average_pool2d: [
    // Windows cut by the border divide by what they hold.
    {
      operands: [square],
      attributes: { kernel: [2, 2], pads: [1, 1, 0, 0], strides: [2, 2] },
      shape: [1, 1, 2, 2],
      expected: [1, 2.5, 5.5, 7],
    },
    {
      // One tap: m / 2^s = 1; two taps: 1/2. (3 - 2) + 1 = 2; ((3 - 2) + (6 - 2)) / 2 + 1 = 3.5, half up; clamped to 4: 6 - 2 + 1.
      operands: [quantized('u8', [1, 1, 1, 2], [3, 6], 2), bare([16384, 16384]), bare([14, 15])],
      attributes: { kernel: [1, 2], pads: [0, 1, 0, 1], max: 4 },
      element: u8(1),
      shape: [1, 1, 1, 3],
      expected: [2, 4, 4],
    },
  ],
  reduce_mean: [
    { operands: [real([2, 2], [1, 2, 3, 4])], attributes: { axes: [0] }, shape: [1, 2], expected: [2, 3] },
    {
      operands: [real([2, 2], [1, 2, 3, 4])],
      attributes: { axes: [0, 1], keepdims: false },
      shape: [],
      expected: [2.5],
    },
    { operands: [real([2], [1, 2])], attributes: { axes: [] }, shape: [2], expected: [1, 2] },
  ],
  reshape: [
    { operands: [bare([1, 2, 3, 4])], attributes: { shape: [2, 2] }, shape: [2, 2], expected: [1, 2, 3, 4] },
  ],
  transpose: [
    {
      operands: [real([2, 3], [1, 2, 3, 4, 5, 6])],
      attributes: { perm: [1, 0] },
      shape: [3, 2],
      expected: [1, 4, 2, 5, 3, 6],
    },
    {
      operands: [real([1, 2, 3], [1, 2, 3, 4, 5, 6])],
      attributes: { perm: [2, 0, 1] },
      shape: [3, 1, 2],
      expected: [1, 4, 2, 5, 3, 6],
    },
  ],
  pad: [
    {
      operands: [real([2], [1, 2])],
      attributes: { pads: [1, 2], value: -1 },
      shape: [5],
      expected: [-1, 1, 2, -1, -1],
    },
    {
      operands: [quantized('u8', [1, 1], [9], 3)],
      attributes: { pads: [0, 1, 0, 0] },
      shape: [1, 2],
      expected: [3, 9],
    },
    {
      operands: [quantized('u8', [1], [9], 3)],
      attributes: { pads: [1, 0], value: -Infinity },
      shape: [2],
      expected: [0, 9],
    },
  ],
  slice: [
    {
      operands: [real([5], [0, 1, 2, 3, 4])],
      attributes: { starts: [1], ends: [5], steps: [2] },
      shape: [2],
      expected: [1, 3],
    },
    {
      operands: [real([4], [0, 1, 2, 3])],
      attributes: { starts: [3], ends: [-1], steps: [-1] },
      shape: [4],
      expected: [3, 2, 1, 0],
    },
    {
      operands: [square],
      attributes: { starts: [0, 0, 1, 0], ends: [1, 1, 3, 2], steps: [1, 1, 1, 1] },
      shape: [1, 1, 2, 2],
      expected: [4, 5, 7, 8],
    },
  ],
  concat: [
    {
      operands: [real([2, 1], [1, 2]), real([2, 2], [3, 4, 5, 6])],
      attributes: { axis: 1 },
      shape: [2, 3],
      expected: [1, 3, 4, 2, 5, 6],
    },
    { operands: [bare([1]), bare([2]), bare([3])], attributes: { axis: 0 }, shape: [3], expected: [1, 2, 3] },
  ],
  softmax: [
    {
      operands: [real([2, 2], [0, 0, 1000, 1000])],
      attributes: { axis: 1 },
      shape: [2, 2],
      expected: [0.5, 0.5, 0.5, 0.5],
    },
    {
      operands: [real([2, 2], [0, 0, 1000, 0])],
      attributes: { axis: 0 },
      shape: [2, 2],
      expected: [0, 0.5, 1, 0.5],
    },
  ],
  quantize: [
    { operands: [real([4], [0.25, 0.75, -9, 999])], element: u8(2), shape: [4], expected: [2, 4, 0, 255] },
    {
      operands: [real([2, 2], [1, 4, 1, 4])],
      element: perAxis('i8', 'steps', 0),
      shape: [2, 2],
      expected: [2, 8, 0, 2],
    },
    {
      operands: [real([2, 2], [1, 4, 1, 4])],
      element: perAxis('i8', 'steps', 1),
      shape: [2, 2],
      expected: [2, 2, 2, 2],
    },
  ],
  dequantize: [
    { operands: [quantized('u8', [3], [0, 2, 255], 2)], shape: [3], expected: [-1, 0, 126.5] },
    {
      operands: [tensor({ element: perAxis('i4', 'steps', 0), shape: [2, 1] }, [3, -7])],
      shape: [2, 1],
      expected: [1.5, -14],
    },
  ],
  requantize: [
    {
      // Per channel: 1/2 and -1/4, half up, plus the zero point 10, within [8, 255].
      operands: [tensor(plain('i32', [1, 2, 2]), [3, -9, 6, 2]), bare([16384, -16384]), bare([15, 16])],
      attributes: { min: 8 },
      element: u8(10),
      shape: [1, 2, 2],
      expected: [12, 8, 9, 10],
    },
    {
      operands: [quantized('u8', [2], [200, 3], 100), bare([16384]), bare([14])],
      element: perTensor('i4', 0.5),
      shape: [2],
      expected: [7, -8],
    },
  ],
  lookup: [
    {
      operands: [quantized('i2', [4], [-2, -1, 0, 1]), tensor(plain('u8', [4]), [9, 8, 7, 6])],
      element: u8(),
      shape: [4],
      expected: [9, 8, 7, 6],
    },
    {
      operands: [quantized('u2', [2], [3, 0]), tensor(plain('i4', [4]), [-8, 1, 2, 7])],
      element: perTensor('i4', 0.5),
      shape: [2],
      expected: [7, -8],
    },
  ],
};

describe.each(Object.entries(cases))('%s', (op, list) => {
  it.each(list.map((one, index) => ({ index, one })))('case $index', ({ one }) => {
    const { type, data } = compute(one, op);
    expect(type.shape).toEqual(one.shape);
    expect(Array.from(data)).toEqual(one.expected);
  });
});

it('an accumulator that leaves int32 stops the interpreter', () => {
  const edge = bare([2 ** 31 - 1]);
  expect(() => compute({ operands: [edge, bare([1])], shape: [1], expected: [] }, 'add')).toThrow(
    'add: accumulator 2147483648 leaves int32',
  );
});
