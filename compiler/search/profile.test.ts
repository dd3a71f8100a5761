/** Latency profiles: what is read, what is refused, and how the steps of an artifact become layers. */
import { describe, expect, it } from '@jest/globals';
import { f32, GraphBuilder, QcError, tensor } from '../../ir/index.ts';
import { type Layer, layersOf } from '../../passes/layers.ts';
import { parsePrecision } from '../../passes/selector/index.ts';
import { parseProfile, type ProfileRun, profiledCosts, profileFormat, withRun } from './profile.ts';
import { profileRun } from './profile-run.ts';

const graph = (() => {
  const builder = new GraphBuilder('net');
  const x = builder.input('x', f32([1, 2]));
  const weights = (name: string, rows: number): string =>
    builder.constant(name, tensor(f32([rows, 2]), new Float32Array(2 * rows)));
  const a = builder.add('dense', [x, weights('wa', 2)], {}, { name: 'a' });
  const stored = builder.add('relu', [a], {}, { name: 'a.relu' });
  const b = builder.add('dense', [stored, weights('wb', 2)], {}, { name: 'b' });
  const sum = builder.add('add', [b, stored], {}, { name: 'sum' });
  const end = builder.add('sigmoid', [sum], {}, { name: 'end' });
  return builder.finish([end]);
})();
const layers = layersOf(graph);
const choices = ['w8a8', 'w4a4'].map(parsePrecision);

function run(bits: number, times: readonly number[], changes: Partial<ProfileRun> = {}): ProfileRun {
  return {
    target: 'c',
    device: 'cpu',
    isa: null,
    threads: 1,
    other_ms: 0.5,
    layers: layers.map(({ name, op, macs, weights }, i) => ({
      name,
      op,
      shape: [1, 2],
      macs,
      weights,
      weight_bits: bits,
      activation_bits: bits,
      milliseconds: times[i]!,
    })),
    ...changes,
  };
}

const costsOf = (runs: readonly ProfileRun[], of: readonly Layer[] = layers) =>
  profiledCosts('c', of, choices, [{ format: profileFormat, runs }]);

const refusal = (work: () => unknown): { code: string; message: string; notes: readonly string[] } => {
  try {
    work();
  } catch (error) {
    if (error instanceof QcError) {
      const [{ code, message, notes = [] }] = error.diagnostics as [(typeof error.diagnostics)[0]];
      return { code, message, notes };
    }
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('a profile', () => {
  it('gives what each layer takes at each choice, and what the rest takes', () => {
    expect(costsOf([run(8, [3, 4]), run(4, [1, 2], { other_ms: 0.25 })])).toEqual({
      costs: [
        [3, 1],
        [4, 2],
      ],
      fixed: 0.25,
      source: 'c on cpu, 1 thread',
    });
  });

  it('says which layers and widths are missing', () => {
    expect(refusal(() => costsOf([run(8, [3, 4])]))).toMatchObject({
      code: 'profile/missing',
      message: 'no profile says how long a at w4a4 takes on c',
      notes: ['a at w4a4', 'b at w4a4'],
    });
    expect(refusal(() => costsOf([run(8, [1, 1], { target: 'wgsl' })])).code).toBe('profile/missing');
  });

  it('is not taken for another network', () => {
    const other = layers.map((layer) => ({ ...layer, macs: layer.macs + 1 }));
    expect(refusal(() => costsOf([run(8, [3, 4]), run(4, [1, 2])], other)).code).toBe('profile/missing');
  });

  it('does not add times of two machines', () => {
    expect(refusal(() => costsOf([run(8, [3, 4]), run(4, [1, 2], { device: 'gpu' })]))).toMatchObject({
      code: 'profile/devices',
    });
  });

  it('grows run by run; the same artifact timed again takes the place of what was', () => {
    let profile = withRun(undefined, run(8, [3, 4]));
    profile = withRun(profile, run(4, [1, 2]));
    profile = withRun(profile, run(8, [5, 6]));
    expect(profile.runs).toEqual([run(4, [1, 2]), run(8, [5, 6])]);
    expect(parseProfile(JSON.stringify(profile), '"p"')).toEqual(profile);
  });

  it.each([
    ['{', /not JSON/],
    ['{"format":"qc-front/1"}', /its format is/],
    [JSON.stringify({ format: profileFormat, runs: [{ ...run(8, [1, 1]), threads: 'two' }] }), /threads/],
    [JSON.stringify({ format: profileFormat, runs: [run(8, [-1, 1])] }), /milliseconds/],
  ])('refuses %s', (text, message) => {
    expect(refusal(() => parseProfile(text, '"p"'))).toMatchObject({
      code: 'profile/format',
      message: expect.stringMatching(message),
    });
  });
});

describe('steps as layers', () => {
  it('belong to the layer that flows into them, and to none that was stored before', () => {
    const { layers: timed, other_ms } = profileRun(graph, {
      target: 'c',
      device: 'cpu',
      isa: null,
      threads: 1,
      stored: ['a.relu', 'sum', 'end'],
      steps: [
        { name: 'a.relu', milliseconds: 1 },
        { name: 'sum', milliseconds: 2 },
        { name: 'end', milliseconds: 4 },
        { name: 'a step of the target', milliseconds: 8 },
      ],
    });
    expect(timed.map(({ name, milliseconds }) => [name, milliseconds])).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    expect(other_ms).toBe(12);
  });

  it('are divided by multiplications where one step holds two layers', () => {
    const { layers: timed, other_ms } = profileRun(graph, {
      target: 'c',
      device: 'cpu',
      isa: null,
      threads: 1,
      stored: ['end'],
      steps: [{ name: 'end', milliseconds: 6 }],
    });
    expect(timed.map(({ milliseconds }) => milliseconds)).toEqual([3, 3]);
    expect(other_ms).toBe(0);
  });
});
