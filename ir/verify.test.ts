/**
 * Every law has a case that breaks it and nothing before it. The tables are keyed by op and constraint, so an op or a constraint without its case
 * fails here by name.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseGraph, printGraph } from './text/index.ts';
import {
  assertVerified,
  f32,
  type Graph,
  GraphBuilder,
  type Level,
  levels,
  type Node,
  ops,
  perAxis,
  perTensor,
  plain,
  QcError,
  tensor,
  verify,
} from './index.ts';

const values = `
  %x: f32[1, 4, 6, 6], %v: f32[4], %m: f32[2, 4], %q: q<u8, scale = 0.5>[1, 4, 6, 6], %h: q<i16, scale = 0.5>[1, 4, 6, 6],
  %p: q<u8, scale = @s, axis = 1>[1, 4, 6, 6], %a: q<i32, scale = 0.25>[1, 4, 6, 6], %a2: q<i32, scale = 0.5>[1, 4, 6, 6],
  %mq: q<u8, scale = 0.5>[2, 4], %one: i32[1]`;
const constants = `
  const @s : f32[4] = splat<0.5>
  const @s2 : f32[2] = splat<0.5>
  const @w : f32[2, 4, 3, 3] = splat<1>
  const @wg : f32[3, 2, 3, 3] = splat<1>
  const @wb : f32[2, 4, 9, 3] = splat<1>
  const @wq : q<i4, scale = 0.1>[2, 4, 3, 3] = splat<1>
  const @wu : q<u4, scale = 0.1>[2, 4, 3, 3] = splat<1>
  const @wz : q<i4, scale = 0.1, zero_point = 1>[2, 4, 3, 3] = splat<1>
  const @wp : q<i4, scale = @s, axis = 1>[2, 4, 3, 3] = splat<1>
  const @d : f32[5, 4] = splat<1>
  const @dq : q<i8, scale = 0.1>[5, 4] = splat<1>
  const @b : f32[2] = splat<1>
  const @b3 : f32[3] = splat<1>
  const @g : f32[4] = splat<1>
  const @gq : q<i8, scale = 0.1>[4] = splat<1>
  const @i : i32[1] = splat<1>
  const @i2 : i32[2] = splat<1>
  const @i4 : i32[4] = splat<1>
  const @big : i32[1] = splat<32768>
  const @far : i32[1] = splat<47>
  const @i8 : i8[1] = splat<1>
  const @t : u8[256] = splat<1>
  const @t4 : u8[16] = splat<1>`;

function program(node: string): Graph {
  return parseGraph(`${constants}\nfunc @main(${values}) -> (f32[4]) {\n%y = ${node}\nreturn %v }`, {
    verify: false,
  });
}

const u8 = 'q<u8, scale = 0.5>[1, 4, 6, 6]';
const windows = (op: string, rest = ''): Record<string, readonly string[]> => ({
  'spatial-input': [`${op}(%m) {kernel = [2, 2]} : f32[2, 4]`],
  'per-tensor-operands': [`${op}(%p) {kernel = [1, 1]} : q<u8, scale = @s, axis = 1>[1, 4, 6, 6]`],
  'window-attributes': [
    `${op}(%x) {kernel = [2, 2], strides = [0, 1]} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [2, 2], strides = [1]} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [2, 2], dilations = [1, 0]} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [2, 2], dilations = [1, 65536]} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [2, 2], pads = [0, 0]} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [2, 2], pads = [0, -1, 0, 0]} : f32[1, 4, 5, 5]`,
  ],
  kernel: [
    `${op}(%x) {kernel = [2]${rest}} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [0, 2]${rest}} : f32[1, 4, 5, 5]`,
    `${op}(%x) {kernel = [65536, 2]${rest}} : f32[1, 4, 5, 5]`,
  ],
  'window-fits': [`${op}(%x) {kernel = [7, 1]} : f32[1, 4, 1, 6]`],
  'no-empty-window': [
    `${op}(%x) {kernel = [1, 1], pads = [1, 0, 0, 0]} : f32[1, 4, 7, 6]`,
    `${op}(%x) {kernel = [1, 1], pads = [0, 0, 0, 1]} : f32[1, 4, 6, 7]`,
    // Taps 7 apart step over an input of 6 rows.
    `${op}(%x) {kernel = [2, 1], dilations = [7, 1], pads = [1, 0, 1, 0]} : f32[1, 4, 1, 6]`,
  ],
});
const f32Only = (op: string): Record<string, readonly string[]> => ({
  'f32-operands': [`${op}(%q) : ${u8}`],
});
const accumulatorPair = (op: string): Record<string, readonly string[]> => ({
  broadcastable: [`${op}(%x, %b3) : f32[4]`.replace('%b3', '@b3')],
  'accumulator-pair': [
    `${op}(%q, %q) : q<i32, scale = 1.0>[1, 4, 6, 6]`,
    `${op}(%x, %a) : f32[1, 4, 6, 6]`,
    `${op}(%a, %a2) : q<i32, scale = 0.5>[1, 4, 6, 6]`,
  ],
});

/** Nodes that break one constraint of their op each. */
const broken: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  conv2d: {
    'spatial-input': ['conv2d(%m, @w) : f32[1, 2, 4, 4]'],
    'layer-operands': [
      'conv2d(%x, @wq) : f32[1, 2, 4, 4]',
      'conv2d(%h, @wq) : i32[1, 2, 4, 4]',
      'conv2d(%p, @wq) : i32[1, 2, 4, 4]',
      'conv2d(%q, @w) : i32[1, 2, 4, 4]',
      'conv2d(%q, @wu) : i32[1, 2, 4, 4]',
      'conv2d(%q, @wz) : i32[1, 2, 4, 4]',
      'conv2d(%q, @wp) : i32[1, 2, 4, 4]',
      'conv2d(%q, @wq, @b) : i32[1, 2, 4, 4]',
    ],
    'window-attributes': [
      'conv2d(%x, @w) {strides = [1, -1]} : f32[1, 2, 4, 4]',
      'conv2d(%x, @w) {pads = [1, 1]} : f32[1, 2, 4, 4]',
      'conv2d(%x, @w) {dilations = []} : f32[1, 2, 4, 4]',
    ],
    'weight-shape': [
      'conv2d(%x, @d) : f32[1, 5, 6, 6]',
      'conv2d(%x, @w) {groups = 2} : f32[1, 2, 4, 4]',
      'conv2d(%x, @w) {groups = 0} : f32[1, 2, 4, 4]',
      'conv2d(%x, @wg) {groups = 2} : f32[1, 3, 4, 4]',
    ],
    'bias-shape': ['conv2d(%x, @w, @b3) : f32[1, 2, 4, 4]', 'conv2d(%x, @w, %m) : f32[1, 2, 4, 4]'],
    'window-fits': [
      'conv2d(%x, @wb) : f32[1, 2, 1, 4]',
      'conv2d(%x, @w) {dilations = [1, 3]} : f32[1, 2, 4, 1]',
    ],
  },
  dense: {
    'dense-shape': [
      'dense(%x, @d) : f32[1, 5]',
      'dense(%m, @w) : f32[2, 2]',
      'dense(%m, %m2) : f32[2, 2]'.replace('%m2', '@b3'),
      'dense(%m, @d, @b) : f32[2, 5]',
    ],
    'layer-operands': ['dense(%mq, @d) : i32[2, 5]', 'dense(%m, @dq) : f32[2, 5]'],
  },
  affine: {
    'affine-input': ['affine(%v, @g, @g) : f32[4]'],
    'gain-shape': ['affine(%x, @b, @g) : f32[1, 4, 6, 6]', 'affine(%x, %m, @g) : f32[1, 4, 6, 6]'],
    'shift-shape': ['affine(%x, @g, @b) : f32[1, 4, 6, 6]'],
    'layer-operands': ['affine(%q, @gq, @g) : i32[1, 4, 6, 6]', 'affine(%q, @g, @g) : i32[1, 4, 6, 6]'],
  },
  batch_norm: {
    'f32-operands': ['batch_norm(%q, @g, @g, @g, @g) : f32[1, 4, 6, 6]'],
    'batch-norm-input': ['batch_norm(%v, @g, @g, @g, @g) : f32[4]'],
    'scale-shape': ['batch_norm(%x, @b, @g, @g, @g) : f32[1, 4, 6, 6]'],
    'bias-shape': ['batch_norm(%x, @g, @b, @g, @g) : f32[1, 4, 6, 6]'],
    'mean-shape': ['batch_norm(%x, @g, @g, @b, @g) : f32[1, 4, 6, 6]'],
    'variance-shape': ['batch_norm(%x, @g, @g, @g, @b) : f32[1, 4, 6, 6]'],
  },
  relu: f32Only('relu'),
  clip: f32Only('clip'),
  leaky_relu: f32Only('leaky_relu'),
  sigmoid: f32Only('sigmoid'),
  hard_sigmoid: f32Only('hard_sigmoid'),
  hard_swish: f32Only('hard_swish'),
  add: accumulatorPair('add'),
  sub: accumulatorPair('sub'),
  mul: {
    broadcastable: ['mul(%x, @b3) : f32[4]'],
    'narrow-pair': [
      'mul(%q, %h) : i32[1, 4, 6, 6]',
      'mul(%q, %p) : i32[1, 4, 6, 6]',
      'mul(%q, %x) : i32[1, 4, 6, 6]',
      'mul(%q, @i) : i32[1, 4, 6, 6]',
    ],
  },
  div: { broadcastable: ['div(%x, @b3) : f32[4]'], 'real-pair': [`div(%q, %q) : ${u8}`] },
  max_pool2d: windows('max_pool2d'),
  average_pool2d: {
    ...windows('average_pool2d'),
    'average-form': [
      `average_pool2d(%x) {kernel = [1, 1]} : ${u8}`,
      'average_pool2d(%x, @i, @i) {kernel = [1, 1]} : f32[1, 4, 6, 6]',
      'average_pool2d(%q, @i, @i) {kernel = [1, 1]} : f32[1, 4, 6, 6]',
      'average_pool2d(%one4, @i, @i) {kernel = [1, 1]} : u8[1, 4, 6, 6]'.replace('%one4', '%q'),
      `average_pool2d(%q) {kernel = [1, 1]} : ${u8}`,
      `average_pool2d(%q, @i) {kernel = [1, 1]} : ${u8}`,
      `average_pool2d(%q, @i, @i2) {kernel = [1, 1]} : ${u8}`,
      `average_pool2d(%q, @i8, @i) {kernel = [1, 1]} : ${u8}`,
      `average_pool2d(%q, @i, @i) {kernel = [1, 2]} : q<u8, scale = 0.5>[1, 4, 6, 5]`,
    ],
    'clamp-within-storage': [
      `average_pool2d(%q, @i, @i) {kernel = [1, 1], min = -1} : ${u8}`,
      'average_pool2d(%x) {kernel = [1, 1], max = 6} : f32[1, 4, 6, 6]',
    ],
    'fixed-point-tables': [
      `average_pool2d(%q, @big, @i) {kernel = [1, 1]} : ${u8}`,
      `average_pool2d(%q, @i, @far) {kernel = [1, 1]} : ${u8}`,
    ],
  },
  reduce_mean: {
    'f32-operands': ['reduce_mean(%q) {axes = [2, 3]} : f32[1, 4, 1, 1]'],
    'reduced-axes': [
      'reduce_mean(%x) {axes = [4]} : f32[1, 4, 6, 6]',
      'reduce_mean(%x) {axes = [-1]} : f32[1, 4, 6, 6]',
      'reduce_mean(%x) {axes = [3, 2]} : f32[1, 4, 1, 1]',
      'reduce_mean(%x) {axes = [2, 2]} : f32[1, 4, 1, 6]',
    ],
  },
  reshape: {
    'per-tensor-operands': ['reshape(%p) {shape = [1, 4, 36]} : q<u8, scale = @s, axis = 1>[1, 4, 36]'],
    'reshape-count': ['reshape(%v) {shape = [5]} : f32[5]', 'reshape(%v) {shape = [-2, -2]} : f32[4]'],
  },
  transpose: {
    'per-tensor-operands': ['transpose(%p) {perm = [0, 1, 3, 2]} : q<u8, scale = @s, axis = 1>[1, 4, 6, 6]'],
    permutation: [
      'transpose(%m) {perm = [0, 0]} : f32[2, 2]',
      'transpose(%m) {perm = [0]} : f32[2]',
      'transpose(%m) {perm = [1, 2]} : f32[2, 4]',
    ],
  },
  pad: {
    'per-tensor-operands': [
      'pad(%p) {pads = [0, 0, 0, 0, 0, 0, 0, 1]} : q<u8, scale = @s, axis = 1>[1, 4, 6, 7]',
    ],
    'pad-extents': ['pad(%v) {pads = [1]} : f32[5]', 'pad(%v) {pads = [1, -1]} : f32[4]'],
  },
  slice: {
    'per-tensor-operands': [
      'slice(%p) {starts = [0, 3, 0, 0], ends = [1, -1, 6, 6], steps = [1, -1, 1, 1]} : q<u8, scale = @s, axis = 1>[1, 4, 6, 6]',
    ],
    'slice-range': [
      'slice(%v) {starts = [], ends = [], steps = []} : f32[4]',
      'slice(%v) {starts = [2], ends = [2], steps = [1]} : f32[1]',
      'slice(%v) {starts = [-1], ends = [2], steps = [1]} : f32[3]',
      'slice(%v) {starts = [0], ends = [5], steps = [1]} : f32[5]',
      'slice(%v) {starts = [0], ends = [4], steps = [0]} : f32[4]',
      'slice(%v) {starts = [4], ends = [0], steps = [-1]} : f32[4]',
      'slice(%v) {starts = [3], ends = [-2], steps = [-1]} : f32[5]',
      'slice(%v) {starts = [1], ends = [1], steps = [-1]} : f32[1]',
    ],
  },
  concat: {
    'per-tensor-operands': ['concat(%p) {axis = 0} : q<u8, scale = @s, axis = 1>[1, 4, 6, 6]'],
    'equal-elements': [
      'concat(%x, %q) {axis = 0} : f32[2, 4, 6, 6]',
      'concat(%a, %a2) {axis = 0} : f32[2, 4, 6, 6]',
    ],
    'concat-shapes': [
      'concat(%x, %x) {axis = 4} : f32[2, 4, 6, 6]',
      'concat(%x, %m) {axis = 0} : f32[2, 4, 6, 6]',
      'concat(%m, @d) {axis = 1} : f32[2, 8]',
    ],
  },
  softmax: {
    'f32-operands': [`softmax(%q) {axis = 1} : ${u8}`],
    'softmax-axis': ['softmax(%v) {axis = 1} : f32[4]', 'softmax(%v) {axis = -1} : f32[4]'],
  },
  quantize: {
    'quantize-types': [
      `quantize(%q) : ${u8}`,
      'quantize(%x) : u8[1, 4, 6, 6]',
      'quantize(%x) : f32[1, 4, 6, 6]',
    ],
  },
  dequantize: { 'dequantize-types': ['dequantize(%x) : f32[1, 4, 6, 6]', 'dequantize(%one) : f32[1]'] },
  requantize: {
    'requantize-operands': [`requantize(%x, @i, @i) : ${u8}`, 'requantize(%a, @i, @i) : u8[1, 4, 6, 6]'],
    'requantize-tables': [
      `requantize(%a, @i2, @i2) : ${u8}`,
      `requantize(%a, @i8, @i) : ${u8}`,
      `requantize(%a, @i4, @i) : ${u8}`,
      `requantize(%a, @dq, @i) : ${u8}`,
    ],
    'clamp-within-storage': [
      `requantize(%a, @i, @i) {max = 256} : ${u8}`,
      `requantize(%a, @i, @i) {min = 9, max = 8} : ${u8}`,
    ],
    'fixed-point-tables': [`requantize(%a, @big, @i) : ${u8}`, `requantize(%a, @i, @far) : ${u8}`],
  },
  lookup: {
    'lookup-input': [`lookup(%h, @t) : ${u8}`, `lookup(%x, @t) : ${u8}`, 'lookup(%q, @t) : u8[1, 4, 6, 6]'],
    'lookup-table': [
      `lookup(%q, @t4) : ${u8}`,
      `lookup(%q, @d) : ${u8}`,
      'lookup(%q, @t) : q<i8, scale = 0.5>[1, 4, 6, 6]',
    ],
  },
};

