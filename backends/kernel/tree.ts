/**
 * What a kernel *is*: the data that printers print and the evaluator runs. Nothing here computes.
 *
 * The definitions recurse into each other (an expression calls a function, whose body holds expressions), so they share a file;
 * the constructors, which check types and fold constants, live in `expression.ts`, `statement.ts` and `builder.ts`.
 *
 * A variable is known by its identity, never by its name: two loops may both be called `oc`, a loop unrolled four times
 * may declare `acc` four times; printers give each a name of its own. Every expression is pure.
 */
import type { Element, Register, Type } from './types.ts';

export type UnaryOperator = '-' | '~' | '!';
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
export type ShiftOperator = '<<' | '>>';
export type BitwiseOperator = '&' | '|' | '^';
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type LogicalOperator = '&&' | '||';
export type BinaryOperator =
  ArithmeticOperator | ShiftOperator | BitwiseOperator | Comparison | LogicalOperator;

export interface Literal {
  readonly kind: 'literal';
  readonly type: Type;
  /** bigint for i64, boolean for bool, number for the others. */
  readonly value: number | bigint | boolean;
}

/** A named value: parameter, `let`, `var` or loop variable. The node is its own identity. */
export interface Variable {
  readonly kind: 'variable';
  readonly type: Type;
  readonly name: string;
  readonly mutable: boolean;
}

export interface Unary {
  readonly kind: 'unary';
  readonly type: Type;
  readonly operator: UnaryOperator;
  readonly operand: Expression;
}

export interface Binary {
  readonly kind: 'binary';
  readonly type: Type;
  readonly operator: BinaryOperator;
  readonly left: Expression;
  readonly right: Expression;
}

/** `condition ? whenTrue : whenFalse`. C evaluates the chosen arm, WGSL evaluates both. */
export interface Select {
  readonly kind: 'select';
  readonly type: Type;
  readonly condition: Expression;
  readonly whenTrue: Expression;
  readonly whenFalse: Expression;
}

/** A conversion that keeps the value where the target type can hold it (i32 <-> u32 wraps). */
export interface Cast {
  readonly kind: 'cast';
  readonly type: Type;
  readonly operand: Expression;
}

/** A conversion that keeps the 32 bits. */
export interface Bitcast {
  readonly kind: 'bitcast';
  readonly type: Type;
  readonly operand: Expression;
}

export interface Load {
  readonly kind: 'load';
  readonly type: Type;
  readonly array: KernelArray;
  readonly index: Expression;
}

/** Four lanes, or one that is copied to all four. */
export interface Compose {
  readonly kind: 'compose';
  readonly type: Type;
  readonly lanes: readonly Expression[];
}

export interface Component {
  readonly kind: 'component';
  readonly type: Type;
  readonly vector: Expression;
  readonly lane: 0 | 1 | 2 | 3;
}

/** A call of a builtin row: the languages spell it, the evaluator runs its model. */
export interface Call {
  readonly kind: 'call';
  readonly type: Type;
  readonly builtin: Builtin;
  readonly operands: readonly Expression[];
}

/** Reads as many bytes as `row` says, from the element at `index` on. */
export interface VectorLoad {
  readonly kind: 'vector-load';
  readonly type: Type;
  readonly row: LoadRow;
  readonly array: KernelArray;
  readonly index: Expression;
}

/** A call of a function written in this language. */
export interface Invoke {
  readonly kind: 'invoke';
  readonly type: Type;
  readonly callee: KernelFunction;
  readonly operands: readonly Expression[];
}

export type InvocationIdName =
  | 'global_invocation_id'
  | 'local_invocation_id'
  | 'workgroup_id'
  | 'num_workgroups'
  /** Where in its subgroup; one number, called x. */
  | 'subgroup_invocation_id';

/** Where in the grid this invocation stands; u32, grid kernels only. */
export interface InvocationId {
  readonly kind: 'id';
  readonly type: 'u32';
  readonly id: InvocationIdName;
  readonly axis: 'x' | 'y' | 'z';
}

export type Expression =
  | Literal
  | Variable
  | Unary
  | Binary
  | Select
  | Cast
  | Bitcast
  | Load
  | Compose
  | Component
  | Call
  | VectorLoad
  | Invoke
  | InvocationId;

/**
 * Memory a kernel indexes. `storage` is the caller's buffer; `workgroup` is shared by a workgroup, `private` belongs to
 * one invocation or call, both start as zeros; `table` is a constant of the program.
 */
export interface KernelArray {
  readonly kind: 'array';
  readonly space: 'storage' | 'workgroup' | 'private' | 'table';
  readonly name: string;
  readonly element: Element;
  readonly access: 'read' | 'read_write';
  /** In elements. Undefined only for storage whose length the caller decides. */
  readonly length: number | undefined;
  /** The contents of a table. */
  readonly values?: readonly number[];
}

