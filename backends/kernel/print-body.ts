/**
 * What C and WGSL print alike: operators, statements, control flow, names. A language supplies a `Dialect`, the rows where the two
 * differ. Every variable gets a name of its own within its scopes, whatever the kernel's author called it.
 */
import { literal } from './expression.ts';
import type { Names } from './names.ts';
import { Names as NameScope } from './names.ts';
import { binaryText, prefixText, primary, primaryText, type Text } from './precedence.ts';
import type { Source } from './source.ts';
import type {
  Binary,
  Bitcast,
  Builtin,
  Cast,
  Compose,
  Expression,
  InvocationId,
  KernelArray,
  KernelFunction,
  Literal,
  MemorySpelling,
  Statement,
  Unary,
  Variable,
} from './tree.ts';

/** How one language writes what the other writes differently. Texts of operands are already printed. */
export interface Dialect {
  /** `const int32_t name`, `let name`: what stands before `= value;`. */
  declare(name: string, variable: Variable): string;
  /** The head of a counter in a `for`. */
  counter(name: string, variable: Variable): string;
  declareArray(name: string, array: KernelArray): string;
  literal(node: Literal): Text;
  cast(node: Cast, operand: Text): Text;
  bitcast(node: Bitcast, operand: Text): Text;
  select(condition: Text, whenTrue: Text, whenFalse: Text): Text;
  shift(node: Binary, left: Text, right: Text): Text;
  compose(node: Compose, lanes: readonly Text[]): Text;
  id(node: InvocationId): Text;
  /** The value as an element of `array` holds it. */
  stored(array: KernelArray, value: Expression, text: Text): string;
  /** The address of an element, as an intrinsic takes it. */
  address(array: string, index: Text, spelling: MemorySpelling, access: 'read' | 'write'): string;
  /** The operands of a call, between its parentheses. */
  operands(texts: readonly Text[]): string;
  /** The name a builtin is called by, undefined where its expansion is. */
  spell(builtin: Builtin): string | undefined;
  readonly barrier: string;
  /** What `value` is in lanes 4q to 4q+3 of the subgroup. */
  broadcast(value: Text, quad: number): string;
}

/** The names of everything declared outside the body that is printed. */
export interface Outside {
  readonly names: Names;
  /** Variables may print as more than a name: WGSL's `scalars.n`. */
  readonly texts: ReadonlyMap<Variable | KernelArray | KernelFunction, string>;
}

const compoundOperators: ReadonlySet<string> = new Set(['+', '-', '*', '&', '|', '^']);

/** The `if` that is all of an else arm: printed as `else if`. */
function onlyIf(body: readonly Statement[]): Extract<Statement, { kind: 'if' }> | undefined {
  const [only] = body;
  return body.length === 1 && only?.kind === 'if' ? only : undefined;
}

/** Prints bodies of one kernel or function. */
export class BodyPrinter {
  readonly #dialect: Dialect;
  readonly #source: Source;
  readonly #texts: Map<Variable | KernelArray | KernelFunction, string>;
  #names: Names;

  constructor(dialect: Dialect, source: Source, outside: Outside) {
    this.#dialect = dialect;
    this.#source = source;
    this.#texts = new Map(outside.texts);
    this.#names = outside.names;
  }

  body(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #nested(statements: readonly Statement[]): void {
    const outer = this.#names;
    this.#names = new NameScope(outer);
    this.body(statements);
    this.#names = outer;
  }

