/**
 * Prints loop kernels as C11 that gcc and clang accept under -Wall -Wextra -Wconversion -pedantic -Werror.
 *
 * Nothing printed is undefined: i32 shifts left go through uint32_t, narrowing and sign changes are explicit casts, and the rest
 * (indices, signed sums) is the kernel's promise, which the evaluator checks. One thing is left to the implementation by the standard
 * and assumed here: `>>` of a negative value shifts arithmetically, and conversion to a signed type wraps. Every compiler for every
 * machine we name does both.
 */
import { floatText } from './float-text.ts';
import { KernelError } from './kernel-error.ts';
import { Names } from './names.ts';
import { parenthesized, prefixText, primary, primaryText, type Text } from './precedence.ts';
import { BodyPrinter, type Dialect } from './print-body.ts';
import { readsOf } from './prune.ts';
import { Source, sourceWidth, wrapped } from './source.ts';
import { type Speller, survey } from './survey.ts';
import type {
  Builtin,
  Isa,
  KernelArray,
  KernelFunction,
  Literal,
  LoopKernel,
  Spelling,
  Team,
  Variable,
} from './tree.ts';
import { type Element, type Type, typeRows } from './types.ts';
import { storesOf } from './walk.ts';

export interface COptions {
  /** `static` unless other files call the kernels. */
  readonly linkage?: 'static' | 'extern';
  /** Instruction sets the file is compiled for; a builtin of any other is expanded or refused. */
  readonly features?: ReadonlySet<string>;
  /** Names the surrounding file uses at its top level, which tables and functions must avoid. */
  readonly taken?: readonly string[];
  /** What a team of threads is in the surrounding file, and the function that waits for all of it. */
  readonly team?: TeamNames;
}

/** `type` is a struct that `thread` and `threads` are members of; `meet` takes a pointer to it. */
export interface TeamNames {
  readonly type: string;
  readonly meet: string;
}

const someTeam: TeamNames = { type: 'struct team', meet: 'meet' };

/** A translation unit in pieces, for emitters that put more into the file. Each definition is lines without a final blank. */
export interface CUnit {
  /** Headers, sorted: `stdint.h`. Those of instruction sets are not among them. */
  readonly headers: readonly string[];
  /** Instruction sets the kernels are compiled for, each with the lines that stand before their first use. */
  readonly isas: readonly { readonly isa: Isa; readonly lines: readonly string[] }[];
  /** Tables and functions, in an order that needs no forward declarations. */
  readonly support: readonly (readonly string[])[];
  readonly kernels: readonly {
    readonly name: string;
    /** The head without body, for a header file: `void name(...)`, with its `static` if it has one. */
    readonly prototype: string;
    readonly lines: readonly string[];
  }[];
}

/** Functions on registers must end up in the loop that calls them: a call would spill every accumulator. */
const alwaysInline: readonly string[] = [
  '#define ALWAYS_INLINE static inline __attribute__((always_inline))',
  // A kernel inside its only caller shares that one's registers and is scheduled anew: gcc 12 made ResNet-18 up to a fifth slower so.
  '#define NEVER_INLINE __attribute__((noinline))',
];

/** What a function of an instruction set is marked with, so that no compiler flag is needed for it. */
const targetMacro = (isa: Isa): string => `TARGET_${isa.name.toUpperCase()}`;

const targetDefinition = (isa: Isa, attribute: string | undefined): string =>
  `#define ${targetMacro(isa)}${attribute === undefined ? '' : ` __attribute__((${attribute}))`}`;

const targetLines = (isa: Isa): readonly string[] => {
  const cases = [
    { condition: isa.implied, attribute: undefined },
    { condition: isa.clangAttribute && 'defined(__clang__)', attribute: isa.clangAttribute },
  ].filter(({ condition }) => condition !== undefined);
  const last = targetDefinition(isa, isa.attribute);
  if (cases.length === 0) return [last];
  return [
    ...cases.flatMap(({ condition, attribute }, i) => [
      `#${i === 0 ? 'if' : 'elif'} ${condition!}`,
      targetDefinition(isa, attribute),
    ]),
    '#else',
    last,
    '#endif',
  ];
};