export type Statement =
  | { readonly kind: 'declare'; readonly variable: Variable; readonly value: Expression }
  | { readonly kind: 'declare-array'; readonly array: KernelArray }
  | { readonly kind: 'assign'; readonly variable: Variable; readonly value: Expression }
  | {
      readonly kind: 'store';
      readonly array: KernelArray;
      readonly index: Expression;
      readonly value: Expression;
    }
  /** Writes as many bytes as `row` says, from the element at `index` on. */
  | {
      readonly kind: 'vector-store';
      readonly row: StoreRow;
      readonly array: KernelArray;
      readonly index: Expression;
      readonly value: Expression;
    }
  | {
      readonly kind: 'for';
      readonly variable: Variable;
      readonly from: Expression;
      /** Exclusive, and evaluated before every trip. */
      readonly to: Expression;
      readonly step: number;
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'while'; readonly condition: Expression; readonly body: readonly Statement[] }
  | {
      readonly kind: 'if';
      readonly condition: Expression;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: 'break' }
  | { readonly kind: 'continue' }
  | { readonly kind: 'return'; readonly value: Expression | undefined }
  /**
   * All arrive before any goes on: the invocations of a workgroup, and then they see all writes to workgroup arrays; or the threads of a team,
   * and then they see all writes.
   */
  | { readonly kind: 'barrier' }
  /**
   * Declares vec4u variables with the u32 that the first invocations of the subgroup have: variable i holds those of invocations 4i to 4i+3. All
   * invocations of the workgroup arrive; subgroups are at least as large as that takes.
   */
  | { readonly kind: 'broadcast'; readonly variables: readonly Variable[]; readonly value: Expression }
  | { readonly kind: 'comment'; readonly text: string };

/**
 * An instruction set that C functions are compiled for one by one, whatever flags the file is compiled with: a file can so hold several, and
 * choose when it runs.
 */
export interface Isa {
  /** As in `--isa`: lower case. */
  readonly name: string;
  /** The preprocessor's condition for a machine that may have it. */
  readonly guard: string;
  /** Declares the intrinsics. */
  readonly header: string;
  /** What stands in `__attribute__((...))`, if anything must. */
  readonly attribute?: string;
  /** The same for clang, where it spells that otherwise, and the condition under which the whole file is compiled so and needs neither. */
  readonly clangAttribute?: string;
  readonly implied?: string;
  /** What the machine's probe needs, behind the guard. */
  readonly preamble?: readonly string[];
  /** Builtins of these features may be used. */
  readonly features: ReadonlySet<string>;
}

/** A pure function: reads its parameters and constant tables, touches no buffer, returns a value. */
export interface KernelFunction {
  /** Compiled for this instruction set, and always inlined: registers never pass through memory. */
  readonly isa?: Isa;
  readonly name: string;
  readonly doc: readonly string[];
  readonly parameters: readonly Variable[];
  readonly result: Type;
  readonly body: readonly Statement[];
}

/** What the evaluator computes with: bool is 0 or 1, i64 a bigint, vectors are their lanes, registers their bytes. */
export type Value = number | bigint | readonly number[] | Uint8Array;

/** How one language writes a builtin. */
export interface Spelling {
  readonly name: string;
  /** C: the header that declares it. */
  readonly header?: string;
  /** WGSL: the language feature that `requires` must name. C: the instruction set a function must be compiled for. */
  readonly feature?: string;
  /** C: the definition of `name`, where it is none of the language's or of a header. */
  readonly definition?: readonly string[];
}

/** How C writes an access through an address. */
export interface MemorySpelling extends Spelling {
  /** What the address is cast to, where the intrinsic does not take `void *`. */
  readonly pointer?: string;
}

/** One way to read memory at an address: a row like a builtin's. */
export interface LoadRow {
  readonly name: string;
  readonly result: Type;
  /** Bytes it reads. */
  readonly bytes: number;
  readonly c: MemorySpelling;
  readonly model: (bytes: Uint8Array) => Value;
}

/** One way to write a register to memory at an address. */
export interface StoreRow {
  readonly name: string;
  readonly value: Register;
  /** Bytes it writes. */
  readonly bytes: number;
  readonly c: MemorySpelling;
  readonly model: (value: Uint8Array) => Uint8Array;
}

/**
 * One row of the builtin table, one signature. A language without a spelling (or without its feature) gets the
 * `expansion`, a function in this language with the same meaning; where there is neither, its printer refuses.
 */
export interface Builtin {
  readonly name: string;
  readonly parameters: readonly Type[];
  readonly result: Type;
  readonly c?: Spelling;
  readonly wgsl?: Spelling;
  readonly expansion?: KernelFunction;
  /** The meaning, exactly. */
  readonly model: (...operands: never[]) => Value;
  /** False where languages may differ in the last bits (exp): such a row has no place in integer kernels. */
  readonly exact: boolean;
}

interface KernelHead {
  readonly name: string;
  readonly doc: readonly string[];
  /** In the order of the C function's parameters and of the WGSL bindings. */
  readonly parameters: readonly (KernelArray | Variable)[];
  readonly body: readonly Statement[];
}

/**
 * Threads that call a kernel at once, each with the same buffers but for those that are one thread's own, and share its work: which of them is
 * calling, from 0 on, and how many they are. One thread alone is a team of one.
 */
export interface Team {
  readonly thread: Variable;
  readonly threads: Variable;
}

/** A C function. */
export interface LoopKernel extends KernelHead {
  readonly flavour: 'loop';
  /** Where it is there, every thread of a team calls the kernel; otherwise one does. */
  readonly team?: Team;
  /** The instruction set it is compiled for; none is what every machine has. */
  readonly isa?: Isa;
}

/** A WGSL compute entry point. */
export interface GridKernel extends KernelHead {
  readonly flavour: 'grid';
  readonly workgroupSize: readonly [x: number, y: number, z: number];
}

export type Kernel = LoopKernel | GridKernel;
