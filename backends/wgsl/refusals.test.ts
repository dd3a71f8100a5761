import { describe, expect, it } from '@jest/globals';
import { f32, GraphBuilder, perTensor, plain, QcError, tensor } from '../../ir/index.ts';
import { planProgram } from './index.ts';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof QcError) return error.diagnostics[0]!.code;
    throw error;
  }
  return 'no error';
}

const u8 = perTensor('u8', 0.1);

describe('programs that this target refuses', () => {
  it('wgsl/constant-operand: weights that are computed', () => {
    const b = new GraphBuilder('m');
    const x = b.add('quantize', [b.input('x', f32([1, 2]))], {}, { element: u8 });
    const w = b.add('quantize', [b.input('w', f32([3, 2]))], {}, { element: perTensor('i8', 0.1) });
    const y = b.add('dequantize', [b.add('dense', [x, w], {}, { element: perTensor('i32', 0.01) })]);
    expect(codeOf(() => planProgram(b.finish([y])))).toBe('wgsl/constant-operand');
  });

  it('wgsl/boundary: f32 that is quantized again after the integers', () => {
    const b = new GraphBuilder('m');
    const x = b.add('quantize', [b.input('x', f32([1, 2]))], {}, { element: u8 });
    const real = b.add('softmax', [b.add('dequantize', [x])], { axis: 1 });
    const again = b.add('dequantize', [b.add('quantize', [real], {}, { element: u8 })]);
    expect(codeOf(() => planProgram(b.finish([again])))).toBe('wgsl/boundary');
  });

  it('wgsl/real-inside: f32 that is moved', () => {
    const b = new GraphBuilder('m');
    const turned = b.add('transpose', [b.input('x', f32([2, 3]))], { perm: [1, 0] });
    expect(codeOf(() => planProgram(b.finish([turned])))).toMatch(/^wgsl\/(real-inside|boundary)$/);
  });

  it('wgsl/too-many-buffers: a concatenation of more parts than can be bound', () => {
    const b = new GraphBuilder('m');
    const parts = Array.from({ length: 9 }, (_, i) =>
      b.add('quantize', [b.input(`x${i}`, f32([1, 2]))], {}, { element: u8 }),
    );
    const y = b.add('dequantize', [b.add('concat', parts, { axis: 1 })]);
    expect(codeOf(() => planProgram(b.finish([y])))).toBe('wgsl/too-many-buffers');
  });

  it('wgsl/too-large: a tensor larger than a binding', () => {
    const b = new GraphBuilder('m');
    const x = b.add('quantize', [b.input('x', f32([1, 256, 1024, 1024]))], {}, { element: u8 });
    const table = b.constant('t', tensor(plain('u8', [256]), new Uint8Array(256)));
    const y = b.add('dequantize', [b.add('lookup', [x, table], {}, { element: u8 })]);
    expect(codeOf(() => planProgram(b.finish([y])))).toBe('wgsl/too-large');
  });
});
