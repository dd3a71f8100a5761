/**
 * Compiles expressions to closures over a `Frame`. Closures, not `new Function`: the compiler runs in browsers under a content
 * security policy, and what it evaluates comes from models nobody vouches for.
 */
import {
  binaryMeaning,
  bitcastLane,
  convertLane,
  type Lane,
  laneOfLiteral,
  overflows,
  unaryMeaning,
} from './arithmetic.ts';
import { Cells } from './evaluate-memory.ts';
import { KernelError } from './kernel-error.ts';
import type {
  Binary,
  Expression,
  InvocationIdName,
  KernelArray,
  KernelFunction,
  Load,
  Value,
  Variable,
} from './tree.ts';
import { isVector, laneOf } from './types.ts';

/** Taken once: in a sandbox with a global object of its own every look at `Math` is slow. */
const { imul } = Math;

/** The state of one invocation of a kernel, or of one call of a function. */
export interface Frame {
  readonly values: Value[];
  readonly arrays: Cells[];
  readonly ids: Readonly<Record<InvocationIdName, Readonly<Record<'x' | 'y' | 'z', number>>>>;
  /** A number no other invocation of the dispatch has. */
  readonly who: number;
  /** What `return` left. */
  result: Value;
  /** What it tells its subgroup at a broadcast, and what the members of the subgroup told. */
  said: Value;
  heard: readonly Value[];
}

export type Code = (frame: Frame) => Value;

/** How a kernel's flavour decides what the languages leave apart. */
export interface Semantics {
  /** Signed sums and products that leave their type: undefined in C, modulo in WGSL. */
  readonly overflow: 'error' | 'wrap';
  /** Whether `select` evaluates only the arm it chooses. */
  readonly lazySelect: boolean;
}

const noIds = { x: 0, y: 0, z: 0 };

export const idsOutsideGrid: Frame['ids'] = {
  global_invocation_id: noIds,
  local_invocation_id: noIds,
  workgroup_id: noIds,
  num_workgroups: noIds,
  subgroup_invocation_id: noIds,
};

