/**
 * How a kernel is written: a `Block` records statements in the order its methods are called, so a kernel in TypeScript reads
 * like the kernel. What is known while building is decided while building: an ordinary TypeScript `for` unrolls, an ordinary `if`
 * specialises, a loop of one trip leaves only its body, a loop of none and an `if` over a constant leave nothing behind.
 */
import { add, constantOf, literal, type Operand } from './expression.ts';
import { KernelError } from './kernel-error.ts';
import { identifier } from './names.ts';
import { prune } from './prune.ts';
import * as statement from './statement.ts';
import type {
  Expression,
  GridKernel,
  Isa,
  KernelArray,
  KernelFunction,
  LoopKernel,
  Statement,
  StoreRow,
  Variable,
} from './tree.ts';
import type { Element, Type } from './types.ts';
import { verifyFunction, verifyKernel } from './verify.ts';

/** Records the statements of one body. Nested bodies are callbacks and record into the same block's current list. */
export class Block {
  #statements: Statement[] = [];

  /** Runs `body` and returns what it recorded. */
  #record(body: () => void): readonly Statement[] {
    const outer = this.#statements;
    const inner: Statement[] = [];
    this.#statements = inner;
    try {
      body();
    } finally {
      this.#statements = outer;
    }
    return inner;
  }

  /** Everything recorded so far. */
  get statements(): readonly Statement[] {
    return this.#statements;
  }

  /** Appends statements built elsewhere. */
  append(...statements: readonly Statement[]): void {
    this.#statements.push(...statements);
  }

  /** Names a value. The type is the value's; a plain number is an i32. */
  let(name: string, value: Operand): Variable {
    return this.#declare(name, value, false);
  }

  /** A variable that `set` and `addTo` may change. */
  var(name: string, value: Operand): Variable {
    return this.#declare(name, value, true);
  }

  #declare(name: string, value: Operand, mutable: boolean): Variable {
    const declared = statement.variable(name, typeof value === 'number' ? 'i32' : value.type, mutable);
    this.append(statement.declare(declared, value));
    return declared;
  }

  /** A zeroed array of this invocation's own. */
  array(name: string, element: Element, length: number): KernelArray {
    const array = statement.privateArray(name, element, length);
    this.append(statement.declareArray(array));
    return array;
  }

  /** variable = value */
  set(target: Variable, value: Operand): void {
    this.append(statement.assign(target, value));
  }

  /** variable += value */
  addTo(target: Variable, value: Operand): void {
    const sum = add(target, value);
    if (sum !== target) this.set(target, sum);
  }

  /** array[index] = value */
  store(array: KernelArray, index: Operand, value: Operand): void {
    this.append(statement.store(array, index, value));
  }

  /** Writes a register at the address of array[index]. */
  storeVector(row: StoreRow, array: KernelArray, index: Operand, value: Expression): void {
    this.append(statement.storeVector(row, array, index, value));
  }

  /**
   * Counts from `from` up to, not including, `to`. The counter is an i32, or a u32 when a bound is one. A loop known to run once
   * becomes its body with the counter's value in place of the counter.
   */
  for(name: string, from: Operand, to: Operand, body: (counter: Expression) => void, step = 1): void {
    const trips = statement.knownTrips(from, to, step);
    if (trips === 0) return;
    const type = [from, to].some((bound) => typeof bound !== 'number' && bound.type === 'u32')
      ? 'u32'
      : 'i32';
    if (trips === 1) {
      const only = typeof from === 'number' ? literal(type, from) : from;
      const once = this.#record(() => {
        body(only);
      });
      if (!statement.escapesLoop(once)) {
        this.append(...once);
        return;
      }
    }
    const counter = statement.variable(name, type);
    const recorded = this.#record(() => {
      body(counter);
    });
    this.append(statement.forLoop(counter, from, to, step, recorded));
  }

  while(condition: Expression, body: () => void): void {
    this.append(statement.whileLoop(condition, this.#record(body)));
  }

  /** A constant condition leaves only the chosen arm. */
  if(condition: Expression, then: () => void, otherwise?: () => void): void {
    const known = constantOf(condition);
    if (known !== undefined) {
      if (known !== 0) then();
      else otherwise?.();
      return;
    }
    const thenBody = this.#record(then);
    const otherwiseBody = otherwise === undefined ? [] : this.#record(otherwise);
    this.append(statement.ifElse(condition, thenBody, otherwiseBody));
  }

  break(): void {
    this.append(statement.breakLoop);
  }

  continue(): void {
    this.append(statement.continueLoop);
  }

  return(value?: Expression): void {
    this.append(statement.returnValue(value));
  }

  /** Waits for the whole workgroup; grid kernels only, and only where all its invocations come by. */
  barrier(): void {
    this.append(statement.barrier);
  }

  /**
   * What the u32 `value` is in the first `4 * quads` invocations of the subgroup, of which there must be so many; four to a vec4u. Grid kernels only, and
   * only where all invocations of the workgroup come by.
   */
  broadcast(name: string, value: Expression, quads: number): readonly Variable[] {
    const variables = Array.from({ length: quads }, () => statement.variable(name, 'vec4u'));
    this.append(statement.broadcast(variables, value));
    return variables;
  }

  comment(text: string): void {
    this.append(statement.comment(text));
  }
}

/** A parameter before it has a name: the key it is listed under becomes its name. */
export type ParameterSpec =
  | {
      readonly kind: 'buffer';
      readonly element: Element;
      readonly access: 'read' | 'read_write';
      readonly length?: number;
    }
  | { readonly kind: 'scalar'; readonly type: Type };

/** A buffer the kernel only reads; `length` in elements, where known. */
export const reads = (element: Element, length?: number) =>
  ({ kind: 'buffer', element, access: 'read', ...(length === undefined ? {} : { length }) }) as const;

/** A buffer the kernel writes, and may read. */
export const writes = (element: Element, length?: number) =>
  ({ kind: 'buffer', element, access: 'read_write', ...(length === undefined ? {} : { length }) }) as const;

/** A scalar passed at run time: a C parameter, a member of WGSL's uniform. */
export const scalar = (type: 'i32' | 'u32' | 'f32') => ({ kind: 'scalar', type }) as const;

type Named<Specs extends Readonly<Record<string, ParameterSpec>>> = {
  readonly [Name in keyof Specs]: Specs[Name] extends { readonly kind: 'buffer' } ? KernelArray : Variable;
};

function nameParameters<Specs extends Readonly<Record<string, ParameterSpec>>>(specs: Specs): Named<Specs> {
  const named = Object.entries(specs).map(([name, spec]) => [
    name,
    spec.kind === 'buffer'
      ? statement.storageArray(name, spec.element, spec.access, spec.length)
      : statement.variable(name, spec.type),
  ]);
  return Object.fromEntries(named) as Named<Specs>;
}

interface Head<Specs> {
  /** Lines of the comment above the kernel. */
  readonly doc?: readonly string[];
  /** In the order of C's parameters and WGSL's bindings. */
  readonly parameters: Specs;
  /** The instruction set a loop kernel is compiled for. */
  readonly isa?: Isa;
}

const parameterList = (named: object): readonly (KernelArray | Variable)[] =>
  Object.values(named) as readonly (KernelArray | Variable)[];

/** A kernel that becomes a C function. Throws `KernelError` where the body breaks a rule of the language. */
export function loopKernel<const Specs extends Readonly<Record<string, ParameterSpec>>>(
  name: string,
  head: Head<Specs>,
  body: (block: Block, parameters: Named<Specs>) => void,
): LoopKernel {
  const parameters = nameParameters(head.parameters);
  const block = new Block();
  body(block, parameters);
  return verifyKernel({
    flavour: 'loop',
    name: identifier(name),
    doc: head.doc ?? [],
    parameters: parameterList(parameters),
    body: prune(block.statements),
    ...(head.isa === undefined ? {} : { isa: head.isa }),
  });
}

/** A kernel that becomes a WGSL compute entry point, run once per point of the grid. */
export function gridKernel<const Specs extends Readonly<Record<string, ParameterSpec>>>(
  name: string,
  head: Head<Specs> & { readonly workgroupSize: readonly [x: number, y?: number, z?: number] },
  body: (block: Block, parameters: Named<Specs>) => void,
): GridKernel {
  const parameters = nameParameters(head.parameters);
  const block = new Block();
  body(block, parameters);
  const [x, y = 1, z = 1] = head.workgroupSize;
  if (![x, y, z].every((size) => Number.isInteger(size) && size >= 1)) {
    throw new KernelError(`${name}: workgroup size ${head.workgroupSize.join(' x ')}`);
  }
  return verifyKernel({
    flavour: 'grid',
    name: identifier(name),
    doc: head.doc ?? [],
    parameters: parameterList(parameters),
    workgroupSize: [x, y, z],
    body: prune(block.statements),
  });
}

/** A pure function that kernels call with `invoke`; every path ends in `return`. */
export function pureFunction<const Types extends Readonly<Record<string, Type>>>(
  name: string,
  head: {
    readonly doc?: readonly string[];
    readonly parameters: Types;
    readonly result: Type;
    readonly isa?: Isa;
  },
  body: (block: Block, parameters: { readonly [Name in keyof Types]: Variable }) => void,
): KernelFunction {
  const parameters = Object.fromEntries(
    Object.entries(head.parameters).map(([key, type]) => [key, statement.variable(key, type)]),
  ) as { readonly [Name in keyof Types]: Variable };
  const block = new Block();
  body(block, parameters);
  return verifyFunction({
    name: identifier(name),
    doc: head.doc ?? [],
    parameters: Object.values(parameters),
    result: head.result,
    body: prune(block.statements),
    ...(head.isa === undefined ? {} : { isa: head.isa }),
  });
}
