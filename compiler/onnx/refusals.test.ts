/** Bad models: each is refused with its own code, a message that names the culprit, and never with an error of ours. */
import { describe, expect, it } from '@jest/globals';
import type { OnnxModel } from '../../backends/onnx/model.ts';
import {
  float,
  node,
  ramp,
  realInput,
  smallModel,
  type SmallModel,
  values,
} from '../../fixtures/models/small-model.ts';
import { QcError } from '../../ir/index.ts';
import { createRandom } from '../data/random.ts';
import { encodeModel } from './encode.ts';
import { importOnnx, type ImportOptions } from './import.ts';

async function refusal(bytes: Uint8Array, options: ImportOptions = {}): Promise<string> {
  try {
    await importOnnx(bytes, options);
  } catch (error) {
    if (error instanceof QcError) return error.message.replace(/^error\[(.*?)\]/, '$1');
    throw error;
  }
  return 'accepted';
}

const conv = (w: string, attributes = {}): SmallModel['nodes'] => [node('Conv', ['x', w], 'y', attributes)];
const relu = [node('Relu', ['x'], 'y')];
const withInput = (...input: Parameters<typeof realInput>): SmallModel => ({
  inputs: [realInput(...input)],
  nodes: relu,
});

/** Name, model, and what the refusal says. */
const refusals: readonly (readonly [string, SmallModel, RegExp])[] = [
  [
    'an unknown operator',
    { nodes: [node('Mystery', ['x'], 'y')] },
    /^onnx\/unsupported-op: .*"Mystery_y": operator Mystery \(domain ai\.onnx, opset 17\)/,
  ],
  [
    'an operator of another domain',
    { nodes: [node('Relu', ['x'], 'y', {}, 'com.example')] },
    /^onnx\/unsupported-op: .*com\.example:Relu \(domain com\.example/,
  ],
  [
    'an operator with something near it',
    { nodes: [node('Elu', ['x'], 'y')] },
    /nearest supported form is LeakyRelu/,
  ],
  [
    'shape arithmetic on computed values',
    { nodes: [node('Sqrt', ['x'], 'y')] },
    /^onnx\/unsupported-op: .*Sqrt.* is not supported on values computed from the input/,
  ],
  [
    'an old version',
    { nodes: relu, opset: 6 },
    /^onnx\/unsupported-opset: .*version 6, the oldest supported is 7/,
  ],
  ['a zero extent', withInput('x', [1, 3, 0, 4]), /^onnx\/bad-shape: .*"x" has extent 0 on axis 2/],
  ['a negative extent', withInput('x', [1, 3, -4, 4]), /^onnx\/bad-shape: .*"x" has extent -4 on axis 2/],
  [
    'extents beyond memory',
    withInput('x', [65536, 65536, 65536, 65536]),
    /^onnx\/too-large: .*"x" of shape \[65536,/,
  ],
  [
    'an open dimension',
    withInput('x', ['N', 3, 'height', 4]),
    /^onnx\/dynamic-dim: .*"height" on axis 2[^]*--input-dim height=/,
  ],
  [
    'an open dimension without a name',
    withInput('x', [1, 3, undefined, 4]),
    /^onnx\/dynamic-dim: .*"x:2" on axis 2/,
  ],
  ['an input without a shape', withInput('x'), /^onnx\/unknown-shape: .*"x"/],
  ['an input of text', withInput('x', [1], 'int64'), /^onnx\/data-type: .*"x" is of data type int64/],
  [
    'a window that grows a value beyond memory',
    { nodes: conv('w', { pads: [60000, 60000, 60000, 60000] }), initializers: [ramp('w', [8, 3, 1, 1])] },
    /^onnx\/too-large: value "y" of shape \[1, 8, 120004, 120004\]/,
  ],
  [
    'a constant beyond memory',
    {
      nodes: [node('ConstantOfShape', ['s'], 'c'), node('Add', ['x', 'c'], 'y')],
      initializers: [values('s', [2], [65536, 65536], 'int64')],
    },
    /^onnx\/too-large: .*\[65536, 65536\]/,
  ],
  [
    'an initializer with a negative extent',
    { nodes: conv('w'), initializers: [values('w', [2, 3, -1, 1], [])] },
    /^onnx\/bad-shape: initializer "w" has shape \[2, 3, -1, 1\]/,
  ],
  [
    'an initializer beyond memory',
    { nodes: conv('w'), initializers: [values('w', [65536, 65536, 3, 3], [])] },
    /^onnx\/too-large: initializer "w"/,
  ],
  [
    'an initializer whose size is not its shape',
    { nodes: conv('w'), initializers: [values('w', [2, 3, 1, 1], [1, 2, 3])] },
    /^onnx\/tensor-size: initializer "w" has 3 elements.*needs 6/,
  ],
  [
    'raw bytes whose size is not the shape',
    {
      nodes: conv('w'),
      initializers: [
        { name: 'w', dataType: 1, dims: [2, 3, 1, 1], payload: { kind: 'raw', bytes: new Uint8Array(23) } },
      ],
    },
    /^onnx\/tensor-size: initializer "w" has 23 bytes.*needs 24/,
  ],
  [
    'an initializer of an unknown type',
    {
      nodes: conv('w'),
      initializers: [
        { name: 'w', dataType: 17, dims: [2, 3, 1, 1], payload: { kind: 'raw', bytes: new Uint8Array(6) } },
      ],
    },
    /^onnx\/data-type: initializer "w" is of data type 17/,
  ],
  [
    'weights that are no numbers',
    { nodes: conv('w'), initializers: [values('w', [1, 3, 1, 1], [NaN, 1, Infinity])] },
    /^onnx\/non-finite: initializer "w" holds 2 of 3 values/,
  ],
  [
    'a cycle',
    { nodes: [node('Add', ['x', 'b'], 'a'), node('Relu', ['a'], 'b'), node('Relu', ['x'], 'y')] },
    /^onnx\/cycle: 2 nodes wait for each other, "Add_a" among them/,
  ],
  [
    'a name defined by two nodes',
    { nodes: [node('Relu', ['x'], 'y'), node('Sigmoid', ['x'], 'y')] },
    /^onnx\/duplicate-name: "y" is defined twice.*"Relu_y"/,
  ],
  [
    'a name defined by input and node',
    { nodes: [node('Relu', ['x'], 'x')] },
    /^onnx\/duplicate-name: "x" is defined twice/,
  ],
  [
    'two initializers of one name',
    { nodes: conv('w'), initializers: [ramp('w', [1, 3, 1, 1]), ramp('w', [1, 3, 1, 1])] },
    /^onnx\/duplicate-name: .*two initializers named "w"/,
  ],
  [
    'an operand that nothing makes',
    { nodes: [node('Add', ['x', 'gone'], 'y')] },
    /^onnx\/dangling-input: input "gone" of Add/,
  ],
  [
    'an output that nothing makes',
    { nodes: relu, outputs: ['gone'] },
    /^onnx\/dangling-input: graph output "gone"/,
  ],
  ['no outputs', { nodes: relu, outputs: [] }, /^onnx\/no-outputs/],
  [
    'an operand that is left out',
    { nodes: [node('Add', ['x', ''], 'y')] },
    /^onnx\/missing-operand: .*operand 1/,
  ],
  [
    'an attribute that is not known',
    { nodes: [node('Relu', ['x'], 'y', { mystery: 1 })] },
    /^onnx\/bad-attribute: .*no attribute "mystery"/,
  ],
  [
    'an attribute of the wrong kind',
    { nodes: conv('w', { group: 'two' }), initializers: [ramp('w', [1, 3, 1, 1])] },
    /^onnx\/bad-attribute: .*"group" of Conv is of kind string, expected int/,
  ],
  [
    'a shape that is computed',
    { nodes: [node('Cast', ['x'], 's', { to: 1 }), node('Reshape', ['x', 's'], 'y')] },
    /^onnx\/dynamic-value: .*shape of Reshape \("s"\)/,
  ],
  [
    'a reshape that does not fit',
    { nodes: [node('Reshape', ['x', 's'], 'y')], initializers: [values('s', [2], [5, -1], 'int64')] },
    /^onnx\/bad-shape: .*\[1, 3, 4, 4\] cannot become \[5, -1\]/,
  ],
  [
    'channels that do not agree',
    { nodes: conv('w'), initializers: [ramp('w', [1, 5, 1, 1])] },
    /^verify\/weight-shape: .*5 channels[^]*ONNX node "Conv_y"/,
  ],
  [
    'a volume',
    { ...withInput('x', [1, 3, 4, 4, 4]), nodes: conv('w'), initializers: [ramp('w', [1, 3, 1, 1, 1])] },
    /^onnx\/unsupported-form: .*Conv \(opset 17\) with an input of 5 axes/,
  ],
  [
    'negative pads of a window',
    { nodes: conv('w', { pads: [-1, 0, 0, 0] }), initializers: [ramp('w', [1, 3, 1, 1])] },
    /^onnx\/unsupported-form: .*pads \[-1, 0, 0, 0\]/,
  ],
  [
    'a border that is no constant',
    {
      nodes: [node('Pad', ['x', 'p'], 'y', { mode: 'reflect' })],
      initializers: [values('p', [8], [0, 0, 1, 1, 0, 0, 1, 1], 'int64')],
    },
    /^onnx\/unsupported-form: .*mode "reflect"/,
  ],
  [
    'the indices of a pool',
    {
      nodes: [
        node('MaxPool', ['x'], ['p', 'i'], { kernel_shape: [2, 2] }),
        node('Cast', ['i'], 'y', { to: 1 }),
      ],
    },
    /^onnx\/unsupported-form: .*"i" is the indices/,
  ],
  [
    'a batch norm in training',
    {
      nodes: [node('BatchNormalization', ['x', 'v', 'v', 'v', 'v'], 'y', { training_mode: 1 })],
      initializers: [ramp('v', [3])],
    },
    /^onnx\/unsupported-form: .*training_mode = 1/,
  ],
  [
    'a product of two computed matrices',
    {
      inputs: [realInput('x', [1, 4, 4])],
      nodes: [node('MatMul', ['x', 'x'], 'y')],
    },
    /^onnx\/unsupported-form: .*right side of 3 axes/,
  ],
  [
    'a scale that is not positive',
    {
      nodes: [node('QuantizeLinear', ['x', 's'], 'q'), node('DequantizeLinear', ['q', 's'], 'y')],
      initializers: [values('s', [], [0])],
    },
    /^onnx\/bad-scale: .*"s" holds 0/,
  ],
  [
    'a scale other than the one before',
    {
      nodes: [node('QuantizeLinear', ['x', 's'], 'q'), node('DequantizeLinear', ['q', 't'], 'y')],
      initializers: [values('s', [], [0.5]), values('t', [], [0.25])],
    },
    /^onnx\/unsupported-form: .*q<u8, scale = 0\.5>/,
  ],
  [
    'scales in blocks',
    {
      nodes: [node('DequantizeLinear', ['w', 's'], 'd', { block_size: 2 }), node('Conv', ['x', 'd'], 'y')],
      initializers: [values('w', [1, 3, 1, 1], [1, 2, 3], 'int8'), values('s', [], [0.5])],
      opset: 21,
    },
    /^onnx\/unsupported-form: .*block_size 2/,
  ],
  [
    'a function that calls itself',
    { nodes: [node('Loop', ['x'], 'y', {}, 'own')] },
    /^onnx\/cycle: function "Loop" calls itself/,
  ],
];

function modelOf(small: SmallModel): OnnxModel {
  const model = smallModel(small);
  const body = {
    name: 'Loop',
    domain: 'own',
    inputs: ['a'],
    outputs: ['b'],
    nodes: [node('Loop', ['a'], 'b', {}, 'own')],
  };
  return { ...model, functions: [body] };
}

describe('a bad model', () => {
  it.each(refusals)('with %s', async (_, small, message) => {
    expect(await refusal(encodeModel(modelOf(small)))).toMatch(message);
  });

  it('without a graph', async () => {
    // irVersion = 8 and nothing else.
    expect(await refusal(Uint8Array.of(0x08, 8))).toMatch(/^onnx\/no-graph/);
    expect(await refusal(new Uint8Array())).toMatch(/^onnx\/not-a-model/);
  });

  it('with a subgraph, a sparse tensor or a sequence', async () => {
    // Encoded by hand: the encoder never writes these.
    const field = (number: number, bytes: readonly number[]): number[] => [
      (number << 3) | 2,
      bytes.length,
      ...bytes,
    ];
    const text = (number: number, value: string): number[] =>
      field(number, [...new TextEncoder().encode(value)]);
    const wrap = (graph: readonly number[]): Uint8Array =>
      Uint8Array.from([0x08, 8, ...field(8, [0x10, 17]), ...field(7, graph)]);
    const output = field(12, text(1, 'y'));
    const type = field(2, field(1, [0x08, 1, ...field(2, field(1, [0x08, 4]))]));
    const input = field(11, [...text(1, 'x'), ...type]);
    const relu = field(1, [...text(1, 'x'), ...text(2, 'y'), ...text(4, 'Relu')]);

    const graphAttribute = field(5, [...text(1, 'body'), ...field(6, []), 0xa0, 1, 5]);
    const loop = field(1, [...text(1, 'x'), ...text(2, 'y'), ...text(4, 'Relu'), ...graphAttribute]);
    expect(await refusal(wrap([...loop, ...input, ...output]))).toMatch(/^onnx\/subgraph: .*"body" of Relu/);

    const sequence = field(11, [...text(1, 'x'), ...field(2, field(4, []))]);
    expect(await refusal(wrap([...relu, ...sequence, ...output]))).toMatch(
      /^onnx\/non-tensor: .*"x" is sequence/,
    );

    const sparse = field(15, field(1, text(8, 'x')));
    expect(await refusal(wrap([...relu, ...sparse, ...output]))).toMatch(
      /^onnx\/sparse: .*"x" is a sparse tensor/,
    );
  });

  it('whose given dimension is not there', async () => {
    const bytes = encodeModel(smallModel(withInput('x', ['N', 3, 'H', 4])));
    expect(await refusal(bytes, { inputDims: { H: 4, W: 4 } })).toMatch(
      /^onnx\/input-dim: .*"W"[^]*open dimensions: "N", "H"/,
    );
    expect(await refusal(bytes, { inputDims: { H: 0 } })).toMatch(/^onnx\/bad-shape: .*\[1, 3, 0, 4\]/);
    expect(await refusal(bytes, { inputDims: { H: 4, N: 2 } })).toBe('accepted');
  });
});

describe('bytes', () => {
  const sound = encodeModel(
    smallModel({
      nodes: [
        node('Conv', ['x', 'w', 'b'], 'c', { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }),
        node('LeakyRelu', ['c'], 'r', { alpha: float(0.1) }),
        node('MaxPool', ['r'], 'p', { kernel_shape: [2, 2], strides: [2, 2] }),
        node('Shape', ['p'], 's'),
        node('Gather', ['s', 'zero'], 'n', { axis: 0 }),
        node('Concat', ['n', 'rest'], 'to', { axis: 0 }),
        node('Reshape', ['p', 'to'], 'f'),
        node('Gemm', ['f', 'd'], 'y', { transB: 1 }),
      ],
      initializers: [
        ramp('w', [2, 3, 3, 3]),
        ramp('b', [2]),
        ramp('d', [4, 8]),
        values('zero', [1], [0], 'int64'),
        values('rest', [1], [-1], 'int64'),
      ],
    }),
  );

  it('are accepted whole and never crash the reader when cut short', async () => {
    expect(await refusal(sound)).toBe('accepted');
    for (let length = 0; length < sound.length; length++) {
      expect(await refusal(sound.subarray(0, length))).toMatch(/^(onnx|verify)\/|^accepted$/);
    }
    expect(await refusal(sound.subarray(0, sound.length >> 1))).toMatch(/^onnx\/not-a-model/);
  });

  it('at random are not a model', async () => {
    const random = createRandom(1);
    for (let round = 0; round < 500; round++) {
      const bytes = Uint8Array.from({ length: 1 + random.below(200) }, () => random.below(256));
      expect(await refusal(bytes)).toMatch(/^onnx\//);
    }
  });

  it('with a few wrong ones are refused or read, and nothing worse', async () => {
    const random = createRandom(2);
    for (let round = 0; round < 3000; round++) {
      const bytes = sound.slice();
      for (let i = 0; i <= random.below(4); i++) bytes[random.below(bytes.length)] = random.below(256);
      expect(await refusal(bytes)).toMatch(/^(onnx|verify)\/|^accepted$/);
    }
  });
});
