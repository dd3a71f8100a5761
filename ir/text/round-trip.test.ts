import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { graphs } from '../../fixtures/generate/graphs.ts';
import {
  allocate,
  elementCount,
  f32,
  type Graph,
  GraphBuilder,
  type Location,
  type Notes,
  perAxis,
  perTensor,
  plain,
  storages,
  storageRange,
  type Tensor,
  tensor,
  type TensorType,
} from '../index.ts';
import { BlobWriter, parseGraph, printGraph, printNode } from './index.ts';

/** Deep equality down to the sign of zero, and byte for byte in constants. */
function expectSame(found: Graph, expected: Graph): void {
  expect({ ...found, constants: [...found.constants.keys()] }).toEqual({
    ...expected,
    constants: [...expected.constants.keys()],
  });
  for (const [name, { type, data }] of expected.constants) {
    const other = found.constants.get(name)!;
    expect(other.type).toEqual(type);
    expect(other.data.constructor).toBe(data.constructor);
    expect(bytesOf(other).equals(bytesOf({ type, data }))).toBe(true);
  }
}

function bytesOf({ data }: Tensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function expectRoundTrip(graph: Graph): void {
  const text = printGraph(graph);
  const read = parseGraph(text);
  expectSame(read, graph);
  expect(printGraph(read)).toBe(text);

  const blobs = new BlobWriter('model.weights');
  const short = printGraph(graph, { blobs, inlineLimit: 4 });
  const bytes = blobs.bytes();
  const loaded = parseGraph(short, { blobs: (file) => (file === 'model.weights' ? bytes : undefined) });
  expectSame(loaded, graph);
  const again = new BlobWriter('model.weights');
  expect(printGraph(loaded, { blobs: again, inlineLimit: 4 })).toBe(short);
  expect(again.bytes()).toEqual(bytes);
}

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
const names = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    'conv1.w',
    'q',
    'f32',
    'const',
    '"',
    '\\',
    '\n',
    '%0',
    '@a',
    '',
    '__proto__',
    'constructor',
  ),
  fc.constant('\ud800'),
);
const floats = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(-0, Infinity, -Infinity, 2 ** -149));

const locations: fc.Arbitrary<Location> = fc.letrec<{ location: Location; derived: Location }>((tie) => ({
  location: fc.oneof(
    { maxDepth: 3 },
    fc.record({ kind: fc.constant('onnx' as const), node: names }),
    fc.record(
      { kind: fc.constant('text' as const), file: names, line: fc.nat(), column: fc.nat() },
      { requiredKeys: ['kind', 'line', 'column'] },
    ),
    tie('derived'),
  ),
  derived: fc.record({
    kind: fc.constant('derived' as const),
    by: fc.oneof(names, fc.constant('fold-batchnorm')),
    from: fc.array(tie('location'), { maxLength: 3 }),
  }),
})).location;

const notes: fc.Arbitrary<Notes> = fc.record(
  {
    observed: fc.array(floats, { maxLength: 2 }),
    clip4: fc.tuple(floats, floats),
    weight_bits: fc.integer(),
  },
  { requiredKeys: [] },
);

function dataOf(type: TensorType): fc.Arbitrary<Tensor> {
  const { storage } = type.element;
  const count = elementCount(type.shape);
  const element =
    storage === 'f32' ? floats : fc.integer({ min: storageRange(storage)[0], max: storageRange(storage)[1] });
  return fc
    .oneof(
      fc.array(element, { minLength: count, maxLength: count }),
      element.map((value) => new Array<number>(count).fill(value)),
    )
    .map((values) => tensor(type, values));
}

const types: fc.Arbitrary<TensorType> = fc.oneof(
  shapes.map((shape) => f32(shape)),
  fc.tuple(fc.constantFrom(...storages), shapes).map(([storage, shape]) => plain(storage, shape)),
  fc
    .record({
      storage: fc.constantFrom(...storages),
      scale: fc.float({ min: Math.fround(1e-30), noNaN: true, noDefaultInfinity: true }),
      shape: shapes,
      zeroPoint: fc.integer({ min: -128, max: 255 }),
    })
    .map(({ storage, scale, shape, zeroPoint }) => {
      const [min, max] = storage === 'i32' ? [0, 0] : storageRange(storage);
      return { element: perTensor(storage, scale, Math.min(max, Math.max(min, zeroPoint))), shape };
    }),
);

