/**
 * What follows an anchor, on registers of 32-bit lanes, one lane an output channel: requantization, the residual sum, and storing, once per
 * result the step stores. The bits are those of `requantize` in `ir/numerics.ts`; which of these forms computes them is known when compiling, for
 * the range of every accumulator is.
 *
 *     product    |a * m + half| < 2^31:  (a * m + half) >> s                             also where `a` has 16 bits
 *     split      s >= 17:                (floor(a * m / 2^16) + 2^(s-17)) >> (s - 16)     for every a: half is a multiple of 2^16
 *     wide       s <= 16, the result an int32:  (high * m << 16 - s) + ((low * m + half) >> s)     for a = high * 2^16 + low, low unsigned
 *     clamped    channels with s < 17 that saturate beyond 16 bits: as split, with `a` held to 16 bits first and shifted left by 17 - s
 *
 * Whatever fits none of these, or another op than those here, is left to the scalar epilogue.
 */
import {
  clampOf,
  isQuantized,
  type Node,
  requantizeValue,
  sameShape,
  saturate,
  storageRange,
  type TensorType,
} from '../../../ir/index.ts';
import {
  type Expression,
  invoke,
  type KernelArray,
  type KernelFunction,
  loadVector,
  pureFunction,
} from '../../kernel/index.ts';
import type { Step } from '../../plan/index.ts';
import type { VectorMachine } from '../isa/machine.ts';
import { elementOf, type StepWriter } from '../step-writer.ts';

/** A range of integers per output channel. */
export interface Range {
  readonly lowest: readonly number[];
  readonly highest: readonly number[];
}

/** Constants of `lanes` channels, in registers. */
type Constants = readonly Expression[];

/** One value of the step, as each vector of channels sees it. */
interface Stage {
  readonly name: string;
  readonly called: string;
  readonly range: Range;
  /** Loads what depends on the channels alone. `channel` is the first of the vector's. */
  readonly prepare: (channel: Expression) => Constants;
  readonly compute: (constants: Constants, values: Values, at: Expression) => Expression;
  /** The same before it saturates at 0 and above, where that is all it does at its ends: what packs lanes into bytes does the one, and `highest` the other. */
  readonly unlimited?: { readonly compute: Stage['compute']; readonly highest: number };
}

type Values = ReadonlyMap<string, Expression>;

export interface VectorEpilogue {
  /** Names the constants of the `lanes` channels from `channel` on. */
  readonly prepare: (channel: Expression, suffix: string) => ReadonlyMap<string, Constants>;
  /** Computes and stores what becomes of accumulators. Those that are given together share instructions where the machine has some for that. */
  readonly finish: (sums: readonly FinishedSums[]) => void;
}

/** A register of accumulators that are complete. */
export interface FinishedSums {
  readonly constants: ReadonlyMap<string, Constants>;
  readonly accumulators: Expression;
  /** Where the first of them lies in a tensor of the step's shape. */
  readonly at: Expression;
  readonly suffix: string;
}

/** Why a step's elementwise work cannot be done in registers. */
export type Refusal = string;

const zeroPointOf = (type: TensorType): number => (isQuantized(type) ? type.element.zeroPoint : 0);

/** Plans the elementwise work of a step whose anchor leaves accumulators of this range. */
export function vectorEpilogue(
  writer: StepWriter,
  step: Step,
  machine: VectorMachine,
  anchor: Range,
): VectorEpilogue | Refusal {
  const planner = new Planner(writer, step, machine);
  return planner.plan(anchor);
}

class Planner {
  readonly #writer: StepWriter;
  readonly #step: Step;
  readonly #machine: VectorMachine;
  readonly #ranges = new Map<string, Range>();
  #tables = 0;
  #operands = 0;

  constructor(writer: StepWriter, step: Step, machine: VectorMachine) {
    this.#writer = writer;
    this.#step = step;
    this.#machine = machine;
  }

