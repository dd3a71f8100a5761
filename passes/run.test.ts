import { describe, expect, it } from '@jest/globals';
import { quietContext } from '../fixtures/passes/float-check.ts';
import { type Diagnostic, f32, type Graph, GraphBuilder, QcError } from '../ir/index.ts';
import { createPassRegistry } from './index.ts';
import { nearestName } from './nearest-name.ts';
import { definePass } from './pass.ts';
import { parsePipeline } from './pipeline/index.ts';
import { parsePrintAfter, printIrAfter } from './print-after.ts';
import { registryOf } from './registry.ts';
import { reproducer } from './reproducer.ts';
import { levelOf, type PassReport, type PipelineFailure, runPipeline, type RunOptions } from './run.ts';

/** relu(clip(relu(x))), under the names a, b, c, and a sigmoid nobody reads. */
function program(): Graph {
  const builder = new GraphBuilder('main');
  const a = builder.add('relu', [builder.input('x', f32([1, 2]))], {}, { name: 'a' });
  const b = builder.add('clip', [a], { max: 6 }, { name: 'b' });
  builder.add('sigmoid', [b], {}, { name: 'unused' });
  return builder.finish([builder.add('relu', [b], {}, { name: 'c' })]);
}

/** Drops the last node that nothing reads, one a run: what `repeat` is for. */
const dropOne = definePass({
  name: 'drop-one',
  summary: 'Drops one unused node.',
  options: {},
  run: (graph) => {
    const used = new Set([...graph.outputs, ...graph.nodes.flatMap((node) => node.operands)]);
    const unused = graph.nodes.findLast((node) => !used.has(node.result.name));
    return unused === undefined ? graph : { ...graph, nodes: graph.nodes.filter((node) => node !== unused) };
  },
});

const restless = definePass({
  name: 'restless',
  summary: 'Always makes a new graph.',
  options: {},
  run: (graph) => ({ ...graph }),
});

const vandal = definePass({
  name: 'vandal',
  summary: 'Forgets the definition of what the program returns.',
  options: {},
  run: (graph) => ({ ...graph, nodes: [] }),
});

const stumbling = definePass({
  name: 'stumbling',
  summary: 'Has a bug.',
  options: {},
  run: () => {
    throw new TypeError('x is undefined');
  },
});

const tuned = definePass({
  name: 'tuned',
  summary: 'Takes options of every kind.',
  options: {
    rounds: { kind: 'int', summary: 'how often' },
    rate: { kind: 'float', summary: 'how fast', default: 0.5 },
    shape: { kind: 'ints', summary: 'where', default: [1] },
    steps: { kind: 'floats', summary: 'how far', optional: true },
    loud: { kind: 'bool', summary: 'with noise', default: false },
    method: { kind: 'string', summary: 'by which method', default: 'plain' },
  },
  run: (graph) => graph,
});

const registry = createPassRegistry([dropOne, restless, vandal, stumbling, tuned]);

interface Outcome {
  readonly graph: Graph;
  readonly reports: PassReport[];
  readonly warnings: Diagnostic[];
}

async function run(pipeline: string, options: RunOptions = {}): Promise<Outcome> {
  const reports: PassReport[] = [];
  const warnings: Diagnostic[] = [];
  const graph = await runPipeline(
    program(),
    parsePipeline(pipeline),
    registry,
    { ...quietContext(), report: (diagnostic) => warnings.push(diagnostic) },
    { afterPass: (report) => reports.push(report), ...options },
  );
  return { graph, reports, warnings };
}