const laws = Object.values(ops).flatMap((op) =>
  [...op.constraints, ...(op.constantLaws ?? [])].map(({ name }) => ({ op: op.name, name })),
);

describe('constraints', () => {
  it('each have a case, and each case a constraint', () => {
    const cases = Object.entries(broken).flatMap(([op, table]) =>
      Object.keys(table).map((name) => ({ op, name })),
    );
    const key = ({ op, name }: { op: string; name: string }): string => `${op} ${name}`;
    expect(cases.map(key).sort()).toEqual(laws.map(key).sort());
  });

  it.each(laws)('$op: $name', ({ op, name }) => {
    for (const node of broken[op]?.[name] ?? []) {
      const found = verify(program(node));
      expect([node, found.map(({ code }) => code)]).toEqual([node, [`verify/${name}`]]);
      expect(found[0]!.message).toMatch(new RegExp(`^%y = ${op}: .+`));
    }
  });

  it.each(laws)('$op: $name says what it demands', ({ op, name }) => {
    const declared = ops[op as keyof typeof ops];
    const law = [...declared.constraints, ...(declared.constantLaws ?? [])].find((one) => one.name === name)!;
    expect(law.summary.length).toBeGreaterThan(10);
  });
});

const x = f32([2]);
const relu: Node = { op: 'relu', operands: ['x'], attributes: {}, result: { name: 'y', type: x } };

