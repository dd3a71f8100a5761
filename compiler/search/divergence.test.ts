import { describe, expect, it } from '@jest/globals';
import { f32, GraphBuilder, tensor } from '../../ir/index.ts';
import { divergenceOf, logitsOf } from './divergence.ts';

describe('divergence', () => {
  it('is counted sample by sample, also of batches', () => {
    const type = f32([2, 2]);
    const reference = tensor(type, [0, 0, 0, 1]);
    const found = tensor(type, [0, Math.log(3), 0, 1]);
    const { kl, agreement, sqnr_db } = divergenceOf([reference], [found]);
    expect(kl).toBeCloseTo((0.5 * Math.log(2) + 0.5 * Math.log(2 / 3)) / 2, 7);
    // The first sample ties in the reference: the class with the smaller index counts.
    expect(agreement).toBe(50);
    expect(sqnr_db).toBeCloseTo(10 * Math.log10(1 / Math.log(3) ** 2), 5);
  });

  it('of equal outputs is none', () => {
    const same = tensor(f32([1, 2]), [1, 2]);
    expect(divergenceOf([same], [same])).toEqual({ kl: 0, agreement: 100, sqnr_db: null });
  });
});

describe('logitsOf', () => {
  it('looks behind a softmax, and behind what only moves its result', () => {
    const builder = new GraphBuilder('net');
    const x = builder.input('x', f32([1, 4]));
    const sum = builder.add('add', [x, x], {}, { name: 'logits' });
    const share = builder.add('softmax', [sum], { axis: 1 });
    const shaped = builder.add('reshape', [share], { shape: [4, 1] });
    expect(logitsOf(builder.finish([shaped]))).toBe('logits');
    expect(logitsOf(builder.finish([sum]))).toBe('logits');
    expect(logitsOf(builder.finish([x]))).toBe('x');
  });
});