const isaLines = (isa: Isa): readonly string[] => [
  `#if ${isa.guard}`,
  `#include <${isa.header}>`,
  // g++ 12 warns about its own header: its `_mm512_undefined` is a variable initialised with itself.
  '#if defined(__cplusplus) && defined(__GNUC__) && !defined(__clang__)',
  '#pragma GCC diagnostic ignored "-Wuninitialized"',
  '#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"',
  '#endif',
  ...targetLines(isa),
  ...(isa.preamble ?? []),
  '#endif',
];

/** A definition that only machines of an instruction set may see. */
const guarded = (isa: Isa | undefined, lines: readonly string[]): readonly string[] =>
  isa === undefined ? lines : [`#if ${isa.guard}`, ...lines, '#endif'];

/** What several kernels share is there where one of them is: compilers warn of functions that nobody calls. */
class Shared {
  readonly #lines: readonly string[];
  readonly #guards = new Set<string>();
  #everywhere = false;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  usedBy({ isa }: LoopKernel): void {
    if (isa === undefined) this.#everywhere = true;
    else this.#guards.add(isa.guard);
  }

  get lines(): readonly string[] {
    if (this.#everywhere) return this.#lines;
    return [`#if ${[...this.#guards].join(' || ')}`, ...this.#lines, '#endif'];
  }
}

function spelled(type: Type | Element): string {
  const name = typeRows[type].c;
  if (name === undefined) throw new KernelError(`C has no ${type}`);
  return name;
}

function literalText({ type, value }: Literal): Text {
  if (typeof value === 'boolean') return primary(String(value));
  if (type === 'i64') return primary(value === -(2n ** 63n) ? 'INT64_MIN' : `INT64_C(${String(value)})`);
  if (type === 'i32' && value === -(2 ** 31)) return primary('INT32_MIN');
  if (type === 'u32') return primary(`${String(value)}u`);
  const text = type === 'f32' ? floatText(Number(value)) : String(value);
  return { text, tightness: text.startsWith('-') ? 'unary' : 'primary' };
}

const castText = (type: string, operand: Text): Text => prefixText(`(${type})`, operand);

/** Reads 32 bits as another type: a union, which C11 allows, where floats are involved. */
function bitcastText(to: Type, from: Type, operand: Text): Text {
  if (to !== 'f32' && from !== 'f32') return castText(spelled(to), operand);
  const union = `union { ${spelled(from)} from; ${spelled(to)} to; }`;
  return primary(`((${union}){.from = ${operand.text}}).to`);
}

/** A shift amount: a literal needs no suffix here. */
const amountText = (text: Text): Text => (/^\d+u$/.test(text.text) ? primary(text.text.slice(0, -1)) : text);

const dialectOf = (spell: (builtin: Builtin) => Spelling | undefined, team: TeamNames): Dialect => ({
  declare: (name, variable) => `${variable.mutable ? '' : 'const '}${spelled(variable.type)} ${name}`,
  counter: (name, variable) => `${spelled(variable.type)} ${name}`,
  declareArray: (name, array) => `${spelled(array.element)} ${name}[${String(array.length)}] = {0}`,
  literal: literalText,
  cast: (node, operand) => castText(spelled(node.type), operand),
  bitcast: (node, operand) => bitcastText(node.type, node.operand.type, operand),
  select: (condition, whenTrue, whenFalse) => ({
    text: `${nestedSelect(condition)} ? ${nestedSelect(whenTrue)} : ${nestedSelect(whenFalse)}`,
    tightness: 'select',
  }),
  shift: (node, left, right) => {
    const amount = primaryOrUnary(amountText(right));
    if (node.operator === '>>' || node.type === 'u32') {
      return { text: `${primaryOrUnary(left)} ${node.operator} ${amount}`, tightness: 'shift' };
    }
    const unsigned = node.type === 'i64' ? 'uint64_t' : 'uint32_t';
    return castText(spelled(node.type), primary(`(${castText(unsigned, left).text} << ${amount})`));
  },
  compose: (node) => {
    throw new KernelError(`C has no ${node.type}`);
  },
  id: (node) => {
    throw new KernelError(`C has no ${node.id}`);
  },
  stored: (array, value, text) => {
    const sameElement = value.kind === 'load' && value.array.element === array.element;
    if (typeRows[array.element].range === undefined || value.kind === 'literal' || sameElement)
      return text.text;
    return castText(spelled(array.element), text).text;
  },
  address: (array, index, spelling, access) => {
    const address = index.text === '0' ? array : `${array} + ${index.text}`;
    if (spelling.pointer === undefined) return address;
    const qualifier = access === 'read' ? 'const ' : '';
    return `(${qualifier}${spelling.pointer} *)(${qualifier}void *)(${address})`;
  },
  operands: (texts) => texts.map(({ text }) => text).join(', '),
  spell: (builtin) => spell(builtin)?.name,
  broadcast(): string {
    throw new KernelError('C kernels have no subgroups');
  },
  barrier: `${team.meet}(team);`,
});

const nestedSelect = (text: Text): string =>
  text.tightness === 'select' ? parenthesized(text.text) : text.text;

const primaryOrUnary = (text: Text): string => (text.tightness === 'unary' ? text.text : primaryText(text));

/** `head(parameters)`, one parameter a line where a single line would be too long. */
function headLines(head: string, parameters: readonly string[], end: string): readonly string[] {
  const line = `${head}(${parameters.length === 0 ? 'void' : parameters.join(', ')})${end}`;
  if (line.length <= sourceWidth) return [line];
  return [
    `${head}(`,
    ...parameters.map(
      (parameter, position) => `    ${parameter}${position + 1 < parameters.length ? ',' : `)${end}`}`,
    ),
  ];
}