function graph(change: Partial<Graph>): Graph {
  return {
    name: 'main',
    inputs: [{ name: 'x', type: x }],
    constants: new Map(),
    nodes: [relu],
    outputs: ['y'],
    ...change,
  };
}

function withNode(change: Partial<Node>): Graph {
  return graph({ nodes: [{ ...relu, ...change }] });
}

function withType(type: Graph['inputs'][number]['type'], scale?: readonly number[]): Graph {
  const constants = new Map(scale === undefined ? [] : [['s', tensor(f32([scale.length]), scale)]]);
  return graph({
    inputs: [
      { name: 'x', type: x },
      { name: 'z', type },
    ],
    constants,
  });
}

/** Graphs that break one structural law each. */
const misshapen: Readonly<Record<string, readonly Graph[]>> = {
  'operand-count': [
    withNode({ operands: [] }),
    withNode({ operands: ['x', 'x'] }),
    withNode({ op: 'concat', operands: [], attributes: { axis: 0 } }),
  ],
  'unknown-attribute': [withNode({ attributes: { alpha: 1 } }), withNode({ attributes: { constructor: 1 } })],
  'attribute-kind': [
    withNode({ op: 'softmax', attributes: { axis: 0.5 } }),
    withNode({ op: 'leaky_relu', attributes: { alpha: 0.1 } }),
    withNode({ op: 'leaky_relu', attributes: { alpha: '0.5' } }),
    withNode({ op: 'reshape', attributes: { shape: [2.5] } }),
    withNode({ op: 'reduce_mean', attributes: { axes: [0], keepdims: 1 } }),
  ],
  'missing-attribute': [withNode({ op: 'softmax' }), withNode({ op: 'leaky_relu' })],
  'result-shape': [
    withNode({ result: { name: 'y', type: f32([3]) } }),
    withNode({ result: { name: 'y', type: f32([2, 1]) } }),
  ],
  'result-element': [
    withNode({ result: { name: 'y', type: plain('i32', [2]) } }),
    program('conv2d(%q, @wq) : q<i16, scale = 0.05>[1, 2, 4, 4]'),
    program('mul(%q, %q) : q<u8, scale = 0.25>[1, 4, 6, 6]'),
    program('max_pool2d(%q) {kernel = [1, 1]} : q<u8, scale = 0.25>[1, 4, 6, 6]'),
    program('dequantize(%q) : i32[1, 4, 6, 6]'),
  ],
  'unique-name': [
    { ...withNode({ result: { name: 'x', type: x } }), outputs: ['x'] },
    graph({
      inputs: [
        { name: 'x', type: x },
        { name: 'x', type: x },
      ],
    }),
    graph({ constants: new Map([['x', tensor(x, [1, 2])]]) }),
  ],
  type: [
    withType(f32([2, 0])),
    withType(f32([-1])),
    withType(f32([1.5])),
    withType(f32([65536, 65536])),
    withType({ element: perTensor('u8', 0), shape: [2] }),
    withType({ element: perTensor('u8', -1), shape: [2] }),
    withType({ element: perTensor('u8', Infinity), shape: [2] }),
    withType({ element: perTensor('u8', NaN), shape: [2] }),
    withType({ element: perTensor('u8', 1, 256), shape: [2] }),
    withType({ element: perTensor('i8', 1, 128), shape: [2] }),
    withType({ element: perTensor('i8', 1, 0.5), shape: [2] }),
    withType({ element: perTensor('i32', 1, 1), shape: [2] }),
    withType({ element: { ...perTensor('i8', 1), axis: 0 }, shape: [2] }),
    withType({ element: { kind: 'quantized', storage: 'i8', scale: 's', zeroPoint: 0 }, shape: [2] }, [1, 1]),
    withType({ element: perAxis('i8', 's', 1), shape: [2] }, [1, 1]),
    withType({ element: perAxis('i8', 's', -1), shape: [2] }, [1, 1]),
    withType({ element: perAxis('i8', 'gone', 0), shape: [2] }, [1, 1]),
    withType({ element: perAxis('i8', 's', 0), shape: [3] }, [1, 1]),
    withType({ element: perAxis('i8', 's', 0), shape: [2] }, [1, 0]),
    withType({ element: perAxis('i8', 's', 0), shape: [2] }, [1, NaN]),
    withType({ element: perAxis('i8', 'x', 0), shape: [2] }, [1, 1]),
  ],
  note: [
    withNode({ result: { name: 'y', type: x, notes: { weight_bits: 1.5 } } }),
    withNode({ result: { name: 'y', type: x, notes: { observed: 1 } as never } }),
    withNode({ result: { name: 'y', type: x, notes: { remark: 1 } as never } }),
    withNode({ result: { name: 'y', type: x, notes: { constructor: 1 } as never } }),
    graph({ inputs: [{ name: 'x', type: x, notes: { observed: [0.1] } }] }),
  ],
  'constant-size': [graph({ constants: new Map([['c', { type: f32([3]), data: new Float32Array(2) }]]) })],
  'known-op': [withNode({ op: 'no_such_op' }), withNode({ op: 'constructor' })],
  'defined-before-use': [withNode({ operands: ['gone'] }), withNode({ operands: ['y'] })],
  outputs: [graph({ outputs: [] }), graph({ outputs: ['gone'] })],
  'constant-operand': [program('requantize(%a, %one, @i) : q<u8, scale = 0.5>[1, 4, 6, 6]')],
};

