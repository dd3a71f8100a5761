/** What an import keeps (names, locations, order) and what it makes disappear (shape arithmetic, aliases, functions). */
import { describe, expect, it } from '@jest/globals';
import type { OnnxModel } from '../../backends/onnx/model.ts';
import { float, node, ramp, realInput, smallModel, values } from '../../fixtures/models/small-model.ts';
import { formatType, type Graph, interpret, tensor } from '../../ir/index.ts';
import { decodeModel } from './decode.ts';
import { encodeModel } from './encode.ts';
import { importModel, importOnnx } from './import.ts';

async function graphOf(model: OnnxModel): Promise<Graph> {
  return (await importOnnx(encodeModel(model))).graph;
}

/** `result = op(operands)` a line. */
function outline(graph: Graph): string[] {
  return graph.nodes.map(({ op, operands, result }) => `${result.name} = ${op}(${operands.join(', ')})`);
}

describe('bytes', () => {
  it('read back what was written', () => {
    const model = smallModel({
      inputs: [realInput('x', ['N', 3, undefined, 4]), realInput('u')],
      initializers: [
        values('h', [2], [1, -2], 'int64'),
        values('d', [1], [0.1], 'double'),
        ramp('w', [2, 2]),
      ],
      nodes: [
        node('Any', ['x', '', 'u'], ['y', ''], {
          i: -3,
          s: 'text',
          is: [1, -2],
          f: float(0.1),
          fs: { kind: 'floats', value: [0.5, 1] },
          ss: { kind: 'strings', value: ['a', ''] },
          t: { kind: 'tensor', value: values('t', [], [2.5]) },
          r: { kind: 'reference', to: 'outer' },
        }),
      ],
    });
    const read = decodeModel(encodeModel(model));
    const plain = (value: OnnxModel): unknown =>
      JSON.parse(JSON.stringify({ ...value, opsets: [...value.opsets] }));
    expect(plain(read)).toEqual(plain(model));
  });
});

