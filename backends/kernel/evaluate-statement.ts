/**
 * Compiles statements to closures. A body without barriers becomes a plain function; one with barriers becomes a generator that
 * yields at each, so the invocations of a workgroup can be run in turns from barrier to barrier.
 */
import type { Code, Frame, Layout } from './evaluate-expression.ts';
import { Cells } from './evaluate-memory.ts';
import { KernelError } from './kernel-error.ts';
import type { KernelFunction, Statement, Value } from './tree.ts';
import { bodiesOf } from './walk.ts';
import { idsOutsideGrid } from './evaluate-expression.ts';

/** How a statement ended. */
const flow = { next: 0, break: 1, continue: 2, return: 3 } as const;
type Flow = (typeof flow)[keyof typeof flow];

export type Run = (frame: Frame) => Flow;

/** Where invocations meet: the same place for all of them. */
export interface Meeting {
  readonly kind: 'barrier' | 'broadcast';
}

/** Yields every meeting it comes to; invocations that meet must yield the same one. */
export type Steps = (frame: Frame) => Generator<Meeting, Flow>;

const hasBarrier = (statement: Statement): boolean =>
  statement.kind === 'barrier' ||
  statement.kind === 'broadcast' ||
  bodiesOf(statement).some((body) => body.some(hasBarrier));

/** A body as a plain function, or as a generator when it holds a barrier. */
export type Compiled =
  { readonly barriers: false; readonly run: Run } | { readonly barriers: true; readonly steps: Steps };

/** Compiles statements against the places of one layout. */
export class StatementCompiler {
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  compile(statements: readonly Statement[]): Compiled {
    if (statements.some(hasBarrier)) return { barriers: true, steps: this.#stepsOf(statements) };
    return { barriers: false, run: this.body(statements) };
  }

  /** A body without barriers. */
  body(statements: readonly Statement[]): Run {
    const runs = statements.filter(({ kind }) => kind !== 'comment').map((statement) => this.#run(statement));
    const [only] = runs;
    if (runs.length === 1 && only !== undefined) return only;
    return (frame) => {
      for (const run of runs) {
        const ended = run(frame);
        if (ended !== flow.next) return ended;
      }
      return flow.next;
    };
  }

  #run(statement: Statement): Run {
    const layout = this.#layout;
    switch (statement.kind) {
      case 'declare':
      case 'assign': {
        const slot = layout.slot(statement.variable);
        const value = layout.expression(statement.value);
        return (frame) => {
          frame.values[slot] = value(frame);
          return flow.next;
        };
      }
      case 'declare-array': {
        const slot = layout.slot(statement.array);
        return (frame) => {
          frame.arrays[slot] = Cells.zeroed(statement.array);
          return flow.next;
        };
      }
      case 'store': {
        const slot = layout.slot(statement.array);
        const index = layout.expression(statement.index);
        const value = layout.expression(statement.value);
        return (frame) => {
          frame.arrays[slot]!.store(index(frame) as number, value(frame), frame.who);
          return flow.next;
        };
      }
      case 'vector-store': {
        const slot = layout.slot(statement.array);
        const index = layout.expression(statement.index);
        const value = layout.expression(statement.value);
        const { model } = statement.row;
        return (frame) => {
          frame.arrays[slot]!.write(index(frame) as number, model(value(frame) as Uint8Array), frame.who);
          return flow.next;
        };
      }
      case 'for':
        return this.#for(statement);
      case 'while': {
        const condition = layout.expression(statement.condition);
        const body = this.body(statement.body);
        return (frame) => {
          while (condition(frame) !== 0) {
            const ended = body(frame);
            if (ended === flow.break) break;
            if (ended === flow.return) return ended;
          }
          return flow.next;
        };
      }
      case 'if': {
        const condition = layout.expression(statement.condition);
        const then = this.body(statement.then);
        const otherwise = this.body(statement.otherwise);
        return (frame) => (condition(frame) !== 0 ? then(frame) : otherwise(frame));
      }
      case 'return': {
        const value: Code = statement.value === undefined ? () => 0 : layout.expression(statement.value);
        return (frame) => {
          frame.result = value(frame);
          return flow.return;
        };
      }
      case 'break':
        return () => flow.break;
      case 'continue':
        return () => flow.continue;
      case 'comment':
      case 'barrier':
      case 'broadcast':
        return () => flow.next;
    }
  }

  #for(statement: Extract<Statement, { kind: 'for' }>): Run {
    const slot = this.#layout.slot(statement.variable);
    const from = this.#layout.expression(statement.from);
    const to = this.#layout.expression(statement.to);
    const body = this.body(statement.body);
    const { step } = statement;
    const next = counterStep(statement);
    return (frame) => {
      for (
        let counter = from(frame) as number;
        counter < (to(frame) as number);
        counter = next(counter, step)
      ) {
        frame.values[slot] = counter;
        const ended = body(frame);
        if (ended === flow.break) break;
        if (ended === flow.return) return ended;
      }
      return flow.next;
    };
  }