describe('structure', () => {
  /** Codes as the verifier's own source spells them. `level` has a table of its own below. */
  const declared = new Set(
    [
      ...readFileSync(new URL('verify.ts', import.meta.url), 'utf8').matchAll(
        /(?:report\(\s*'|code: 'verify\/)([a-z-]+)'/g,
      ),
    ].map((match) => match[1]!),
  );

  it('has a case for every law', () => {
    expect([...Object.keys(misshapen), 'level'].sort()).toEqual([...declared].sort());
  });

  it.each(Object.entries(misshapen).flatMap(([name, graphs]) => graphs.map((one, i) => ({ name, i, one }))))(
    '$name, case $i',
    ({ name, one }) => {
      expect(verify(one).map(({ code }) => code)).toEqual([`verify/${name}`]);
    },
  );

  it('finds nothing in a program', () => {
    expect(verify(graph({}))).toEqual([]);
    expect(() => assertVerified(graph({}))).not.toThrow();
  });

  it('finds everything, in program order, at the location of each node', () => {
    const location = { kind: 'onnx', node: 'Relu_0' } as const;
    const found = verify(
      graph({
        nodes: [
          { ...relu, attributes: { alpha: 1 }, location },
          { ...relu, op: 'no_such_op' },
        ],
        outputs: ['gone'],
      }),
    );
    expect(found.map(({ code }) => code)).toEqual([
      'verify/unknown-attribute',
      'verify/known-op',
      'verify/unique-name',
      'verify/outputs',
    ]);
    expect(found.map((one) => one.location)).toEqual([location, undefined, undefined, undefined]);
    expect(() => assertVerified(graph({ outputs: [] }))).toThrow(QcError);
  });

  it('takes places from who knows better', () => {
    const bad = withNode({ operands: [] });
    const place = { kind: 'text', line: 3, column: 1 } as const;
    expect(verify(bad, undefined, new Map([[bad.nodes[0]!, place]]))[0]!.location).toBe(place);
  });
});

describe('levels', () => {
  const u = { element: perTensor('u8', 0.5), shape: [1, 2, 1, 1] };
  const w = tensor({ element: perTensor('i8', 0.5), shape: [1, 2, 1, 1] }, [1, 2]);

  function build(write: (builder: GraphBuilder, x: string, q: string) => string): Graph {
    const builder = new GraphBuilder('main');
    const [real, integer] = [builder.input('x', f32([1, 2, 1, 1])), builder.input('q', u)];
    return builder.finish([write(builder, real, integer)]);
  }

  const programs: readonly [name: string, graph: Graph, legal: readonly Level[]][] = [
    ['a float op on f32', build((b, real) => b.add('relu', [real])), ['float', 'quantized']],
    [
      'a movement of f32',
      build((b, real) => b.add('reshape', [real], { shape: [2] })),
      ['float', 'quantized'],
    ],
    ['a movement of integers', build((b, _, q) => b.add('reshape', [q], { shape: [2] })), ['integer']],
    [
      'quantize',
      build((b, real) => b.add('quantize', [real], {}, { element: u.element })),
      ['quantized', 'integer'],
    ],
    ['dequantize', build((b, _, q) => b.add('dequantize', [q])), ['quantized', 'integer']],
    ['softmax', build((b, real) => b.add('softmax', [real], { axis: 1 })), ['float', 'quantized', 'integer']],
    ['a float sum', build((b, real) => b.add('add', [real, real])), ['float', 'quantized']],
    ['an integer convolution', build((b, _, q) => b.add('conv2d', [q, b.constant('w', w)])), ['integer']],
  ];

  it.each(programs)('%s', (_, one, legal) => {
    for (const level of levels) {
      const codes = verify(one, level).map(({ code }) => code);
      expect([level, codes]).toEqual([level, legal.includes(level) ? [] : ['verify/level']]);
    }
  });

  it('a broken program of the tables still prints', () => {
    for (const one of Object.values(misshapen).flat()) expect(printGraph(one)).toMatch(/^func|^const/);
  });
});
