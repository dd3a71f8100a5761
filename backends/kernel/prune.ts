/**
 * Drops what a body computes but never reads: variables, private arrays, and the loops and branches left empty. A kernel generated from options
 * then need not track which of its values an option made superfluous, and C compilers find nothing unused to warn about.
 *
 * Law: what the kernel stores and returns is unchanged. (An expression is pure, so dropping one loses nothing but its errors.)
 */
import type { Expression, KernelArray, Statement, Variable } from './tree.ts';
import { bodiesOf, expressionsOf, operandsOf } from './walk.ts';

type Used = Set<Variable | KernelArray>;

function seeExpression(expression: Expression, used: Used): void {
  if (expression.kind === 'variable') used.add(expression);
  if (expression.kind === 'load' || expression.kind === 'vector-load') used.add(expression.array);
  for (const operand of operandsOf(expression)) seeExpression(operand, used);
}

/** Everything read anywhere in these statements. */
export function readsOf(
  body: readonly Statement[],
  used: Used = new Set(),
): ReadonlySet<Variable | KernelArray> {
  for (const statement of body) {
    for (const expression of expressionsOf(statement)) seeExpression(expression, used);
    for (const inner of bodiesOf(statement)) readsOf(inner, used);
  }
  return used;
}

function keep(body: readonly Statement[], used: ReadonlySet<Variable | KernelArray>): readonly Statement[] {
  return body.flatMap((statement): Statement[] => {
    switch (statement.kind) {
      case 'declare':
      case 'assign':
        return used.has(statement.variable) ? [statement] : [];
      case 'declare-array':
        return used.has(statement.array) ? [statement] : [];
      case 'broadcast':
        return statement.variables.some((variable) => used.has(variable)) ? [statement] : [];
      case 'store':
      case 'vector-store':
        return statement.array.space !== 'private' || used.has(statement.array) ? [statement] : [];
      case 'for': {
        const inner = keep(statement.body, used);
        return isEmpty(inner) ? [] : [{ ...statement, body: inner }];
      }
      case 'while':
        return [{ ...statement, body: keep(statement.body, used) }];
      case 'if': {
        const then = keep(statement.then, used);
        const otherwise = keep(statement.otherwise, used);
        return isEmpty(then) && isEmpty(otherwise) ? [] : [{ ...statement, then, otherwise }];
      }
      default:
        return [statement];
    }
  });
}

const isEmpty = (body: readonly Statement[]): boolean => body.every(({ kind }) => kind === 'comment');

const count = (body: readonly Statement[]): number =>
  body.reduce(
    (total, statement) => total + 1 + bodiesOf(statement).reduce((sum, inner) => sum + count(inner), 0),
    0,
  );

/** The body without what nobody reads, to a fixed point. `x += 1` alone does not keep x alive. */
export function prune(body: readonly Statement[]): readonly Statement[] {
  const kept = keep(body, readsOf(withoutOwnUpdates(body)));
  return count(kept) === count(body) ? body : prune(kept);
}

/** `x = x + e` reads x only for itself: it counts as reading e. */
function withoutOwnUpdates(body: readonly Statement[]): readonly Statement[] {
  return body.map((statement): Statement => {
    switch (statement.kind) {
      case 'assign': {
        const { value, variable } = statement;
        return value.kind === 'binary' && value.left === variable
          ? { ...statement, value: value.right }
          : statement;
      }
      case 'for':
      case 'while':
        return { ...statement, body: withoutOwnUpdates(statement.body) };
      case 'if':
        return {
          ...statement,
          then: withoutOwnUpdates(statement.then),
          otherwise: withoutOwnUpdates(statement.otherwise),
        };
      default:
        return statement;
    }
  });
}