  /** A body with barriers: stretches without one stay plain functions. */
  #stepsOf(statements: readonly Statement[]): Steps {
    const parts: Compiled[] = [];
    let plain: Statement[] = [];
    const endStretch = (): void => {
      if (plain.length > 0) parts.push({ barriers: false, run: this.body(plain) });
      plain = [];
    };
    for (const statement of statements) {
      if (hasBarrier(statement)) {
        endStretch();
        parts.push({ barriers: true, steps: this.#steps(statement) });
      } else {
        plain.push(statement);
      }
    }
    endStretch();
    return function* (frame) {
      for (const part of parts) {
        const ended = part.barriers ? yield* part.steps(frame) : part.run(frame);
        if (ended !== flow.next) return ended;
      }
      return flow.next;
    };
  }

  #steps(statement: Statement): Steps {
    const layout = this.#layout;
    switch (statement.kind) {
      case 'barrier': {
        const meeting: Meeting = { kind: 'barrier' };
        return function* () {
          yield meeting;
          return flow.next;
        };
      }
      case 'broadcast': {
        const meeting: Meeting = { kind: 'broadcast' };
        const value = layout.expression(statement.value);
        const slots = statement.variables.map((variable) => layout.slot(variable));
        return function* (frame) {
          frame.said = value(frame);
          yield meeting;
          if (frame.heard.length < 4 * slots.length)
            throw new KernelError(`a subgroup of fewer than ${String(4 * slots.length)}`);
          for (const [quad, slot] of slots.entries())
            frame.values[slot] = frame.heard.slice(4 * quad, 4 * quad + 4) as number[];
          return flow.next;
        };
      }
      case 'if': {
        const condition = layout.expression(statement.condition);
        const then = this.#stepsOf(statement.then);
        const otherwise = this.#stepsOf(statement.otherwise);
        return (frame) => (condition(frame) !== 0 ? then(frame) : otherwise(frame));
      }
      case 'while': {
        const condition = layout.expression(statement.condition);
        const body = this.#stepsOf(statement.body);
        return function* (frame) {
          while (condition(frame) !== 0) {
            const ended = yield* body(frame);
            if (ended === flow.break) break;
            if (ended === flow.return) return ended;
          }
          return flow.next;
        };
      }
      case 'for': {
        const slot = layout.slot(statement.variable);
        const from = layout.expression(statement.from);
        const to = layout.expression(statement.to);
        const body = this.#stepsOf(statement.body);
        const { step } = statement;
        const next = counterStep(statement);
        return function* (frame) {
          for (
            let counter = from(frame) as number;
            counter < (to(frame) as number);
            counter = next(counter, step)
          ) {
            frame.values[slot] = counter;
            const ended = yield* body(frame);
            if (ended === flow.break) break;
            if (ended === flow.return) return ended;
          }
          return flow.next;
        };
      }
      default:
        throw new Error(`${statement.kind} holds no barrier`);
    }
  }
}

/** A counter must not leave its type on its last step either: in C that is undefined. */
function counterStep({
  variable,
}: Extract<Statement, { kind: 'for' }>): (counter: number, step: number) => number {
  const highest = variable.type === 'i32' ? 2 ** 31 - 1 : 2 ** 32 - 1;
  return (counter, step) => {
    if (counter + step > highest) throw new KernelError(`the counter ${variable.name} overflows`);
    return counter + step;
  };
}

/** Compiles a function of the language to one from operands to result. */
export function compileFunction(
  callee: KernelFunction,
  layout: Layout,
): (operands: readonly Value[]) => Value {
  callee.parameters.forEach((parameter) => layout.slot(parameter));
  const run = new StatementCompiler(layout).body(callee.body);
  return (operands) => {
    const frame: Frame = {
      values: operands.slice(),
      arrays: [],
      ids: idsOutsideGrid,
      who: 0,
      result: 0,
      said: 0,
      heard: [],
    };
    run(frame);
    return frame.result;
  };
}
