/** Bounds hold what is computed: whatever the operands are within theirs, the result is within the op's own, channel by channel. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type Attributes,
  type Bounds,
  type Element,
  elementCount,
  evaluateNode,
  GraphBuilder,
  opOf,
  ops,
  perTensor,
  plain,
  storageRange,
  type Tensor,
  tensor,
  type TensorType,
} from '../index.ts';

interface Drawn {
  readonly op: string;
  readonly operands: readonly Tensor[];
  /** Which operands the query may know the values of. */
  readonly known: readonly boolean[];
  readonly attributes?: Attributes;
  readonly element?: Element;
}

/** What a bounds analysis would know of a tensor: the extremes along axis 1, or of all. */
function extremes({ type, data }: Tensor): Bounds {
  const channels = type.shape[1] ?? 1;
  const inner = elementCount(type.shape.slice(2));
  const min = new Array<number>(channels).fill(Infinity);
  const max = new Array<number>(channels).fill(-Infinity);
  for (let i = 0; i < data.length; i++) {
    const c = type.shape.length < 2 ? 0 : Math.floor(i / inner) % channels;
    min[c] = Math.min(min[c]!, data[i]!);
    max[c] = Math.max(max[c]!, data[i]!);
  }
  return { min, max };
}

function check({ op, operands, known, attributes = {}, element }: Drawn): void {
  const builder = new GraphBuilder('main');
  const names = operands.map((operand) => builder.constant('c', operand));
  builder.add(op, names, attributes, element === undefined ? {} : { element });
  const node = builder.finish([]).nodes[0]!;
  const found = extremes(evaluateNode(node, operands, () => undefined));
  const { min, max } = opOf(op).bound!({
    operands: operands.map(({ type }) => type),
    attributes: node.attributes,
    result: node.result.type,
    bounds: operands.map(extremes),
    constants: operands.map((operand, i) => (known[i] === true ? operand : undefined)),
  });
  expect([1, found.min.length]).toContain(min.length);
  expect(max).toHaveLength(min.length);
  for (let c = 0; c < found.min.length; c++) {
    const b = min.length === 1 ? 0 : c;
    expect(min[b]).toBeLessThanOrEqual(found.min[c]!);
    expect(max[b]).toBeGreaterThanOrEqual(found.max[c]!);
  }
}

function integers(type: TensorType, limit = Infinity): fc.Arbitrary<Tensor> {
  const [min, max] = storageRange(type.element.storage as 'u8');
  const count = elementCount(type.shape);
  const value = fc.integer({ min: Math.max(min, -limit), max: Math.min(max, limit) });
  return fc.array(value, { minLength: count, maxLength: count }).map((values) => tensor(type, values));
}

const activation = fc
  .tuple(fc.constantFrom('u8' as const, 'i8' as const, 'u4' as const), fc.integer({ min: -8, max: 15 }))
  .map(([storage, zeroPoint]) => perTensor(storage, 0.5, Math.max(storageRange(storage)[0], zeroPoint)));
const weight = fc
  .constantFrom('i2' as const, 'i4' as const, 'i8' as const)
  .map((storage) => perTensor(storage, 0.25));
const extent = fc.integer({ min: 1, max: 4 });
const knowledge = fc.tuple(fc.constant(false), fc.boolean(), fc.boolean());

