import { describe, expect, it } from '@jest/globals';
import { f32, GraphBuilder, perTensor, plain, QcError, tensor, verify } from './index.ts';

describe('GraphBuilder', () => {
  it('keeps names unique over inputs, constants and results', () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1]));
    const names = [
      builder.constant('x', tensor(f32([1]), [1])),
      builder.constant('x', tensor(f32([1]), [2])),
      builder.add('relu', [x], {}, { name: 'x' }),
      builder.add('relu', [x]),
      builder.constant('1', tensor(f32([1]), [3])),
      builder.add('relu', [x]),
      builder.add('relu', [x], {}, { name: '0' }),
      builder.unique('fresh'),
    ];
    expect(names).toEqual(['x.1', 'x.2', 'x.3', '0', '1', '2', '0.1', 'fresh']);
    expect(verify(builder.finish(['2']))).toEqual([]);
    expect(builder.constantOf('x.2')!.data[0]).toBe(2);
    expect([builder.constantOf('x'), builder.has('x'), builder.has('y')]).toEqual([undefined, true, false]);
  });

  it('infers types and fills in attributes', () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([1, 2, 5, 5]), { observed: [0, 1] });
    const w = builder.constant('w', tensor(f32([3, 2, 3, 3]), new Float32Array(54)));
    const y = builder.add(
      'conv2d',
      [x, w],
      { strides: [2, 2] },
      { location: { kind: 'onnx', node: 'Conv_0' }, notes: { weight_bits: 4 } },
    );
    expect(builder.finish([y])).toMatchObject({
      inputs: [{ name: 'x', notes: { observed: [0, 1] } }],
      nodes: [
        {
          attributes: { strides: [2, 2], pads: [0, 0, 0, 0], dilations: [1, 1], groups: 1 },
          result: { name: '0', type: f32([1, 3, 2, 2]), notes: { weight_bits: 4 } },
          location: { kind: 'onnx', node: 'Conv_0' },
        },
      ],
    });
  });

  it('takes the element of a result where the op leaves it free, and only there', () => {
    const builder = new GraphBuilder('main');
    const q = builder.input('q', { element: perTensor('u8', 0.5), shape: [2, 3] });
    const w = builder.constant('w', tensor({ element: perTensor('i8', 0.5), shape: [1, 3] }, [1, 2, 3]));
    const declared = builder.add('dense', [q, w], {}, { element: perTensor('i32', 0.25) });
    expect(builder.typeOf(declared)).toEqual({ element: perTensor('i32', 0.25), shape: [2, 1] });
    expect(builder.typeOf(builder.add('dense', [q, w]))).toEqual(plain('i32', [2, 1]));
    expect(
      builder.typeOf(builder.add('reshape', [q], { shape: [6] }, { element: perTensor('i8', 9) })).element,
    ).toEqual(perTensor('u8', 0.5));
    expect(() => builder.add('dense', [q, w], {}, { element: perTensor('i16', 1) })).toThrow(
      'an accumulator is i32',
    );
    expect(() => builder.add('requantize', [q, q, q])).toThrow('needs a declared result type');
  });

  it('refuses a node that breaks a law, naming it and its place', () => {
    const builder = new GraphBuilder('main');
    const x = builder.input('x', f32([2, 3]));
    const attempt = (): string =>
      builder.add(
        'reshape',
        [x],
        { shape: [7] },
        { name: 'flat', location: { kind: 'onnx', node: 'Reshape_3' } },
      );
    expect(attempt).toThrow(QcError);
    expect(attempt).toThrow(
      'error[verify/reshape-count]: %flat = reshape: [2, 3] cannot become [7]\n  at ONNX node "Reshape_3"',
    );
    expect(() => builder.add('relu', [])).toThrow('verify/operand-count');
    expect(() => builder.add('relu', ['nowhere'])).toThrow('no value named nowhere');
    expect(() => builder.add('no_such_op', [x])).toThrow('unknown op no_such_op');
    expect(() => builder.addInput({ name: 'x', type: f32([1]) })).toThrow('input x is already defined');
    // What was refused took no name.
    expect(builder.add('relu', [x], {}, { name: 'flat' })).toBe('flat');
    const [node] = builder.finish(['flat']).nodes;
    expect(() => builder.addNode(node!)).toThrow('%flat is already defined');
  });
});
