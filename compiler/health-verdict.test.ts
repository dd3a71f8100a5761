import { describe, expect, it } from '@jest/globals';
import type { HealthSummary } from '../runtime/manifest.ts';
import { CollapseError, defaultLeastAgreement, judgeHealth, type VerdictOptions } from './health-verdict.ts';

const layer = (name: string, ratio: number | null): HealthSummary['layers'][number] => ({
  name,
  sqnr_db: ratio,
  weights_at_limit: 1,
  dead_channels: 0,
  dead_in_float: 0,
});

const health = (agreement: number, samples = 64): HealthSummary => ({
  samples,
  agreement,
  sqnr_db: 3,
  layers: [layer('stem', 20), layer('b c', -2), layer("it's", 5), layer('fc', 1), layer('equal', null)],
  activations: [],
});

const options: VerdictOptions = {
  outputShape: [1, 1000],
  layers: ['stem', 'b c', "it's", 'fc', 'equal'].map((name) => ({
    name,
    op: 'conv2d',
    weight_bits: name === 'fc' ? 8 : 2,
    activation_bits: name === 'fc' ? 8 : 4,
  })),
  generated: false,
};

function collapse(given: HealthSummary, more: Partial<VerdictOptions> = {}): CollapseError {
  try {
    judgeHealth(given, { ...options, ...more });
  } catch (error) {
    if (error instanceof CollapseError) return error;
    throw error;
  }
  throw new Error('no collapse');
}

describe('the verdict', () => {
  it('on a collapse names the weakest layers and what to do, ready to paste', () => {
    const { diagnostics, health: measured } = collapse(health(20));
    expect(measured.agreement).toBe(20);
    expect(diagnostics).toEqual([
      {
        code: 'compile/collapse',
        severity: 'error',
        message:
          'the quantized model agrees with the float one on 20 % of 64 calibration inputs, surely below the 50 % of --min-agreement; nothing is written',
        notes: ["weakest layers: b c (w2a4, -2.0 dB), fc (w8a8, 1.0 dB), it's (w2a4, 5.0 dB)"],
        help: `try --bits 8; or --round gptq; or more bits where it is worst: --layer-bits '"b c","it'\\''s"=w8a8'; or calibration data like that of later use, with the right --preprocess; --min-agreement 0 writes it all the same`,
      },
    ]);
    const { help } = collapse(health(20), { round: 'gptq', layerBits: '*=w2a4' }).diagnostics[0]!;
    expect(help).not.toContain('gptq');
    expect(help).toContain("=w8a8; *=w2a4'");
  });

  it.each([
    [4, 16, true],
    [5, 16, false],
    [24, 64, true],
    [25, 64, false],
    [0, 4, true],
    [0, 3, false],
  ])('%d of %d is a collapse: %s', (agreeing, samples, expected) => {
    const judge = (): unknown => judgeHealth(health((100 * agreeing) / samples, samples), options);
    if (expected) expect(judge).toThrow(CollapseError);
    else expect(judge).not.toThrow();
  });

  it('asks more of few classes', () => {
    expect([2, 10, 1000].map(defaultLeastAgreement)).toEqual([75, 55, 50.05]);
    expect(judgeHealth(health(55), options)?.code).toBe('compile/health');
    expect(collapse(health(55), { outputShape: [1, 2] })).toBeInstanceOf(CollapseError);
  });

  it('takes a bound of the user, and 0 for anything', () => {
    expect(collapse(health(90, 256), { minAgreement: 95 }).message).toContain('95 %');
    expect(judgeHealth(health(80), { ...options, minAgreement: 10 })).toBeUndefined();
    expect(judgeHealth(health(0), { ...options, minAgreement: 0 })).toMatchObject({
      code: 'compile/collapse',
      severity: 'warning',
    });
  });

  it('on drawn inputs is a warning', () => {
    expect(judgeHealth(health(0), { ...options, generated: true })).toMatchObject({
      code: 'compile/collapse',
      severity: 'warning',
      message: 'the quantized model agrees with the float one on 0 % of 64 drawn inputs',
    });
  });

  it('judges an output that lists no classes by its noise', () => {
    const map = { ...options, outputShape: [1, 64, 7, 7] };
    expect(judgeHealth(health(0), map)).toBeUndefined();
    expect(() => judgeHealth({ ...health(0), sqnr_db: -1 }, map)).toThrow('more noise than signal');
    expect(() => judgeHealth(health(0), { ...options, outputShape: [1, 10, 1, 1] })).toThrow(CollapseError);
  });

  it('is silent on a healthy program, and on a few samples', () => {
    expect(judgeHealth(health(75), options)).toBeUndefined();
    expect(judgeHealth(health(50, 6), options)).toBeUndefined();
  });
});
