/**
 * The rules of the language that need the whole kernel: every variable is declared before use and within scope; a parameter
 * list has no duplicates; functions are pure and return on every path; `break` stands in a loop; workgroup arrays and invocation ids stand in grid kernels only, barriers also in loop kernels that a team calls. The builder runs this, so a `Kernel` that exists is a legal one.
 */
import { KernelError } from './kernel-error.ts';
import type { Expression, Kernel, KernelArray, KernelFunction, Statement, Variable } from './tree.ts';
import { expressionsOf, operandsOf } from './walk.ts';

interface Context {
  readonly name: string;
  readonly place: 'function' | 'loop' | 'grid';
  readonly result: string | undefined;
  readonly inLoop: boolean;
  /** There is somebody to wait for. */
  readonly meets: boolean;
}

type Scope = ReadonlySet<Variable | KernelArray>;

function verifyArrayUse(array: KernelArray, scope: Scope, context: Context): void {
  const complain = (what: string): never => {
    throw new KernelError(`${context.name}: ${array.name} ${what}`);
  };
  if (array.space === 'table') return;
  if (array.space === 'workgroup') {
    if (context.place !== 'grid') complain('is a workgroup array outside a grid kernel');
  } else if (!scope.has(array)) {
    complain(array.space === 'storage' ? 'is no parameter of this kernel' : 'is used outside its scope');
  }
}

function verifyExpression(expression: Expression, scope: Scope, context: Context): void {
  if (expression.kind === 'variable' && !scope.has(expression)) {
    throw new KernelError(`${context.name}: ${expression.name} is used outside its scope`);
  }
  if (expression.kind === 'id' && context.place !== 'grid') {
    throw new KernelError(`${context.name}: ${expression.id} exists in grid kernels only`);
  }
  if (expression.kind === 'load' || expression.kind === 'vector-load')
    verifyArrayUse(expression.array, scope, context);
  for (const operand of operandsOf(expression)) verifyExpression(operand, scope, context);
}

function verifyBody(body: readonly Statement[], outer: Scope, context: Context): void {
  const scope = new Set(outer);
  for (const statement of body) {
    for (const expression of expressionsOf(statement)) verifyExpression(expression, scope, context);
    verifyStatement(statement, scope, context);
  }
}

function verifyStatement(statement: Statement, scope: Set<Variable | KernelArray>, context: Context): void {
  const complain = (what: string): never => {
    throw new KernelError(`${context.name}: ${what}`);
  };
  switch (statement.kind) {
    case 'declare':
      if (scope.has(statement.variable)) complain(`${statement.variable.name} is declared twice`);
      scope.add(statement.variable);
      return;
    case 'declare-array':
      if (scope.has(statement.array)) complain(`${statement.array.name} is declared twice`);
      scope.add(statement.array);
      return;
    case 'assign':
      if (!scope.has(statement.variable))
        complain(`${statement.variable.name} is assigned outside its scope`);
      return;
    case 'store':
    case 'vector-store':
      verifyArrayUse(statement.array, scope, context);
      return;
    case 'for':
      verifyBody(statement.body, new Set([...scope, statement.variable]), { ...context, inLoop: true });
      return;
    case 'while':
      verifyBody(statement.body, scope, { ...context, inLoop: true });
      return;
    case 'if':
      verifyBody(statement.then, scope, context);
      verifyBody(statement.otherwise, scope, context);
      return;
    case 'break':
    case 'continue':
      if (!context.inLoop) complain(`${statement.kind} outside a loop`);
      return;
    case 'return':
      if (statement.value?.type !== context.result) {
        complain(`returns ${String(statement.value?.type)}, expected ${String(context.result)}`);
      }
      return;
    case 'barrier':
      if (!context.meets) complain('a barrier where nobody else arrives');
      return;
    case 'broadcast':
      if (context.place !== 'grid') complain('a broadcast outside a grid kernel');
      for (const variable of statement.variables) scope.add(variable);
      return;
    case 'comment':
      return;
  }
}

/** Whether control cannot reach the end of these statements. Only return and if/else count: loops may run zero times. */
const alwaysReturns = (body: readonly Statement[]): boolean =>
  body.some(
    (statement) =>
      statement.kind === 'return' ||
      (statement.kind === 'if' && alwaysReturns(statement.then) && alwaysReturns(statement.otherwise)),
  );

/** Returns the function when it keeps the rules; throws `KernelError` otherwise. */
export function verifyFunction(candidate: KernelFunction): KernelFunction {
  const { name, parameters, result, body } = candidate;
  verifyBody(body, new Set(parameters), {
    name,
    place: 'function',
    result,
    inLoop: false,
    meets: false,
  });
  if (!alwaysReturns(body)) throw new KernelError(`${name}: not every path returns`);
  return candidate;
}

/** Returns the kernel when it keeps the rules; throws `KernelError` otherwise. */
export function verifyKernel<K extends Kernel>(candidate: K): K {
  const { name, parameters, flavour, body } = candidate;
  for (const parameter of parameters) {
    if (parameter.kind === 'array' && parameter.space !== 'storage') {
      throw new KernelError(`${name}: parameter ${parameter.name} is a ${parameter.space} array`);
    }
  }
  const team = candidate.flavour === 'loop' ? candidate.team : undefined;
  const scope = new Set(team === undefined ? parameters : [...parameters, team.thread, team.threads]);
  const meets = flavour === 'grid' || team !== undefined;
  verifyBody(body, scope, { name, place: flavour, result: undefined, inLoop: false, meets });
  return candidate;
}
