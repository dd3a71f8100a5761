import { describe, expect, it } from '@jest/globals';
import { integerPrograms } from '../../fixtures/programs/integer-programs.ts';
import { ProgramWriter } from '../../fixtures/programs/program-writer.ts';
import { createRandom } from '../../compiler/data/random.ts';
import {
  elementCount,
  evaluateNode,
  type Graph,
  interpret,
  sameShape,
  type Tensor,
  tensor,
  typesOf,
  verify,
} from '../../ir/index.ts';
import { storedLayout } from './layout.ts';
import { schedule } from './schedule.ts';
import type { Schedule } from './step.ts';

const planOf = (graph: Graph): Schedule => schedule(graph, (type) => storedLayout(type, 8));

function inputsFor(graph: Graph): Tensor[] {
  const random = createRandom(7);
  return graph.inputs.map(({ type }) =>
    tensor(
      type,
      Array.from({ length: elementCount(type.shape) }, () => Math.fround(random.normal())),
    ),
  );
}

/** Runs steps one after another with nothing but stored values between them; checks the laws of `step.ts` on the way. */
function runSteps(graph: Graph, plan: Schedule, inputs: readonly Tensor[]): Tensor[] {
  const types = typesOf(graph);
  const memory = new Map<string, Tensor>(graph.inputs.map(({ name }, i) => [name, inputs[i]!]));
  const read = (name: string): Tensor => {
    const found = memory.get(plan.aliases.get(name) ?? name);
    if (found === undefined) throw new Error(`${name} is read before it is stored`);
    return { type: types.get(name)!, data: found.data };
  };
  for (const step of plan.steps) {
    const registers = new Map<string, Tensor>(graph.constants);
    for (const name of step.inputs) registers.set(name, read(name));
    expect(new Set(step.inputs).size).toBe(step.inputs.length);
    const nodes = step.anchor === undefined ? step.body : [step.anchor, ...step.body];
    for (const node of nodes) {
      expect(sameShape(node.result.type.shape, step.space.shape)).toBe(true);
      const operands = node.operands.map((operand) => registers.get(operand)!);
      registers.set(
        node.result.name,
        evaluateNode(node, operands, (name) => graph.constants.get(name)),
      );
    }
    expect(step.name).toBe(nodes.at(-1)!.result.name);
    expect(step.outputs.length).toBeGreaterThan(0);
    for (const name of step.outputs) {
      expect(memory.has(name)).toBe(false);
      memory.set(name, registers.get(name)!);
    }
  }
  return graph.outputs.map(read);
}

/** Residual networks at random: blocks of one to three convolutions, shortcuts of any age, widths, splits, gates. */
function randomProgram(seed: number): Graph {
  const w = new ProgramWriter(`random ${seed}`, seed);
  const stored = [w.input([1, 4, 4, 4])];
  const accumulators: string[] = [];
  const pick = (from: readonly string[]): string => from[w.random.below(from.length)]!;
  const storages = ['u8', 'i8', 'u4'] as const;
  for (let i = 0; i < 12; i++) {
    const x = pick(stored);
    switch (w.random.below(7)) {
      case 0:
      case 1:
        accumulators.push(w.convolution(x, 4, { weights: 'i4' }));
        break;
      case 2:
        if (accumulators.length > 0)
          stored.push(w.requantize(pick(accumulators), storages[w.random.below(3)]!));
        break;
      case 3:
        accumulators.push(w.requantize(x, 'i32'));
        break;
      case 4:
        if (accumulators.length > 1)
          accumulators.push(w.binary('add', pick(accumulators), pick(accumulators)));
        break;
      case 5:
        stored.push(w.maxPool(x, { kernel: [3, 3], pads: [1, 1, 1, 1] }));
        break;
      default:
        stored.push(w.requantize(w.binary('mul', x, pick(stored)), 'u8', { magnitude: 200 }));
    }
  }
  const last = accumulators.length > 0 ? [w.requantize(accumulators.at(-1)!, 'u8')] : [];
  return w.finish(stored.at(-1)!, ...last);
}

const graphOf = (name: string): Graph => integerPrograms.find((program) => program.name === name)!.graph;

describe('a schedule', () => {
  it.each(integerPrograms.map(({ name, graph }) => [name, graph] as const))(
    'keeps the meaning of: %s',
    (_, graph) => {
      expect(verify(graph, 'integer')).toEqual([]);
      const inputs = inputsFor(graph);
      expect(runSteps(graph, planOf(graph), inputs)).toEqual(interpret(graph, inputs));
    },
  );

  it('keeps the meaning of random programs', () => {
    for (let seed = 0; seed < 150; seed++) {
      const graph = randomProgram(seed);
      const inputs = inputsFor(graph);
      expect(runSteps(graph, planOf(graph), inputs)).toEqual(interpret(graph, inputs));
    }
  });

  it('fuses a residual block into its convolutions and stores no accumulator', () => {
    const graph = graphOf('residual with a projection');
    const plan = planOf(graph);
    const types = typesOf(graph);
    expect(plan.steps.map(({ anchor }) => anchor?.op)).toEqual([
      'quantize',
      'conv2d',
      'conv2d',
      'conv2d',
      'conv2d',
      'dequantize',
    ]);
    const stored = plan.steps
      .flatMap(({ outputs }) => outputs)
      .map((name) => types.get(name)!.element.storage);
    expect(stored).toEqual(['u8', 'u4', 'i8', 'u8', 'u4', 'u8', 'f32']);
    // The projection runs before the main convolution that takes in its result, and stream and four-bit copy leave one step.
    expect(plan.steps[3]!.inputs).toHaveLength(2);
    expect(plan.steps[3]!.outputs).toHaveLength(2);
  });

  it('gives a pool a second, narrower output', () => {
    const plan = planOf(graphOf('max pool that also gives four bits'));
    const pool = plan.steps.find(({ anchor }) => anchor?.op === 'max_pool2d')!;
    expect(pool.outputs).toHaveLength(2);
  });

  it('leaves a gate that depends on the gated tensor to a step of its own', () => {
    const plan = planOf(graphOf('squeeze and excite'));
    const gate = plan.steps.find(({ body }) => body.some(({ op }) => op === 'mul'))!;
    expect(gate.anchor).toBeUndefined();
    expect(gate.body.map(({ op }) => op)).toEqual(['mul', 'requantize']);
  });

  it('makes a reshape that moves nothing an alias, and another one a step', () => {
    const free = planOf(graphOf('classifier of two'));
    expect([...free.aliases.values()]).toHaveLength(1);
    expect(free.steps.some(({ anchor }) => anchor?.op === 'reshape')).toBe(false);
    const real = planOf(graphOf('flatten of pixels'));
    expect(real.aliases.size).toBe(0);
    expect(real.steps.some(({ anchor }) => anchor?.op === 'reshape')).toBe(true);
  });

  it('drops what no output depends on', () => {
    const w = new ProgramWriter('dead', 1);
    const x = w.input([1, 2, 3, 3]);
    w.convolution(x, 3);
    expect(planOf(w.finish(x)).steps).toHaveLength(2);
  });
});