async function diagnosticsOf(pipeline: string, options: RunOptions = {}): Promise<readonly Diagnostic[]> {
  try {
    await run(pipeline, options);
  } catch (error) {
    if (error instanceof QcError) return error.diagnostics;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('runPipeline', () => {
  it('runs passes in order and reports what each did', async () => {
    let now = 0;
    const { graph, reports } = await run('eliminate-dead,canonicalize,canonicalize', {
      clock: () => (now += 5),
    });
    expect(graph.nodes.map((node) => [node.op, node.result.name])).toEqual([['clip', 'c']]);
    expect(
      reports.map(({ pass, index, changed, milliseconds }) => [pass, index, changed, milliseconds]),
    ).toEqual([
      ['eliminate-dead', 0, true, 5],
      ['canonicalize', 1, true, 5],
      ['canonicalize', 2, false, 5],
    ]);
  });

  it('repeats until a round changes nothing', async () => {
    const { graph, reports } = await run('repeat(drop-one,eliminate-common)');
    expect(graph.nodes).toHaveLength(3);
    expect(reports.map((report) => report.pass)).toEqual([
      'drop-one',
      'eliminate-common',
      'drop-one',
      'eliminate-common',
    ]);
  });

  it('stops a repeat that does not settle, and says so', async () => {
    const { reports, warnings } = await run('repeat(restless)', { rounds: 3 });
    expect(reports).toHaveLength(3);
    expect(warnings.map(({ code, message }) => [code, message])).toEqual([
      [
        'pipeline/no-fixpoint',
        'a repeated part of the pipeline still changed the program after 3 rounds and was stopped',
      ],
    ]);
  });

  it('tells everything that is wrong with a pipeline before it runs any of it', async () => {
    const reports: PassReport[] = [];
    const found = await diagnosticsOf(
      'fold-batchnrom,repeat(canonicalize{fast=true}),fold-constants{limits=3},nonsense-from-elsewhere,tuned{rate=fast,shape=[1.5],loud=1}',
      { afterPass: (report) => reports.push(report) },
    );
    expect(reports).toEqual([]);
    expect(found.map(({ code, message, help }) => [code, message, help?.slice(0, 40)])).toEqual([
      ['pipeline/unknown-pass', 'there is no pass named fold-batchnrom', 'did you mean fold-batchnorm?'],
      ['pipeline/unknown-option', 'canonicalize has no option named fast', 'canonicalize takes no options'],
      ['pipeline/unknown-option', 'fold-constants has no option named limits', 'did you mean limit?'],
      [
        'pipeline/unknown-pass',
        'there is no pass named nonsense-from-elsewhere',
        'the passes are assign-bits, bound-accumulators, '.slice(0, 40),
      ],
      ['pipeline/missing-option', 'tuned needs its option rounds: how often', undefined],
      ['pipeline/option-kind', 'tuned: rate is "fast", expected a number', undefined],
      ['pipeline/option-kind', 'tuned: shape is [1.5], expected a list of integers', undefined],
      ['pipeline/option-kind', 'tuned: loud is 1, expected true or false', undefined],
    ]);
  });

  it('fills in defaults and rounds decimals to float32', async () => {
    const { reports } = await run('tuned{rounds=3,rate=0.1,steps=[0.2]}');
    expect(reports[0]!.options).toEqual({
      rounds: 3,
      rate: Math.fround(0.1),
      shape: [1],
      steps: [Math.fround(0.2)],
      loud: false,
      method: 'plain',
    });
  });

  it('refuses a pass on a level it does not work on, and names both', async () => {
    const [found, ...more] = await diagnosticsOf('bound-accumulators');
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      code: 'pipeline/requires-level',
      message: 'bound-accumulators works on the integer level, which the program is not at',
      help: 'the program is at the float level: run the passes that lead to integer first',
    });
    expect(found!.notes!.at(-1)).toBe('while running bound-accumulators');
  });

  it('names the pass after which a program no longer verifies', async () => {
    const [found] = await diagnosticsOf('canonicalize,vandal,eliminate-dead');
    expect(found).toMatchObject({
      code: 'pipeline/broken-program',
      message: 'vandal made a program that does not verify',
      notes: ['error[verify/outputs]: output %c is not defined', 'while running vandal'],
    });
    const { graph } = await run('vandal', { verifyEach: false });
    expect(graph.nodes).toEqual([]);
  });

  it('names the pass that has a bug, and keeps the cause', async () => {
    await expect(run('stumbling')).rejects.toMatchObject({
      message: 'stumbling: x is undefined',
      cause: expect.any(TypeError),
    });
  });

  it('hands out what reproduces a failure: the graph before it and the rest of the pipeline', async () => {
    const failures: PipelineFailure[] = [];
    await expect(
      run('eliminate-dead,repeat(canonicalize,stumbling,drop-one),restless', {
        onFailure: (failure) => failures.push(failure),
      }),
    ).rejects.toThrow('stumbling');
    expect(reproducer(failures[0]!))
      .toBe(`// RUN: stumbling,drop-one,repeat(canonicalize,stumbling,drop-one),restless
// stumbling failed:
//   stumbling: x is undefined
func @main(%x: f32[1, 2]) -> (f32[1, 2]) {
  %c = clip(%x) {min = 0.0, max = 6.0} : f32[1, 2]
  return %c
}
`);
  });
});

describe('printIrAfter', () => {
  it.each([
    ['all', ['eliminate-dead', 'fold-constants, which changed nothing', 'canonicalize']],
    ['changed', ['eliminate-dead', 'canonicalize']],
    ['fold-constants, canonicalize', ['fold-constants, which changed nothing', 'canonicalize']],
  ])('%s', async (which, expected) => {
    const texts: string[] = [];
    await run('eliminate-dead,fold-constants,canonicalize', {
      afterPass: printIrAfter(parsePrintAfter(which), (text) => texts.push(text)),
    });
    expect(texts.map((text) => text.split('\n')[0])).toEqual(expected.map((line) => `// after ${line}`));
    expect(texts.at(-1)).toContain('%c = clip(%x) {min = 0.0, max = 6.0}');
  });
});

describe('registryOf', () => {
  it('refuses two passes of one name, and names no pipeline could write', () => {
    expect(() => createPassRegistry([dropOne, dropOne])).toThrow('there are two passes named drop-one');
    for (const name of ['repeat', 'Upper', 'snake_case', 'a--b', '']) {
      expect(() => registryOf([{ ...dropOne, name }])).toThrow('cannot name a pass');
    }
  });
});

describe('levelOf', () => {
  it('is the first level at which a graph is a program', () => {
    expect(levelOf(program())).toBe('float');
    expect(levelOf({ ...program(), nodes: [] })).toBeUndefined();
  });
});

describe('nearestName', () => {
  it.each([
    ['fold-batchnrom', 'fold-batchnorm'],
    ['fold_batchnorm', 'fold-batchnorm'],
    ['FoldConstants', 'fold-constants'],
    ['canon', 'canonicalize'],
    ['eliminate-dea', 'eliminate-dead'],
    ['winograd', undefined],
    ['x', undefined],
  ])('%s -> %s', (given, expected) => {
    expect(nearestName(given, registry.keys())).toBe(expected);
  });
});
