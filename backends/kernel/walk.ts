/** The children of expressions and statements: what every walk over a kernel needs. */
import type { Expression, KernelArray, KernelFunction, Literal, Statement } from './tree.ts';

/** The direct operands of an expression: what every walk over expressions needs. */
export function operandsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'variable':
    case 'id':
      return [];
    case 'unary':
    case 'cast':
    case 'bitcast':
      return [expression.operand];
    case 'binary':
      return [expression.left, expression.right];
    case 'select':
      return [expression.condition, expression.whenTrue, expression.whenFalse];
    case 'load':
    case 'vector-load':
      return [expression.index];
    case 'compose':
      return expression.lanes;
    case 'component':
      return [expression.vector];
    case 'call':
    case 'invoke':
      return expression.operands;
  }
}

/** The expressions a statement holds itself, nested bodies left out. */
export function expressionsOf(statement: Statement): readonly Expression[] {
  switch (statement.kind) {
    case 'declare':
    case 'assign':
    case 'broadcast':
      return [statement.value];
    case 'store':
    case 'vector-store':
      return [statement.index, statement.value];
    case 'for':
      return [statement.from, statement.to];
    case 'while':
    case 'if':
      return [statement.condition];
    case 'return':
      return statement.value === undefined ? [] : [statement.value];
    default:
      return [];
  }
}

/** The bodies nested in a statement. */
export function bodiesOf(statement: Statement): readonly (readonly Statement[])[] {
  if (statement.kind === 'for' || statement.kind === 'while') return [statement.body];
  return statement.kind === 'if' ? [statement.then, statement.otherwise] : [];
}

/** Every array these statements write. */
export const storesOf = (body: readonly Statement[]): readonly KernelArray[] =>
  body.flatMap((statement) =>
    statement.kind === 'store' || statement.kind === 'vector-store'
      ? [statement.array]
      : bodiesOf(statement).flatMap(storesOf),
  );

/** Every literal of these statements and of the functions they call, each function once, in an order that depends on their form alone. */
export function literalsOf(body: readonly Statement[]): readonly Literal[] {
  const found: Literal[] = [];
  const functions = new Set<KernelFunction>();
  const seeExpression = (expression: Expression): void => {
    if (expression.kind === 'literal') found.push(expression);
    for (const operand of operandsOf(expression)) seeExpression(operand);
    if (expression.kind === 'invoke' && !functions.has(expression.callee)) {
      functions.add(expression.callee);
      seeBody(expression.callee.body);
    }
  };
  const seeBody = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      expressionsOf(statement).forEach(seeExpression);
      bodiesOf(statement).forEach(seeBody);
    }
  };
  seeBody(body);
  return found;
}
