import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type AttributeValue, formatLocation, QcError } from '../../ir/index.ts';
import { parsePipeline, type PipelineStep, printPipeline } from './index.ts';

function findings(text: string): string[] {
  try {
    parsePipeline(text);
    return [];
  } catch (error) {
    if (error instanceof QcError)
      return error.diagnostics.map(({ code, location }) => `${code} ${formatLocation(location!)}`);
    throw error;
  }
}

const word = fc
  .stringMatching(/^[a-z_][a-z0-9_]{0,6}(?:[-.][a-z0-9]{1,3})?$/)
  .filter((text) => text !== 'repeat' && text !== 'inf');
const number = fc.oneof(fc.maxSafeInteger(), fc.float({ noNaN: true }), fc.constant(-0));
const value: fc.Arbitrary<AttributeValue> = fc.oneof(
  number,
  fc.boolean(),
  word,
  fc.string({ unit: 'binary' }),
  fc.constantFrom('true', 'inf', 'repeat', '1', ''),
  fc.array(number, { maxLength: 3 }),
);
const { pipeline } = fc.letrec<{ pipeline: PipelineStep[]; step: PipelineStep }>((tie) => ({
  step: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({
      kind: fc.constant('pass' as const),
      name: word,
      options: fc.dictionary(word, value, { maxKeys: 3, noNullPrototype: true }),
    }),
    fc.record({ kind: fc.constant('repeat' as const), body: tie('pipeline') }),
  ),
  pipeline: fc.array(tie('step'), { maxLength: 4 }),
}));

describe('parsePipeline', () => {
  it('reads passes, options and repetition', () => {
    expect(
      parsePipeline(
        'fold-batchnorm, calibrate{method=mse, bins = 2048}, repeat(fold-constants,eliminate-dead)',
      ),
    ).toEqual([
      { kind: 'pass', name: 'fold-batchnorm', options: {} },
      { kind: 'pass', name: 'calibrate', options: { method: 'mse', bins: 2048 } },
      {
        kind: 'repeat',
        body: [
          { kind: 'pass', name: 'fold-constants', options: {} },
          { kind: 'pass', name: 'eliminate-dead', options: {} },
        ],
      },
    ]);
  });

  it('reads every kind of value', () => {
    const [step] = parsePipeline(
      'p{i=-3,f=99.9,e=1e-3,m=inf,t=true,n=false,w=mse,s="a \\"b\\"",l=[1,2.5],z=[],r=repeat}',
    );
    expect(step).toMatchObject({
      options: {
        i: -3,
        f: Math.fround(99.9),
        e: Math.fround(1e-3),
        m: Infinity,
        t: true,
        n: false,
        w: 'mse',
        s: 'a "b"',
        l: [1, 2.5],
        z: [],
        r: 'repeat',
      },
    });
  });

  it('takes an empty pipeline, and blanks anywhere', () => {
    expect(parsePipeline('')).toEqual([]);
    expect(parsePipeline(' \n a { x = 1 } \n')).toEqual([{ kind: 'pass', name: 'a', options: { x: 1 } }]);
  });

  it.each([
    ['a,,b', 'pipeline/syntax pipeline:1:3'],
    ['a b', 'pipeline/syntax pipeline:1:3'],
    ['a,', 'pipeline/syntax pipeline:1:3'],
    ['a{x}', 'pipeline/syntax pipeline:1:4'],
    ['a{x=}', 'pipeline/syntax pipeline:1:5'],
    ['a{x=1', 'pipeline/syntax pipeline:1:6'],
    ['a{x=[mse]}', 'pipeline/syntax pipeline:1:6'],
    ['repeat', 'pipeline/syntax pipeline:1:7'],
    ['repeat(a', 'pipeline/syntax pipeline:1:9'],
    ['a;b', 'pipeline/character pipeline:1:2'],
    ['a,\nb c', 'pipeline/syntax pipeline:2:3'],
    ['a{x=1,x=2}', 'pipeline/duplicate-option pipeline:1:7'],
    ['a{x=99999999999999999999}', 'pipeline/number-range pipeline:1:5'],
    ['a{x=1e99}', 'pipeline/number-range pipeline:1:5'],
    [`${'repeat('.repeat(17)}a${')'.repeat(17)}`, 'pipeline/nesting pipeline:1:119'],
  ])('%p: %s', (text, expected) => {
    expect(findings(text)).toContain(expected);
  });

  it('nests sixteen deep', () => {
    expect(findings(`${'repeat('.repeat(16)}a${')'.repeat(16)}`)).toEqual([]);
  });

  it('an option named as a property of every object is an option', () => {
    const [step] = parsePipeline('a{__proto__=1,constructor=2}');
    expect(step?.kind === 'pass' && Object.entries(step.options)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });
});

describe('printPipeline', () => {
  it('is canonical', () => {
    const text =
      ' fold-batchnorm , calibrate { method = "mse", percentile=99.990 },repeat( a , b{on = true, s="x y"} ) ';
    expect(printPipeline(parsePipeline(text))).toBe(
      'fold-batchnorm,calibrate{method=mse,percentile=99.99},repeat(a,b{on=true,s="x y"})',
    );
  });

  it('reads back as the same pipeline', () => {
    fc.assert(
      fc.property(pipeline, (steps) => {
        const text = printPipeline(steps);
        expect(parsePipeline(text)).toEqual(steps);
        expect(printPipeline(parsePipeline(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });
});