/** Programs of one node a value, about names, types, constants, notes and locations rather than about nets. */
const oddGraphs: fc.Arbitrary<Graph> = fc
  .record({
    name: names,
    values: fc.array(
      fc.record({
        name: names,
        tensor: types.chain(dataOf),
        location: fc.option(locations, { nil: undefined }),
        notes: fc.option(notes, { nil: undefined }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ name, values }) => {
    const builder = new GraphBuilder(name);
    const outputs: string[] = [];
    for (const value of values) {
      const shape = [...value.tensor.type.shape];
      const options = { name: value.name, location: value.location, notes: value.notes };
      const constant = builder.constant(value.name, value.tensor);
      const input = builder.unique(value.name);
      builder.addInput({
        name: input,
        type: value.tensor.type,
        ...(value.notes === undefined ? {} : { notes: value.notes }),
      });
      outputs.push(builder.add('reshape', [constant], { shape }, options), input);
    }
    return builder.finish(outputs);
  });

describe('text and graph', () => {
  it('round-trip on random nets', () => {
    fc.assert(fc.property(graphs(), expectRoundTrip), { numRuns: 40 });
  });

  it('round-trip on odd names, types, constants, notes and locations', () => {
    fc.assert(fc.property(oddGraphs, expectRoundTrip), { numRuns: 150 });
  });

  it('round-trip on attributes of every kind', () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1, 2, 4, 4]));
    const clipped = builder.add('clip', [x], { max: Infinity, min: -0 });
    const open = builder.add('clip', [clipped], { min: NaN, max: 6 });
    const mean = builder.add('reduce_mean', [open], { axes: [], keepdims: false });
    const padded = builder.add('pad', [mean], { pads: [0, 0, 1, 0, 0, 0, 0, 1], value: Math.fround(-0.1) });
    expectRoundTrip(builder.finish([padded, x, x]));
    expect(printGraph(builder.finish([padded]))).toContain('%0 = clip(%x) {min = -0.0} : f32[1, 2, 4, 4]');
    expect(printGraph(builder.finish([padded]))).toContain('{min = nan, max = 6.0}');
  });

  it('round-trip on per-axis types and on optional attributes given and not', () => {
    const builder = new GraphBuilder('main');
    builder.constant('w.scale', tensor(f32([2]), [0.5, 0.25]));
    const w = builder.constant(
      'w',
      tensor({ element: perAxis('i4', 'w.scale', 0), shape: [2, 3, 1, 1] }, [-7, 7, 0, 1, 2, 3]),
    );
    const table = builder.constant('m', tensor(plain('i32', [1]), [16384]));
    const x = builder.input('x', { element: perTensor('u8', 0.5), shape: [1, 3, 2, 2] });
    const a = builder.add('conv2d', [x, w], {}, { element: perAxis('i32', 'w.scale', 1) });
    const q = builder.add('requantize', [a, table, table], {}, { element: perTensor('u8', 1) });
    const r = builder.add('requantize', [q, table, table], { min: 3 }, { element: perTensor('u8', 1) });
    expectRoundTrip({
      ...builder.finish([r]),
      constants: new Map(
        [...builder.finish([r]).constants].map(([name, value]) => [
          name,
          name === 'm' ? tensor(value.type, [14]) : value,
        ]),
      ),
    });
    expect(printGraph(builder.finish([r]))).toContain('{min = 3}');
  });

  it('is the identity on text as printed', () => {
    const text = [
      'const @w.scale : f32[2] = dense<[0.01, 0.02]>',
      'const @w : q<i4, scale = @w.scale, axis = 0>[2, 3, 1, 1] = dense<[1, -7, 3, 0, 2, 7]>',
      'const @"odd \\"name\\"\\n" : i32[2] = splat<-3>',
      'func @main(%x: q<i8, scale = 0.5, zero_point = -3>[1, 3, 4, 4] notes {observed = [-2.1, 2.6]}) -> (q<i32, scale = 0.25>[1, 2, 2, 2]) {',
      '  %0 = conv2d(%x, @w, @"odd \\"name\\"\\n") {strides = [2, 2]} : q<i32, scale = 0.25>[1, 2, 2, 2] notes {weight_bits = 4} loc(fold-batchnorm("Conv_0", "net.qir":3:4, 7:1))',
      '  return %0',
      '}',
      '',
    ].join('\n');
    expect(printGraph(parseGraph(text))).toBe(text);
  });

  it('reads the example of the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const [, example] = /```\n(.*?)```/s.exec(readme)!;
    const ones = new Uint8Array(Float32Array.from({ length: 2000 }, () => 1).buffer);
    const graph = parseGraph(example!, { blobs: () => ones });
    const printed = printGraph(graph, { blobs: new BlobWriter('model.weights') });
    expect(printed.split('\n').slice(-4)).toEqual(example!.split('\n').slice(-4));
  });

  it('brings text that a person wrote to the printed form', () => {
    const written = `
      // A program.
      func @main(%x : f32 [1,2])->(f32[1,2]){ // inputs
        %y=clip(%x){max=6,min=-inf}:f32[1,2] notes{activation_bits=4,weight_bits=8}
        return %y }`;
    expect(printGraph(parseGraph(written))).toBe(
      [
        'func @main(%x: f32[1, 2]) -> (f32[1, 2]) {',
        '  %y = clip(%x) {max = 6.0} : f32[1, 2] notes {weight_bits = 8, activation_bits = 4}',
        '  return %y',
        '}',
        '',
      ].join('\n'),
    );
  });

  it('prints graphs that do not verify', () => {
    const node = {
      op: 'no_such_op',
      operands: ['nowhere'],
      attributes: { text: 'a "b"', flag: true, list: [1, 2], half: 0.5 },
      result: { name: 'y', type: f32([1]) },
    };
    expect(printNode(node)).toBe(
      '%y = no_such_op(%nowhere) {text = "a \\"b\\"", flag = true, list = [1, 2], half = 0.5} : f32[1]',
    );
    const graph: Graph = { name: 'main', inputs: [], constants: new Map(), nodes: [node], outputs: ['gone'] };
    expect(printGraph(graph)).toContain('return %gone');
    expect(printGraph({ ...graph, outputs: [] })).toContain('\n  return\n');
    expectSame(parseGraph(printGraph(graph), { verify: false }), graph);
  });

  it('writes each operand with the sigil of what it names', () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1]));
    const sum = builder.add('add', [x, builder.constant('c', { type: f32([1]), data: allocate('f32', 1) })]);
    const graph = builder.finish([sum]);
    expect(printNode(graph.nodes[0]!, graph)).toBe('%0 = add(%x, @c) : f32[1]');
  });
});