/** Gives every variable and array of one body its place in the frame, and compiles expressions against those places. */
export class Layout {
  readonly semantics: Semantics;
  readonly #slots = new Map<Variable | KernelArray, number>();
  readonly #functions: Map<KernelFunction, (operands: readonly Value[]) => Value>;
  readonly #compileFunction: (
    callee: KernelFunction,
    layout: Layout,
  ) => (operands: readonly Value[]) => Value;

  constructor(
    semantics: Semantics,
    compileFunction: (callee: KernelFunction, layout: Layout) => (operands: readonly Value[]) => Value,
    functions = new Map<KernelFunction, (operands: readonly Value[]) => Value>(),
  ) {
    this.semantics = semantics;
    this.#compileFunction = compileFunction;
    this.#functions = functions;
  }

  /** A layout for a function's body that shares the functions already compiled. */
  inner(): Layout {
    return new Layout(this.semantics, this.#compileFunction, this.#functions);
  }

  /** The place of a variable in `frame.values`, or of an array in `frame.arrays`. */
  slot(thing: Variable | KernelArray): number {
    const known = this.#slots.get(thing);
    if (known !== undefined) return known;
    const next = this.#slots.size;
    this.#slots.set(thing, next);
    return next;
  }

  /** The storage and workgroup arrays bodies refer to, with their places. */
  entries(): ReadonlyMap<Variable | KernelArray, number> {
    return this.#slots;
  }

  function(callee: KernelFunction): (operands: readonly Value[]) => Value {
    const known = this.#functions.get(callee);
    if (known !== undefined) return known;
    const compiled = this.#compileFunction(callee, this.inner());
    this.#functions.set(callee, compiled);
    return compiled;
  }

  expression(node: Expression): Code {
    switch (node.kind) {
      case 'literal': {
        const value = laneOfLiteral(node.value);
        return () => value;
      }
      case 'variable': {
        const slot = this.slot(node);
        return (frame) => frame.values[slot]!;
      }
      case 'unary': {
        const lane = laneOf(node.type);
        if (node.operator === '-' && (lane === 'i32' || lane === 'i64')) return this.#negate(node.operand);
        const meaning = existing(unaryMeaning(node.operator, lane));
        return onLanes(node.type, meaning, this.expression(node.operand));
      }
      case 'binary':
        return this.#binary(node);
      case 'select':
        return this.#select(
          this.expression(node.condition),
          this.expression(node.whenTrue),
          this.expression(node.whenFalse),
        );
      case 'cast': {
        const from = laneOf(node.operand.type);
        const to = laneOf(node.type);
        return onLanes(node.type, (value) => convertLane(value, from, to), this.expression(node.operand));
      }
      case 'bitcast': {
        const from = laneOf(node.operand.type);
        const to = laneOf(node.type);
        return onLanes(node.type, (value) => bitcastLane(value, from, to), this.expression(node.operand));
      }
      case 'load':
        return this.#load(node);
      case 'vector-load': {
        const { model, bytes } = node.row;
        const at = this.expression(node.index);
        const { array } = node;
        if (array.space === 'table') {
          const cells = Cells.ofTable(array);
          return (frame) => model(cells.read(at(frame) as number, bytes, frame.who));
        }
        const slot = this.slot(array);
        return (frame) => model(frame.arrays[slot]!.read(at(frame) as number, bytes, frame.who));
      }
      case 'compose': {
        const lanes = node.lanes.map((lane) => this.expression(lane));
        const [only] = lanes;
        if (lanes.length === 1 && only !== undefined) {
          return (frame) => new Array<number>(4).fill(only(frame) as number);
        }
        return (frame) => lanes.map((lane) => lane(frame) as number);
      }
      case 'component': {
        const vector = this.expression(node.vector);
        const { lane } = node;
        return (frame) => (vector(frame) as readonly number[])[lane]!;
      }
      case 'call': {
        const operands = node.operands.map((operand) => this.expression(operand));
        const model = node.builtin.model as (...values: readonly Value[]) => Value;
        const [first, second] = operands;
        if (operands.length === 2 && first !== undefined && second !== undefined) {
          return (frame) => model(first(frame), second(frame));
        }
        return (frame) => model(...operands.map((operand) => operand(frame)));
      }
      case 'invoke': {
        const callee = this.function(node.callee);
        const operands = node.operands.map((operand) => this.expression(operand));
        return (frame) => callee(operands.map((operand) => operand(frame)));
      }
      case 'id': {
        const { id, axis } = node;
        return (frame) => frame.ids[id][axis];
      }
    }
  }

  #negate(operand: Expression): Code {
    const value = this.expression(operand);
    const zero: Lane = laneOf(operand.type) === 'i64' ? 0n : 0;
    const minus = this.#meaning('-', laneOf(operand.type));
    return onLanes(operand.type, (lane) => minus(zero, lane), value);
  }

  /** An operator with overflow checked where the semantics ask for it. */
  #meaning(operator: Binary['operator'], lane: ReturnType<typeof laneOf>): (left: Lane, right: Lane) => Lane {
    const meaning = existing(binaryMeaning(operator, lane));
    const canOverflow = (lane === 'i32' || lane === 'i64') && '+-*/%'.includes(operator);
    if (!canOverflow || (this.semantics.overflow === 'wrap' && lane === 'i32')) return meaning;
    return (left, right) => {
      const result = meaning(left, right);
      if (overflows(operator, left, right)) {
        throw new KernelError(`${String(left)} ${operator} ${String(right)} overflows ${lane}`);
      }
      return result;
    };
  }

  #select(condition: Code, whenTrue: Code, whenFalse: Code): Code {
    if (this.semantics.lazySelect) {
      return (frame) => (condition(frame) !== 0 ? whenTrue(frame) : whenFalse(frame));
    }
    return (frame) => {
      const a = whenTrue(frame);
      const b = whenFalse(frame);
      return condition(frame) !== 0 ? a : b;
    };
  }

  #binary(node: Binary): Code {
    const left = this.expression(node.left);
    const right = this.expression(node.right);
    if (node.operator === '&&') return (frame) => (left(frame) !== 0 ? right(frame) : 0);
    if (node.operator === '||') return (frame) => (left(frame) !== 0 ? 1 : right(frame));
    const lane = laneOf(node.left.type);
    const fast =
      this.semantics.overflow === 'error' && node.left.type === 'i32'
        ? checkedI32(node, left, right)
        : undefined;
    if (fast !== undefined) return fast;
    const meaning = this.#meaning(node.operator, lane);
    const isShift = node.operator === '<<' || node.operator === '>>';
    if (isVector(node.left.type)) return vectorBinary(meaning, left, right, !isShift);
    if (lane === 'i64' && isShift)
      return (frame) => meaning(left(frame) as Lane, BigInt(right(frame) as Lane));
    return (frame) => meaning(left(frame) as Lane, right(frame) as Lane);
  }

  #load({ array, index }: Load): Code {
    const at = this.expression(index);
    if (array.space === 'table') {
      const cells = Cells.ofTable(array);
      return (frame) => cells.load(at(frame) as number, frame.who);
    }
    const slot = this.slot(array);
    return (frame) => frame.arrays[slot]!.load(at(frame) as number, frame.who);
  }
}

function existing<Meaning>(meaning: Meaning | undefined): Meaning {
  if (meaning === undefined) throw new Error('an operator without meaning passed its constructor');
  return meaning;
}

/** The sums, products and comparisons that make up index arithmetic, without the detour over a table. */
function checkedI32(node: Binary, left: Code, right: Code): Code | undefined {
  const fail = (a: number, b: number): never => {
    throw new KernelError(`${String(a)} ${node.operator} ${String(b)} overflows i32`);
  };
  switch (node.operator) {
    case '+':
      return (frame) => {
        const a = left(frame) as number;
        const b = right(frame) as number;
        const sum = a + b;
        return sum === (sum | 0) ? sum : fail(a, b);
      };
    case '-':
      return (frame) => {
        const a = left(frame) as number;
        const b = right(frame) as number;
        const difference = a - b;
        return difference === (difference | 0) ? difference : fail(a, b);
      };
    case '*':
      return (frame) => {
        const a = left(frame) as number;
        const b = right(frame) as number;
        const product = a * b;
        return product >= -0x80000000 && product <= 0x7fffffff ? imul(a, b) : fail(a, b);
      };
    default:
      return undefined;
  }
}

/** Applies a lane's meaning to a scalar, or to each lane of a vector. */
function onLanes(type: Expression['type'], meaning: (value: Lane) => Lane, operand: Code): Code {
  if (!isVector(type)) return (frame) => meaning(operand(frame) as Lane);
  return (frame) => (operand(frame) as readonly number[]).map((lane) => Number(meaning(lane)));
}

/** Lane by lane; a shift's amount is one scalar for all lanes. */
function vectorBinary(
  meaning: (left: Lane, right: Lane) => Lane,
  left: Code,
  right: Code,
  lanewise: boolean,
): Code {
  return (frame) => {
    const a = left(frame) as readonly number[];
    const b = right(frame);
    return a.map((value, lane) =>
      Number(meaning(value, lanewise ? (b as readonly number[])[lane]! : (b as number))),
    );
  };
}