function parameterText(parameter: KernelArray | Variable, name: string): string {
  if (parameter.kind === 'variable') return `${spelled(parameter.type)} ${name}`;
  return `${parameter.access === 'read' ? 'const ' : ''}${spelled(parameter.element)} *restrict ${name}`;
}

function tableLines(table: KernelArray, name: string): readonly string[] {
  const source = new Source();
  const type = typeRows[table.element].lane!;
  const items = (table.values ?? []).map((value) => literalText({ kind: 'literal', type, value }).text);
  source.open(`static const ${spelled(table.element)} ${name}[${String(items.length)}] = {`);
  source.lines(wrapped(items));
  source.close('};');
  return source.toLines();
}

interface Definition {
  readonly doc: readonly string[];
  readonly head: string;
  readonly parameters: readonly (KernelArray | Variable)[];
  readonly body: KernelFunction['body'];
  readonly isa?: Isa;
  readonly team?: Team;
}

/**
 * Prints kernels that share one file. Functions and tables they share are printed once; different ones of one name are renamed.
 * Throws `KernelError` for what C cannot express.
 */
export function printCUnit(kernels: readonly LoopKernel[], options: COptions = {}): CUnit {
  const features = options.features ?? new Set<string>();
  const spellerOf =
    (isa: Isa | undefined): Speller =>
    ({ c }) =>
      c !== undefined &&
      (c.feature === undefined || features.has(c.feature) || isa?.features.has(c.feature) === true)
        ? c
        : undefined;
  const names = new Names();
  options.taken?.forEach((name) => names.claim(name));
  kernels.forEach((kernel) => names.claim(kernel.name));

  const headers = new Set(['stdbool.h', 'stdint.h']);
  const isas = new Set<Isa>();
  const support = new Map<Spelling | KernelArray | string, Shared>();
  /** Notes that a kernel needs what `key` stands for, and prints it the first time. */
  const share = (
    key: Spelling | KernelArray | string,
    kernel: LoopKernel,
    print: () => readonly string[],
  ): void => {
    const shared = support.get(key) ?? new Shared(print());
    shared.usedBy(kernel);
    support.set(key, shared);
  };
  const texts = new Map<Variable | KernelArray | KernelFunction, string>();
  const printedFunctions = new Map<string, string>();

  const teamNames = options.team ?? someTeam;
  const define = ({ doc, head, parameters, body, isa, team }: Definition): readonly string[] => {
    const dialect = dialectOf(spellerOf(isa), teamNames);
    const source = new Source();
    const scope = new Names(names);
    const inside = new Map(texts);
    if (team !== undefined) scope.claim('team');
    const declared = parameters.map((parameter) => {
      const name = scope.fresh(parameter.name);
      inside.set(parameter, name);
      return parameterText(parameter, name);
    });
    if (team !== undefined) declared.push(`const ${teamNames.type} *team`);
    doc.forEach((line) => {
      source.comment(line);
    });
    const lines = headLines(head, declared, ' {');
    source.lines(lines.slice(0, -1));
    source.open(lines.at(-1) ?? '');
    const used = new Set([...readsOf(body), ...storesOf(body)]);
    for (const parameter of parameters)
      if (!used.has(parameter)) source.line(`(void)${inside.get(parameter) ?? ''};`);
    for (const variable of [team?.thread, team?.threads]) {
      if (variable === undefined || !used.has(variable)) continue;
      const name = scope.fresh(variable.name);
      inside.set(variable, name);
      source.line(`const ${spelled(variable.type)} ${name} = team->${variable.name};`);
    }
    new BodyPrinter(dialect, source, { names: new Names(scope), texts: inside }).body(body);
    source.close();
    return source.toLines();
  };

  const functionLines = (callee: KernelFunction, name: string): readonly string[] => {
    const result = spelled(callee.result);
    return define({
      ...callee,
      head:
        callee.isa === undefined
          ? `static inline ${result} ${name}`
          : `ALWAYS_INLINE ${targetMacro(callee.isa)} ${result} ${name}`,
    });
  };

  const supportKernel = (kernel: LoopKernel): void => {
    const used = survey(kernel.body, 'C', spellerOf, kernel.isa);
    if (kernel.isa !== undefined) isas.add(kernel.isa);
    for (const spelling of used.spellings) {
      if (spelling.header !== undefined) headers.add(spelling.header);
      const { definition } = spelling;
      if (definition !== undefined) share(spelling, kernel, () => definition);
    }
    for (const table of used.tables) {
      const name = texts.get(table) ?? names.fresh(table.name);
      texts.set(table, name);
      share(table, kernel, () => tableLines(table, name));
    }
    for (const callee of used.functions) {
      const known = texts.get(callee);
      const asWritten = known === undefined ? functionLines(callee, callee.name).join('\n') : undefined;
      const name = known ?? printedFunctions.get(asWritten!) ?? names.fresh(callee.name);
      texts.set(callee, name);
      if (asWritten !== undefined) printedFunctions.set(asWritten, name);
      share(name, kernel, () => functionLines(callee, name));
    }
  };

  kernels.forEach(supportKernel);
  const linkage = options.linkage === 'extern' ? '' : 'static ';
  const printed = kernels.map((kernel) => {
    const head = `${kernel.isa === undefined ? '' : `NEVER_INLINE ${targetMacro(kernel.isa)} `}${linkage}void ${kernel.name}`;
    const parameters = [
      ...kernel.parameters.map((parameter) => parameterText(parameter, parameter.name)),
      ...(kernel.team === undefined ? [] : [`const ${teamNames.type} *team`]),
    ];
    return {
      name: kernel.name,
      prototype: headLines(head, parameters, '').join('\n'),
      lines: guarded(kernel.isa, define({ ...kernel, head })),
    };
  });
  return {
    headers: Array.from(headers).sort(),
    isas: Array.from(isas, (isa) => ({ isa, lines: isaLines(isa) })),
    support: [
      ...(isas.size === 0 ? [] : [alwaysInline]),
      ...Array.from(support.values(), ({ lines }) => lines),
    ],
    kernels: printed,
  };
}

/** Prints kernels as one complete C file. */
export function printC(kernels: readonly LoopKernel[], options: COptions = {}): string {
  const unit = printCUnit(kernels, options);
  const sections = [
    unit.headers.map((header) => `#include <${header}>`),
    ...unit.isas.map(({ lines }) => lines),
    ...unit.support,
    ...unit.kernels.map((kernel) => kernel.lines),
  ];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
