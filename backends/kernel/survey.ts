/**
 * What a kernel uses, found by walking it: nothing is declared twice, so nothing can be declared wrongly. Printers ask it
 * what must stand before the kernel; which builtins a language spells itself and which need their expansion is the asker's answer.
 */
import { KernelError } from './kernel-error.ts';
import type {
  Builtin,
  Expression,
  InvocationIdName,
  Isa,
  KernelArray,
  KernelFunction,
  Spelling,
  Statement,
} from './tree.ts';
import { bodiesOf, expressionsOf, operandsOf } from './walk.ts';

export interface Survey {
  /** Callees before callers; expansions among them. */
  readonly functions: ReadonlySet<KernelFunction>;
  readonly tables: ReadonlySet<KernelArray>;
  readonly workgroupArrays: ReadonlySet<KernelArray>;
  /** Builtins that the language spells itself, and their spellings. */
  readonly builtins: ReadonlySet<Builtin>;
  readonly spellings: ReadonlySet<Spelling>;
  readonly ids: ReadonlySet<InvocationIdName>;
  /** Of how many fours of invocations others of the subgroup hear, at most. */
  readonly subgroupQuads: number;
}

/** A function is spelled with the instruction set it is compiled for; a kernel's own is the asker's business. */
export type SpellerOf = (isa: Isa | undefined) => Speller;

/** The language's own spelling of a builtin, undefined where it must be expanded. */
export type Speller = (builtin: Builtin) => Spelling | undefined;

/** The function that stands in for a builtin; throws where the language has neither spelling nor expansion. */
export function expansionOf(builtin: Builtin, language: string): KernelFunction {
  if (builtin.expansion !== undefined) return builtin.expansion;
  throw new KernelError(`${language} has no ${builtin.name}(${builtin.parameters.join(', ')})`);
}

/** Walks `body`, which is compiled for `isa`, and every function it calls. */
export function survey(
  body: readonly Statement[],
  language: string,
  spellerOf: SpellerOf,
  isa?: Isa,
): Survey {
  let spell = spellerOf(isa);
  const functions = new Set<KernelFunction>();
  const tables = new Set<KernelArray>();
  const workgroupArrays = new Set<KernelArray>();
  const builtins = new Set<Builtin>();
  const spellings = new Set<Spelling>();
  const ids = new Set<InvocationIdName>();
  let subgroupQuads = 0;

  const seeFunction = (callee: KernelFunction): void => {
    if (functions.has(callee)) return;
    const outer = spell;
    spell = spellerOf(callee.isa);
    seeBody(callee.body);
    spell = outer;
    functions.add(callee);
  };
  const seeArray = (array: KernelArray): void => {
    if (array.space === 'table') tables.add(array);
    if (array.space === 'workgroup') workgroupArrays.add(array);
  };
  const seeExpression = (expression: Expression): void => {
    operandsOf(expression).forEach(seeExpression);
    if (expression.kind === 'id') ids.add(expression.id);
    if (expression.kind === 'load' || expression.kind === 'vector-load') seeArray(expression.array);
    if (expression.kind === 'vector-load') spellings.add(expression.row.c);
    if (expression.kind === 'invoke') seeFunction(expression.callee);
    if (expression.kind === 'call') {
      const spelling = spell(expression.builtin);
      if (spelling === undefined) seeFunction(expansionOf(expression.builtin, language));
      else {
        builtins.add(expression.builtin);
        spellings.add(spelling);
      }
    }
  };
  const seeBody = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === 'broadcast') subgroupQuads = Math.max(subgroupQuads, statement.variables.length);
      expressionsOf(statement).forEach(seeExpression);
      if (statement.kind === 'store' || statement.kind === 'vector-store') seeArray(statement.array);
      if (statement.kind === 'vector-store') spellings.add(statement.row.c);
      bodiesOf(statement).forEach(seeBody);
    }
  };

  seeBody(body);
  return { functions, tables, workgroupArrays, builtins, spellings, ids, subgroupQuads };
}