describe('importOnnx', () => {
  it('keeps names and says where nodes come from', async () => {
    const graph = await graphOf(
      smallModel({
        nodes: [node('Conv', ['x', 'w'], 'c', { strides: [2, 2] }), node('Relu', ['c'], 'y')],
        initializers: [ramp('w', [2, 3, 1, 1])],
      }),
    );
    expect(outline(graph)).toEqual(['c = conv2d(x, w)', 'y = relu(c)']);
    expect(graph.nodes[0]!.location).toEqual({ kind: 'onnx', node: 'Conv_c' });
    expect(graph.outputs).toEqual(['y']);
  });

  it('keeps names that no language would allow', async () => {
    const names = ['a "quoted"', "it's", 'new\nline', '*/ end', '\\', '$(x)', '<script>', 'ünï'] as const;
    const nodes = names.map((name, i) => node('Relu', [i === 0 ? 'x' : names[i - 1]!], name));
    const graph = await graphOf(smallModel({ nodes }));
    expect(graph.nodes.map(({ result }) => result.name)).toEqual(names);
  });

  it('sorts nodes that the file does not, and leaves out what no output needs', async () => {
    const nodes = [
      node('Relu', ['b'], 'y'),
      node('Mystery', ['x'], 'unused'),
      node('Sigmoid', ['a'], 'b'),
      node('Relu', ['x'], 'a'),
    ];
    const graph = await graphOf(smallModel({ nodes, outputs: ['y'] }));
    expect(outline(graph)).toEqual(['a = relu(x)', 'b = sigmoid(a)', 'y = relu(b)']);
  });

  it('follows aliases and keeps the names of outputs', async () => {
    const nodes = [
      node('Identity', ['w'], 'w2'),
      node('Conv', ['x', 'w2'], 'c'),
      node('Dropout', ['c'], ['d', 'mask']),
      node('Cast', ['d'], 'e', { to: 10 }),
      node('Identity', ['e'], 'logits'),
    ];
    const graph = await graphOf(smallModel({ nodes, initializers: [ramp('w', [1, 3, 1, 1])] }));
    expect(outline(graph)).toEqual(['logits = conv2d(x, w)']);
  });

  it('makes an open batch 1 and folds the shape idiom away', async () => {
    const nodes = [
      node('Shape', ['x'], 's'),
      node('Constant', [], 'zero', { value_int: 0 }),
      node('Gather', ['s', 'zero'], 'n', { axis: 0 }),
      node('Unsqueeze', ['n', 'axes'], 'n1'),
      node('Concat', ['n1', 'rest'], 'to', { axis: 0 }),
      node('Reshape', ['x', 'to'], 'y'),
    ];
    const model = smallModel({
      inputs: [realInput('x', ['N', 3, 4, 4])],
      initializers: [values('axes', [1], [0], 'int64'), values('rest', [1], [-1], 'int64')],
      nodes,
    });
    const one = await graphOf(model);
    expect(outline(one)).toEqual(['y = reshape(x)']);
    expect(formatType(one.nodes[0]!.result.type)).toBe('f32[1, 48]');
    expect(one.constants.size).toBe(0);
    const { graph: five } = await importModel(model, { inputDims: { N: 5 } });
    expect(formatType(five.nodes[0]!.result.type)).toBe('f32[5, 48]');
  });

  it('writes functions of the model out', async () => {
    const model = smallModel({
      nodes: [node('Block', ['x'], 'y', { slope: float(0.25) }, 'own')],
    });
    const graph = await graphOf({
      ...model,
      functions: [
        {
          name: 'Block',
          domain: 'own',
          inputs: ['a'],
          outputs: ['b'],
          nodes: [
            node('LeakyRelu', ['a'], 't', { alpha: { kind: 'reference', to: 'slope' } }),
            node('Relu', ['t'], 'b'),
          ],
        },
      ],
    });
    expect(outline(graph)).toEqual(['Block_y/t = leaky_relu(x)', 'y = relu(Block_y/t)']);
    expect(graph.nodes[0]!.attributes['alpha']).toBe(0.25);
  });

  it('turns the weights of matrix products output channels first, under their own name', async () => {
    const graph = await graphOf(
      smallModel({
        inputs: [realInput('x', [1, 2, 3])],
        nodes: [
          node('MatMul', ['x', 'w'], 'm'),
          node('Flatten', ['m'], 'f'),
          node('Gemm', ['f', 'v', 'c'], 'y', { alpha: float(2), beta: float(0.5) }),
        ],
        initializers: [ramp('w', [3, 4]), ramp('v', [8, 2]), values('c', [1], [3])],
      }),
    );
    expect(outline(graph)).toEqual([
      'm/rows = reshape(x)',
      'm/product = dense(m/rows, w)',
      'm = reshape(m/product)',
      'f = reshape(m)',
      'y = dense(f, v, c)',
    ]);
    expect([...graph.constants.get('w')!.data].slice(0, 3)).toEqual([0, 0.5, 1]);
    expect([...graph.constants.get('v')!.data].slice(0, 3)).toEqual([0, 0.5, 1]);
    expect([...graph.constants.get('c')!.data]).toEqual([1.5, 1.5]);
  });

  it('spells windows out: ceil_mode and counted padding', async () => {
    const graph = await graphOf(
      smallModel({
        inputs: [realInput('x', [1, 1, 6, 6])],
        nodes: [
          node('MaxPool', ['x'], 'm', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
          node('AveragePool', ['m'], 'a', {
            kernel_shape: [2, 2],
            pads: [1, 1, 0, 0],
            count_include_pad: 1,
          }),
          node('MaxPool', ['a'], 'y', { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER' }),
        ],
      }),
    );
    expect(outline(graph)).toEqual([
      'm = max_pool2d(x)',
      'a/pad = pad(m)',
      'a = average_pool2d(a/pad)',
      'y = max_pool2d(a)',
    ]);
    expect(graph.nodes[0]!.attributes['pads']).toEqual([0, 0, 1, 1]);
    expect(graph.nodes[2]!.attributes['pads']).toEqual([0, 0, 0, 0]);
    expect(graph.nodes[3]!.attributes['pads']).toEqual([0, 0, 1, 1]);
  });

  it('reads an image of integers as the same real numbers', async () => {
    const model = smallModel({
      inputs: [realInput('x', [1, 3, 4, 4], 'uint8')],
      nodes: [node('Cast', ['x'], 'f', { to: 1 }), node('Relu', ['f'], 'y')],
    });
    const { graph, level, warnings } = await importOnnx(encodeModel(model));
    expect(level).toBe('float');
    expect(formatType(graph.inputs[0]!.type)).toBe('f32[1, 3, 4, 4]');
    expect(warnings.map(({ code }) => code)).toEqual(['onnx/integer-input']);
  });

  it('reports where the file came from and what is in it', async () => {
    const model = smallModel({ nodes: [node('Relu', ['x'], 'a'), node('Relu', ['a'], 'y')], opset: 99 });
    const { opset, producer, operators, warnings } = await importOnnx(encodeModel(model));
    expect([opset, producer, [...operators]]).toEqual([99, 'test 1', [['Relu', 2]]]);
    expect(warnings.map(({ code }) => code)).toEqual(['onnx/newer-opset']);
  });
});

describe('a quantized model', () => {
  const scale = (name: string, ...list: number[]): ReturnType<typeof values> =>
    values(name, list.length === 1 ? [] : [list.length], list);

  it('imports into the quantized level, its weights as signed integers', async () => {
    const model = smallModel({
      nodes: [
        node('QuantizeLinear', ['x', 'sx', 'zx'], 'q'),
        node('DequantizeLinear', ['q', 'sx', 'zx'], 'd'),
        node('DequantizeLinear', ['w', 'sw', 'zw'], 'wd', { axis: 0 }),
        node('DequantizeLinear', ['b', 'sb'], 'bd', { axis: 0 }),
        node('Conv', ['d', 'wd', 'bd'], 'y'),
      ],
      initializers: [
        scale('sx', 0.5),
        values('zx', [], [3], 'uint8'),
        values('w', [2, 3, 1, 1], [128, 129, 127, 255, 0, 130], 'uint8'),
        scale('sw', 0.25, 0.5),
        values('zw', [2], [128, 128], 'uint8'),
        values('b', [2], [8, -4], 'int32'),
        scale('sb', 0.125, 0.25),
      ],
    });
    const { graph, level } = await importOnnx(encodeModel(model));
    expect(level).toBe('quantized');
    expect(outline(graph)).toEqual([
      'q = quantize(x)',
      'd = dequantize(q)',
      'w = dequantize(w.integer)',
      'y = conv2d(d, w, b)',
    ]);
    expect(formatType(graph.nodes[0]!.result.type)).toBe('q<u8, scale = 0.5, zero_point = 3>[1, 3, 4, 4]');
    expect(formatType(graph.constants.get('w.integer')!.type)).toBe(
      'q<i8, scale = @w.scale, axis = 0>[2, 3, 1, 1]',
    );
    expect([...graph.constants.get('w.integer')!.data]).toEqual([0, 1, -1, 127, -128, 2]);
    expect([...graph.constants.get('b')!.data]).toEqual([1, -1]);
  });

  it('keeps integers integers through ops that only move them', async () => {
    const model = smallModel({
      inputs: [realInput('x', [1, 1, 2, 2])],
      nodes: [
        node('QuantizeLinear', ['x', 's', 'z'], 'q'),
        node('Transpose', ['q'], 't', { perm: [0, 1, 3, 2] }),
        node('DequantizeLinear', ['t', 's', 'z'], 'y'),
      ],
      initializers: [scale('s', 0.5), values('z', [], [-1], 'int8')],
    });
    const graph = await graphOf(model);
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      'quantize',
      'dequantize',
      'transpose',
      'quantize',
      'dequantize',
    ]);
    const [y] = interpret(graph, [tensor(graph.inputs[0]!.type, [0.2, 0.8, -99, 1])]);
    expect([...y!.data]).toEqual([0, -63.5, 1, 1]);
  });

  it('takes a whole product of integers when the weights are turned', async () => {
    const graph = await graphOf(
      smallModel({
        inputs: [realInput('x', [1, 3])],
        nodes: [node('DequantizeLinear', ['w', 's'], 'd', { axis: 1 }), node('MatMul', ['x', 'd'], 'y')],
        initializers: [values('w', [3, 2], [1, 2, 3, 4, 5, 6], 'int8'), scale('s', 0.5, 2)],
      }),
    );
    expect(outline(graph)).toEqual(['w = dequantize(w.integer)', 'y = dense(x, w)']);
    expect(formatType(graph.constants.get('w.integer')!.type)).toBe(
      'q<i8, scale = @w.scale, axis = 0>[2, 3]',
    );
    expect([...graph.constants.get('w.integer')!.data]).toEqual([1, 3, 5, 2, 4, 6]);
  });

  it('reads weights with zero points along their axis as real numbers, and says so', async () => {
    const model = smallModel({
      nodes: [node('DequantizeLinear', ['w', 's', 'z'], 'd', { axis: 0 }), node('Conv', ['x', 'd'], 'y')],
      initializers: [
        values('w', [2, 3, 1, 1], [1, 2, 3, 4, 5, 6], 'int8'),
        scale('s', 0.5, 2),
        values('z', [2], [1, -1], 'int8'),
      ],
    });
    const { graph, level, warnings } = await importOnnx(encodeModel(model));
    expect(level).toBe('float');
    expect([...graph.constants.get('w')!.data]).toEqual([0, 0.5, 1, 10, 12, 14]);
    expect(warnings.map(({ code }) => code)).toEqual(['onnx/asymmetric-weights']);
  });
});