  #name(thing: Variable | KernelArray): string {
    const name = this.#names.fresh(thing.name);
    this.#texts.set(thing, name);
    return name;
  }

  #textOf(thing: Variable | KernelArray | KernelFunction): string {
    const text = this.#texts.get(thing);
    if (text === undefined) throw new Error(`${thing.name} was never declared`);
    return text;
  }

  #statement(statement: Statement): void {
    const source = this.#source;
    switch (statement.kind) {
      case 'declare': {
        const value = this.#print(statement.value).text;
        source.line(
          `${this.#dialect.declare(this.#name(statement.variable), statement.variable)} = ${value};`,
        );
        return;
      }
      case 'declare-array':
        source.line(`${this.#dialect.declareArray(this.#name(statement.array), statement.array)};`);
        return;
      case 'assign':
        this.#assign(statement);
        return;
      case 'store':
        this.#store(statement);
        return;
      case 'vector-store': {
        const { array, index, row, value } = statement;
        const address = this.#dialect.address(this.#textOf(array), this.#print(index), row.c, 'write');
        source.line(`${row.c.name}(${address}, ${this.#print(value).text});`);
        return;
      }
      case 'for':
        this.#for(statement);
        return;
      case 'while':
        source.open(`while (${this.#print(statement.condition).text}) {`);
        this.#nested(statement.body);
        source.close();
        return;
      case 'if':
        this.#if(statement);
        return;
      case 'return':
        source.line(
          statement.value === undefined ? 'return;' : `return ${this.#print(statement.value).text};`,
        );
        return;
      case 'barrier':
        source.line(this.#dialect.barrier);
        return;
      case 'broadcast': {
        const value = this.#print(statement.value);
        for (const [quad, variable] of statement.variables.entries()) {
          const text = this.#dialect.broadcast(value, quad);
          source.line(`${this.#dialect.declare(this.#name(variable), variable)} = ${text};`);
        }
        return;
      }
      case 'comment':
        source.comment(statement.text);
        return;
      case 'break':
      case 'continue':
        source.line(`${statement.kind};`);
        return;
    }
  }

  #assign({ variable, value }: Extract<Statement, { kind: 'assign' }>): void {
    const target = this.#textOf(variable);
    if (value.kind === 'binary' && value.left === variable && compoundOperators.has(value.operator)) {
      this.#source.line(`${target} ${value.operator}= ${this.#print(value.right).text};`);
    } else {
      this.#source.line(`${target} = ${this.#print(value).text};`);
    }
  }

  #store({ array, index, value }: Extract<Statement, { kind: 'store' }>): void {
    const target = `${this.#textOf(array)}[${this.#print(index).text}]`;
    const updates =
      value.kind === 'binary' &&
      compoundOperators.has(value.operator) &&
      value.left.kind === 'load' &&
      value.left.array === array &&
      value.left.index === index &&
      value.type === array.element;
    if (updates) this.#source.line(`${target} ${value.operator}= ${this.#print(value.right).text};`);
    else this.#source.line(`${target} = ${this.#dialect.stored(array, value, this.#print(value))};`);
  }

  #for(statement: Extract<Statement, { kind: 'for' }>): void {
    const from = this.#print(statement.from).text;
    const outer = this.#names;
    this.#names = new NameScope(outer);
    const counter = this.#name(statement.variable);
    const condition = binaryText('<', primary(counter), this.#print(statement.to)).text;
    const step =
      statement.step === 1
        ? `${counter}++`
        : `${counter} += ${this.#print(literal(statement.variable.type === 'u32' ? 'u32' : 'i32', statement.step)).text}`;
    const head = `${this.#dialect.counter(counter, statement.variable)} = ${from}; ${condition}; ${step}`;
    this.#source.open(`for (${head}) {`);
    this.#nested(statement.body);
    this.#source.close();
    this.#names = outer;
  }

  #if(statement: Extract<Statement, { kind: 'if' }>): void {
    this.#source.open(`if (${this.#print(statement.condition).text}) {`);
    this.#nested(statement.then);
    let rest = statement.otherwise;
    for (let only = onlyIf(rest); only !== undefined; only = onlyIf(rest)) {
      this.#source.turn(`} else if (${this.#print(only.condition).text}) {`);
      this.#nested(only.then);
      rest = only.otherwise;
    }
    if (rest.length > 0) {
      this.#source.turn('} else {');
      this.#nested(rest);
    }
    this.#source.close();
  }

  #print(expression: Expression): Text {
    const dialect = this.#dialect;
    switch (expression.kind) {
      case 'literal':
        return dialect.literal(expression);
      case 'variable':
        return primary(this.#textOf(expression));
      case 'unary':
        return this.#unary(expression);
      case 'binary':
        return this.#binary(expression);
      case 'select':
        return dialect.select(
          this.#print(expression.condition),
          this.#print(expression.whenTrue),
          this.#print(expression.whenFalse),
        );
      case 'cast':
        return dialect.cast(expression, this.#print(expression.operand));
      case 'bitcast':
        return dialect.bitcast(expression, this.#print(expression.operand));
      case 'load':
        return primary(`${this.#textOf(expression.array)}[${this.#print(expression.index).text}]`);
      case 'vector-load': {
        const { array, index, row } = expression;
        const address = dialect.address(this.#textOf(array), this.#print(index), row.c, 'read');
        return primary(`${row.c.name}(${address})`);
      }
      case 'compose':
        return dialect.compose(
          expression,
          expression.lanes.map((lane) => this.#print(lane)),
        );
      case 'component':
        return primary(`${primaryText(this.#print(expression.vector))}.${'xyzw'.charAt(expression.lane)}`);
      case 'call': {
        const { builtin, operands } = expression;
        const spelling = dialect.spell(builtin);
        if (spelling !== undefined) return this.#callText(spelling, operands);
        if (builtin.expansion === undefined)
          throw new Error(`${builtin.name} has neither spelling nor expansion`);
        return this.#callText(this.#textOf(builtin.expansion), operands);
      }
      case 'invoke':
        return this.#callText(this.#textOf(expression.callee), expression.operands);
      case 'id':
        return dialect.id(expression);
    }
  }

  #unary(node: Unary): Text {
    return prefixText(node.operator, this.#print(node.operand));
  }

  #binary(node: Binary): Text {
    const left = this.#print(node.left);
    const right = this.#print(node.right);
    if (node.operator === '<<' || node.operator === '>>') return this.#dialect.shift(node, left, right);
    return binaryText(node.operator, left, right);
  }

  #callText(name: string, operands: readonly Expression[]): Text {
    return primary(`${name}(${this.#dialect.operands(operands.map((operand) => this.#print(operand)))})`);
  }
}