  plan(anchor: Range): VectorEpilogue | Refusal {
    const step = this.#step;
    const anchorName = step.anchor!.result.name;
    this.#ranges.set(anchorName, anchor);
    const stages: Stage[] = [];
    for (const node of step.body) {
      const stage = this.#stage(node);
      if (typeof stage === 'string') return `${node.result.name}: ${stage}`;
      stages.push(stage);
      this.#ranges.set(node.result.name, stage.range);
    }
    const outputs = step.outputs.map((name, i) => ({
      name,
      storage: this.#writer.typeOf(name).element.storage,
      label: i === 0 ? 'result' : `result_${i + 1}`,
    }));
    const odd = outputs.find(({ storage }) => storage === 'f32' || storage === 'i16');
    if (odd !== undefined) return `${odd.name} is stored as ${odd.storage}`;
    // Stored as unsigned bytes and read by nothing else here: packing may saturate them.
    const read = new Set(step.body.flatMap(({ operands }) => operands));
    const packed = new Map(
      stages.flatMap(({ name, unlimited }) =>
        unlimited !== undefined && outputs.some((output) => output.name === name) && !read.has(name)
          ? [[name, unlimited] as const]
          : [],
      ),
    );
    const { block } = this.#writer;
    const machine = this.#machine;
    const arrays = outputs.map(({ name, label }) => this.#writer.output(name, label));
    return {
      prepare: (channel, suffix) =>
        new Map(
          stages.map((stage): [string, Constants] => [
            stage.name,
            stage.prepare(channel).map((value, i) => block.let(`${stage.called}_c${i}${suffix}`, value)),
          ]),
        ),
      finish: (sums) => {
        const { packBytes } = machine;
        const size = packBytes?.count ?? 1;
        for (let from = 0; from < sums.length; from += size) {
          const group = sums.slice(from, from + size);
          const packs = packBytes !== undefined && group.length === size;
          const isPacked = (name: string): boolean => packs && packed.has(name);
          const all = group.map(({ constants, accumulators, at, suffix }) => {
            const values = new Map<string, Expression>([[anchorName, accumulators]]);
            for (const stage of stages) {
              const { compute } = isPacked(stage.name) ? packed.get(stage.name)! : stage;
              const value = compute(constants.get(stage.name)!, values, at);
              values.set(stage.name, block.let(`${stage.called}${suffix}`, value));
            }
            return values;
          });
          outputs.forEach(({ name, storage }, i) => {
            const each = all.map((values) => values.get(name)!);
            if (isPacked(name)) {
              const bytes = packBytes!.pack(each);
              const { highest } = packed.get(name)!;
              const limited = block.let(
                `bytes${group[0]!.suffix}`,
                highest < 255 ? packBytes!.limit(bytes, highest) : bytes,
              );
              for (const [n, { at }] of group.entries())
                block.storeVector(packBytes!.store, arrays[i]!, at, packBytes!.part(limited, n));
              return;
            }
            for (const [n, value] of each.entries()) {
              const { at } = group[n]!;
              if (storage === 'i32') block.storeVector(machine.storeWords, arrays[i]!, at, value);
              else
                block.storeVector(machine.storeBytes.row, arrays[i]!, at, machine.storeBytes.narrow(value));
            }
          });
        }
      },
    };
  }

  #stage(node: Node): Stage | Refusal {
    switch (node.op) {
      case 'requantize':
        return this.#requantize(node);
      case 'add':
        return this.#sum(node, 'total', this.#machine.add, (a, b) => a + b);
      default:
        return `no vector form of ${node.op}`;
    }
  }