const draws: Readonly<Record<string, fc.Arbitrary<Drawn>>> = {
  conv2d: fc
    .record({
      x: activation,
      w: weight,
      batch: extent,
      inputs: extent,
      outputs: extent,
      size: fc.integer({ min: 2, max: 5 }),
      pad: fc.nat({ max: 1 }),
      known: knowledge,
    })
    .chain(({ x, w, batch, inputs, outputs, size, pad, known }) =>
      fc
        .tuple(
          integers({ element: x, shape: [batch, inputs, size, size] }),
          integers({ element: w, shape: [outputs, inputs, 2, 2] }),
          integers(plain('i32', [outputs]), 5000),
        )
        .map((operands) => ({ op: 'conv2d', operands, known, attributes: { pads: [pad, 0, pad, 1] } })),
    ),
  dense: fc
    .record({ x: activation, w: weight, batch: extent, inputs: extent, outputs: extent, known: knowledge })
    .chain(({ x, w, batch, inputs, outputs, known }) =>
      fc
        .tuple(
          integers({ element: x, shape: [batch, inputs] }),
          integers({ element: w, shape: [outputs, inputs] }),
          integers(plain('i32', [outputs]), 5000),
        )
        .map((operands) => ({ op: 'dense', operands, known })),
    ),
  affine: fc
    .record({ x: activation, w: weight, batch: extent, channels: extent, known: knowledge })
    .chain(({ x, w, batch, channels, known }) =>
      fc
        .tuple(
          integers({ element: x, shape: [batch, channels, 2] }),
          integers({ element: w, shape: [channels] }),
          integers(plain('i32', [channels]), 5000),
        )
        .map((operands) => ({ op: 'affine', operands, known })),
    ),
  ...Object.fromEntries(
    ['add', 'sub', 'mul'].map((op) => [
      op,
      fc
        .record({
          a: activation,
          b: activation,
          shapes: fc.constantFrom(
            [
              [2, 3, 4],
              [2, 3, 4],
            ],
            [
              [2, 3, 4],
              [3, 4],
            ],
            [
              [2, 3, 4],
              [1, 3, 1],
            ],
            [
              [2, 1, 4],
              [1, 3, 4],
            ],
            [[2, 3, 4], [4]],
            [
              [1, 2, 4, 8],
              [4, 8],
            ],
            [[4], [2, 4]],
            [[], [3]],
          ),
        })
        .chain(({ a, b, shapes: [left, right] }) => {
          const type = (element: Element, shape: readonly number[]): TensorType =>
            op === 'mul' ? { element, shape } : plain('i32', shape);
          return fc
            .tuple(integers(type(a, left), 2 ** 30 - 1), integers(type(b, right), 2 ** 30 - 1))
            .map((operands) => ({ op, operands, known: [false, false] }));
        }),
    ]),
  ),
  requantize: fc
    .record({
      channels: extent,
      perChannel: fc.boolean(),
      zeroPoint: fc.nat({ max: 255 }),
      clamp: fc.constantFrom({}, { min: 3 }, { max: 200 }),
    })
    .chain(({ channels, perChannel, zeroPoint, clamp }) => {
      const table = perChannel ? channels : 1;
      return fc
        .tuple(
          integers(plain('i32', [2, channels, 3])),
          integers(plain('i32', [table]), 32767),
          fc
            .array(fc.integer({ min: 0, max: 46 }), { minLength: table, maxLength: table })
            .map((shifts) => tensor(plain('i32', [table]), shifts)),
        )
        .map((operands) => ({
          op: 'requantize',
          operands,
          known: [false, true, true],
          attributes: clamp,
          element: perTensor('u8', 0.5, zeroPoint),
        }));
    }),
};

describe('bounds', () => {
  it('are drawn for every op that declares them', () => {
    const declared = Object.values(ops).filter(
      (op) => op.bound !== undefined && op.levels.includes('integer'),
    );
    expect(Object.keys(draws).sort()).toEqual(declared.map(({ name }) => name).sort());
  });

  it.each(Object.entries(draws))('of %s hold what it computes', (_, drawn) => {
    fc.assert(fc.property(drawn, check), { numRuns: 300 });
  });

  it('of a convolution with known weights are reached', () => {
    const x = perTensor('u8', 0.5, 3);
    const types = [
      { element: x, shape: [1, 1, 1, 2] },
      { element: perTensor('i8', 0.5), shape: [1, 1, 1, 2] },
    ];
    const { min, max } = opOf('conv2d').bound!({
      operands: types,
      attributes: {},
      result: plain('i32', [1, 1, 1, 1]),
      bounds: [
        { min: [0], max: [255] },
        { min: [-128], max: [127] },
      ],
      constants: [undefined, tensor(types[1]!, [2, -5])],
    });
    expect([min, max]).toEqual([[2 * (0 - 3) - 5 * (255 - 3)], [2 * (255 - 3) - 5 * (0 - 3)]]);
  });
});