  /** A value of the step, or a tensor of its shape in memory. */
  #operand(
    name: string,
  ): { readonly range: Range; readonly read: (values: Values, at: Expression) => Expression } | Refusal {
    const known = this.#ranges.get(name);
    if (known !== undefined) return { range: known, read: (values) => values.get(name)! };
    const type = this.#writer.typeOf(name);
    const { storage } = type.element;
    if (this.#writer.constant(name) !== undefined) return `${name} is a constant`;
    if (!sameShape(type.shape, this.#step.space.shape)) return `${name} broadcasts`;
    const element = elementOf(storage);
    if (storage === 'f32' || (element !== 'i8' && element !== 'u8')) return `${name} is ${storage}`;
    const [low, high] = storageRange(storage);
    const channels = this.#ranges.values().next().value!.lowest.length;
    const array = this.#writer.input(name, this.#label());
    return {
      range: { lowest: Array<number>(channels).fill(low), highest: Array<number>(channels).fill(high) },
      read: (_, at) => this.#machine.widenBytes(array, at),
    };
  }

  /** As the scalar epilogue calls them: no two alike. */
  #label(): string {
    this.#operands += 1;
    return this.#operands === 1 ? 'operand' : `operand_${this.#operands}`;
  }

  #sum(
    node: Node,
    called: string,
    combine: (a: Expression, b: Expression) => Expression,
    model: (a: number, b: number) => number,
  ): Stage | Refusal {
    const operands = node.operands.map((name) => this.#operand(name));
    const [a, b] = operands;
    if (typeof a === 'string') return a;
    if (typeof b === 'string') return b;
    if (node.operands.some((name) => zeroPointOf(this.#writer.typeOf(name)) !== 0)) return 'a zero point';
    const range = {
      lowest: a!.range.lowest.map((low, c) => model(low, b!.range.lowest[c]!)),
      highest: a!.range.highest.map((high, c) => model(high, b!.range.highest[c]!)),
    };
    if (!within(range, -(2 ** 31), 2 ** 31 - 1)) return 'a sum may leave 32 bits';
    return {
      name: node.result.name,
      called,
      range,
      prepare: () => [],
      compute: (_, values, at) => combine(a!.read(values, at), b!.read(values, at)),
    };
  }

  #requantize(node: Node): Stage | Refusal {
    const machine = this.#machine;
    const operand = this.#operand(node.operands[0]!);
    if (typeof operand === 'string') return operand;
    const from = zeroPointOf(this.#writer.typeOf(node.operands[0]!));
    const to = zeroPointOf(node.result.type);
    const clamp = clampOf(node.attributes, node.result.type);
    const channels = operand.range.lowest.length;
    const perChannel = (index: number): readonly number[] => {
      const { data } = this.#writer.operandConstant(node, index)!;
      return Array.from({ length: channels }, (_, c) => data[data.length === 1 ? 0 : c]!);
    };
    const [multipliers, shifts] = [perChannel(1), perChannel(2)];
    const input: Range = {
      lowest: operand.range.lowest.map((low) => low - from),
      highest: operand.range.highest.map((high) => high - from),
    };
    if (!within(input, -(2 ** 31), 2 ** 31 - 1)) return 'a zero point may leave 32 bits';
    const result = (a: number, c: number): number => requantizeValue(a, multipliers[c]!, shifts[c]!) + to;
    const exact: Range = { lowest: input.lowest.map(result), highest: input.highest.map(result) };
    const form = requantizeForm(input, multipliers, shifts, clamp);
    if (typeof form === 'string') return form;

    const tables = form.tables.map(({ label, values }) => this.#perChannel(label, values));
    const [tooLow, tooHigh] = [
      exact.lowest.some((low) => low < clamp[0]),
      exact.highest.some((high) => high > clamp[1]),
    ];
    const scaled = (value: Expression, constants: Constants): Expression => {
      const centred = from === 0 ? value : machine.subtract(value, machine.splat(from));
      const computed = form.compute(machine, centred, constants);
      return to === 0 ? computed : machine.add(computed, machine.splat(to));
    };
    const saturated = (value: Expression, constants: Constants): Expression => {
      const whole = scaled(value, constants);
      const raised = tooLow ? machine.larger(whole, machine.splat(clamp[0])) : whole;
      return tooHigh ? machine.smaller(raised, machine.splat(clamp[1])) : raised;
    };
    const computedBy = (name: string, body: typeof scaled): Stage['compute'] => {
      const callee = functionOf(machine, name, tables.length, body);
      return (constants, values, at) => invoke(callee, operand.read(values, at), ...constants);
    };
    const packs =
      machine.packBytes !== undefined &&
      elementOf(node.result.type.element.storage) === 'u8' &&
      (!tooLow || clamp[0] === 0);
    return {
      name: node.result.name,
      called: 'scaled',
      range: {
        lowest: exact.lowest.map((low) => saturate(low, ...clamp)),
        highest: exact.highest.map((high) => saturate(high, ...clamp)),
      },
      prepare: (channel) => tables.map((table) => table(channel)),
      compute: computedBy(form.name, saturated),
      ...(packs
        ? {
            unlimited: {
              compute: computedBy(`${form.name}_unlimited`, scaled),
              highest: tooHigh ? clamp[1] : 255,
            },
          }
        : {}),
    };
  }

  /** A constant per channel: a splat where all are equal, a table otherwise. */
  #perChannel(label: string, values: readonly number[]): (channel: Expression) => Expression {
    const first = values[0]!;
    if (values.every((value) => value === first)) return () => this.#machine.splat(first);
    this.#tables += 1;
    const array: KernelArray = this.#writer.table(`${label}_${this.#tables}`, 'i32', values);
    return (channel) => loadVector(this.#machine.loadWords, array, channel);
  }
}

/** The function a step's requantization becomes: equal ones are printed once. */
function functionOf(
  machine: VectorMachine,
  name: string,
  constants: number,
  body: (value: Expression, constants: Constants) => Expression,
): KernelFunction {
  const names = Array.from({ length: constants }, (_, i) => `c${i}`);
  return pureFunction(
    `requantize_${name}_${machine.isa.name}`,
    {
      isa: machine.isa,
      parameters: Object.fromEntries(['value', ...names].map((key) => [key, machine.register])),
      result: machine.register,
    },
    (block, parameters) => {
      const { value, ...rest } = parameters;
      block.return(body(value!, Object.values(rest)));
    },
  );
}

interface RequantizeForm {
  readonly name: string;
  readonly tables: readonly { readonly label: string; readonly values: readonly number[] }[];
  /** The scaled value before zero point and saturation. */
  readonly compute: (machine: VectorMachine, value: Expression, constants: Constants) => Expression;
}

/** Which exact form computes floor((a * m + half) / 2^s) for `a` in `input`, and with which constants. */
export function requantizeForm(
  input: Range,
  multipliers: readonly number[],
  shifts: readonly number[],
  clamp: readonly [number, number],
): RequantizeForm | Refusal {
  const halves = shifts.map((shift) => (shift === 0 ? 0 : 2 ** (shift - 1)));
  const largest = input.lowest.map((low, c) => Math.max(Math.abs(low), Math.abs(input.highest[c]!)));
  const productFits = largest.every((a, c) => shifts[c]! <= 31 && a * multipliers[c]! + halves[c]! < 2 ** 31);
  if (productFits) {
    const narrow = largest.every((a) => a <= 32767);
    return {
      name: narrow ? 'halves' : 'product',
      tables: [
        { label: 'multiplier', values: multipliers },
        { label: 'half', values: halves },
        { label: 'shift', values: shifts },
      ],
      compute: (machine, value, [multiplier, half, shift]) => {
        const product = narrow
          ? machine.multiplyHalves(half!, value, multiplier!)
          : machine.add(machine.multiply(value, multiplier!), half!);
        return machine.shiftRightBy(product, shift!);
      },
    };
  }
  const raised = multipliers.map((multiplier) => multiplier * 2 ** 16);
  const rounded = shifts.map((shift) => Math.max(17, shift));
  const split = [
    { label: 'multiplier', values: multipliers },
    { label: 'raised', values: raised },
    { label: 'half', values: rounded.map((shift) => 2 ** (shift - 17)) },
    { label: 'shift', values: rounded.map((shift) => shift - 16) },
  ];
  if (shifts.every((shift) => shift >= 17)) {
    return {
      name: 'split',
      tables: split,
      compute: (machine, value, [multiplier, high, half, shift]) =>
        machine.shiftRightBy(machine.scaleBy16(value, multiplier!, high!, half!), shift!),
    };
  }
  const exact = multipliers.every((multiplier, c) =>
    [input.lowest[c]!, input.highest[c]!].every(
      (a) => Math.abs(requantizeValue(a, multiplier, shifts[c]!)) < 2 ** 31,
    ),
  );
  if (exact && shifts.every((shift) => shift >= 1 && shift <= 16)) {
    return {
      name: 'wide',
      tables: [
        { label: 'multiplier', values: multipliers },
        { label: 'half', values: halves },
        { label: 'shift', values: shifts },
        { label: 'raise', values: shifts.map((shift) => 16 - shift) },
      ],
      compute: (machine, value, [multiplier, half, shift, raise]) => {
        const high = machine.multiply(machine.shiftRight(value, 16), multiplier!);
        const low = machine.multiply(machine.lowHalf(value), multiplier!);
        return machine.add(
          machine.shiftLeftBy(high, raise!),
          machine.shiftRightBy(machine.add(low, half!), shift!),
        );
      },
    };
  }
  const saturates = multipliers.every((multiplier, c) => {
    if (shifts[c]! >= 17) return true;
    const beyond = (a: number): number => requantizeValue(a, multiplier, shifts[c]!);
    const above = input.highest[c]! <= 32767 || beyond(32767) >= clamp[1] + 256;
    const below = input.lowest[c]! >= -32768 || beyond(-32768) <= clamp[0] - 256;
    return above && below && shifts[c]! >= 1;
  });
  if (!saturates) return 'multipliers that no vector form takes exactly';
  return {
    name: 'clamped',
    tables: [
      ...split,
      { label: 'raise', values: shifts.map((shift) => Math.max(0, 17 - shift)) },
      { label: 'least', values: shifts.map((shift) => (shift >= 17 ? -(2 ** 31) : -32768)) },
      { label: 'most', values: shifts.map((shift) => (shift >= 17 ? 2 ** 31 - 1 : 32767)) },
    ],
    compute: (machine, value, [multiplier, high, half, shift, raise, least, most]) => {
      const held = machine.smaller(machine.larger(value, least!), most!);
      const lifted = machine.shiftLeftBy(held, raise!);
      return machine.shiftRightBy(machine.scaleBy16(lifted, multiplier!, high!, half!), shift!);
    },
  };
}

const within = ({ lowest, highest }: Range, low: number, high: number): boolean =>
  lowest.every((value) => value >= low) && highest.every((value) => value <= high);
