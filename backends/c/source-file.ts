/**
 * `NAME.c`: one static function per step, and the entry points that call them in order on the arena. All memory is the caller's; the file has no
 * variable that is not constant, so any number of arenas can be run at once.
 */
import { formatType } from '../../ir/index.ts';
import { commentText, printCUnit, typeRows } from '../kernel/index.ts';
import type { VectorMachine } from './isa/machine.ts';
import { type CProgram, type CallerPort, scratchRegion, type Variant, valueRegion } from './program.ts';
import type { PublicNames } from './public-names.ts';
import type { Parameter, StepCode } from './step-writer.ts';
import { layoutOf } from './step-writer.ts';
import { endiannessCheck, type WeightPool } from './weight-words.ts';

/** Prints the program; fills `pool` with the weights its steps read. */
export function sourceFile(
  program: CProgram,
  names: PublicNames,
  head: readonly string[],
  pool: WeightPool,
): string {
  // Machines that refine others share steps with them.
  const codes = [
    ...new Set(
      program.variants.flatMap((variant) => [
        ...variant.entrySteps,
        ...(variant.imageSteps ?? []),
        ...variant.steps,
      ]),
    ),
  ];
  const unit = printCUnit(
    codes.map(({ kernel }) => kernel),
    { taken: names.all, team: { type: names.team, meet: names.meet } },
  );
  const calls = new CallPrinter(program, names, pool);
  const bodies = [
    ...program.variants.map((variant) => stepsFunction(program, variant, names, calls)),
    isaFunction(program, names),
    isaNameFunction(program, names),
    entryFunction(program, names, calls, 'float'),
    ...(program.hasImageEntry ? [entryFunction(program, names, calls, 'image')] : []),
    ...aloneFunctions(program, names),
  ];
  const headers = new Set([...unit.headers, 'stddef.h', ...(program.copies.length > 0 ? ['string.h'] : [])]);
  const sections = [
    [...head, `#include "${names.header}"`, ...[...headers].sort().map((header) => `#include <${header}>`)],
    ['#ifdef __cplusplus', '#define restrict __restrict', '#endif'],
    ...unit.isas.map(({ lines }) => lines),
    ...(pool.bytes === 0
      ? []
      : [
          [
            ...endiannessCheck,
            '',
            `// Packed weights of all layers, in ${names.weightsSource}.`,
            `extern const uint64_t ${names.weights}[${pool.bytes / 8}];`,
          ],
        ]),
    ...(codes.length === 0 ? [] : [teamSupport(program, names)]),
    ...unit.support,
    ...unit.kernels.map(({ lines }) => lines),
    ...bodies,
    [`size_t ${names.arenaSizeFunction}(void) {`, `  return ${names.arenaSize};`, '}'],
  ];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** How the threads of a team wait for one another, which memory is each one's own, and what they show. */
function teamSupport({ threadBytes }: CProgram, names: PublicNames): readonly string[] {
  return [
    '// Returns when all threads of the team have come here.',
    `static inline void ${names.meet}(const ${names.team} *team) {`,
    '  if (team->threads > 1) team->meet(team->context);',
    '}',
    '',
    ...(threadBytes === 0
      ? []
      : [
          "// Scratch memory of the calling thread's own: the first has it in the arena.",
          `static inline void *${names.own}(const ${names.team} *team, uint8_t *of_first, size_t offset) {`,
          '  return team->thread == 0 ? of_first : (uint8_t *)team->scratch + offset;',
          '}',
          '',
        ]),
    `// With ${names.traceSwitch} defined, every tensor is shown to ${names.trace} once it is stored, before any thread goes on.`,
    `#ifdef ${names.traceSwitch}`,
    `#define ${names.stored}(tensor, bytes, size) \\`,
    '  do { \\',
    `    if (team->thread == 0) ${names.trace}(tensor, bytes, size); \\`,
    `    ${names.meet}(team); \\`,
    '  } while (0)',
    '#else',
    `#define ${names.stored}(tensor, bytes, size) ((void)0)`,
    '#endif',
  ];
}

/** A step's call, with the address of every argument, and the showing of what it stored. */
class CallPrinter {
  readonly #program: CProgram;
  readonly #names: PublicNames;
  readonly #pool: WeightPool;
  readonly #callers: ReadonlyMap<string, CallerPort>;
  readonly #numbers: ReadonlyMap<string, number>;

  constructor(program: CProgram, names: PublicNames, pool: WeightPool) {
    this.#program = program;
    this.#names = names;
    this.#pool = pool;
    // Of two outputs with one name the first is written, the other copied.
    this.#callers = new Map(
      [...program.inputs, ...program.outputs].reverse().map((port) => [port.name, port]),
    );
    this.#numbers = new Map(program.traced.map((name, i) => [name, i]));
  }

  /** A step that shares no work is done by the first thread; the others wait for it as for any. */
  lines(code: StepCode, index: number): string[] {
    const shares = code.kernel.team !== undefined;
    const args = [
      ...code.parameters.map((parameter) => this.#argument(parameter, code, index)),
      ...(shares ? ['team'] : []),
    ];
    const head = `  ${shares ? '' : 'if (team->thread == 0) '}${code.kernel.name}(`;
    const call = `${head}${args.join(', ')});`;
    return [
      ...(call.length <= 100
        ? [call]
        : [head, ...args.map((arg, i) => `      ${arg}${i + 1 < args.length ? ',' : ');'}`)]),
      `  ${this.#names.meet}(team);`,
      ...code.step.outputs.flatMap((name) => this.#shown(name)),
    ];
  }

  #shown(name: string): string[] {
    const number = this.#numbers.get(name);
    if (number === undefined) return [];
    const { bytes } = layoutOf(this.#program.facts.types.get(name)!);
    return [
      `  ${this.#names.stored}(${number}, ${this.#address(name) ?? this.#callers.get(name)!.parameter}, ${bytes});`,
    ];
  }

  #argument({ array, argument }: Parameter, { kernel, scratchBytes }: StepCode, index: number): string {
    const constant = array.access === 'read' ? 'const ' : '';
    const cast = `(${constant}${typeRows[array.element].c!} *)`;
    switch (argument.kind) {
      case 'image':
        return 'image';
      case 'weights':
        return `(const ${typeRows[array.element].c!} *)${this.#names.weights}${plus(this.#pool.place(argument.bytes, argument.title))}`;
      case 'scratch': {
        const start = this.#program.memory.offsets.get(scratchRegion(index))!;
        if (argument.scope === 'shared') return at(cast, start + argument.offset, array.element === 'u8');
        const ofFirst = start + scratchBytes.shared + argument.offset;
        return kernel.team === undefined
          ? at(cast, ofFirst, array.element === 'u8')
          : `${cast}${this.#names.own}(team, arena${plus(ofFirst)}, ${argument.offset})`;
      }
      case 'value': {
        const port = this.#callers.get(argument.name);
        if (port !== undefined) return port.parameter;
        return at(cast, this.#offset(argument.name), array.element === 'u8');
      }
    }
  }

  #address(name: string): string | undefined {
    return this.#callers.has(name) ? undefined : at('', this.#offset(name), true);
  }

  #offset(name: string): number {
    return this.#program.memory.offsets.get(valueRegion(this.#program.plan.aliases.get(name) ?? name))!;
  }
}

const plus = (offset: number): string => (offset === 0 ? '' : ` + ${offset}`);

/** `arena + offset`, converted where the arena's own type, bytes, will not do. Through void: the plan has aligned it. */
function at(cast: string, offset: number, bytes: boolean): string {
  if (bytes) return `arena${plus(offset)}`;
  return offset === 0 ? `${cast}(void *)arena` : `${cast}(void *)(arena + ${offset})`;
}

const guarded = (machine: VectorMachine | undefined, lines: readonly string[]): readonly string[] =>
  machine === undefined ? lines : [`#if ${machine.isa.guard}`, ...lines, '#endif'];

const stepsName = (names: PublicNames, { machine }: Variant): string =>
  `${names.steps}_${machine?.isa.name ?? 'scalar'}`;

/** Everything after the inputs are quantized, on one kind of machine. */
function stepsFunction(
  program: CProgram,
  variant: Variant,
  names: PublicNames,
  calls: CallPrinter,
): readonly string[] {
  const parameters = [`const ${names.team} *team`, 'uint8_t *arena', ...callerParameters(program, false)];
  return guarded(variant.machine, [
    `static void ${stepsName(names, variant)}(${parameters.join(', ')}) {`,
    ...variant.steps.flatMap((code, i) => calls.lines(code, program.entrySteps + i)),
    ...(variant.steps.length === 0 ? ['  (void)team;', '  (void)arena;'] : []),
    ...unusedCallers(program, variant.steps),
    '}',
  ]);
}

/** Picks the best of the variants that the processor runs, by its place among them; -1 where there is none. */
function isaFunction(program: CProgram, names: PublicNames): readonly string[] {
  const choices = program.variants.flatMap(({ machine }, i) =>
    machine === undefined ? [] : guarded(machine, [`  if (${machine.probe}) return ${i};`]),
  );
  const last = program.variants.findIndex(({ machine }) => machine === undefined);
  return [
    `// Which instruction set to use, best first: ${program.variants.map(({ machine }, i) => `${i} ${machine?.isa.name ?? 'scalar'}`).join(', ')}. ${names.isaSwitch}, when defined, decides instead.`,
    `static int ${names.isa}(void) {`,
    `#ifdef ${names.isaSwitch}`,
    `  return ${names.isaSwitch};`,
    '#else',
    ...choices,
    `  return ${last};`,
    '#endif',
    '}',
  ];
}

/** The same in words. */
function isaNameFunction({ variants }: CProgram, names: PublicNames): readonly string[] {
  return [
    `const char *${names.isaName}(void) {`,
    `  switch (${names.isa}()) {`,
    ...variants.flatMap(({ machine }, i) =>
      guarded(machine, [`  case ${i}:`, `    return "${machine?.isa.name ?? 'scalar'}";`]),
    ),
    '  default:',
    '    return "none";',
    '  }',
    '}',
  ];
}

/** Pointers that the steps after the entry never touch are still parameters of their function. */
function unusedCallers(program: CProgram, codes: readonly StepCode[]): string[] {
  const used = new Set(
    codes.flatMap(({ parameters }) =>
      parameters.flatMap(({ argument }) => (argument.kind === 'value' ? [argument.name] : [])),
    ),
  );
  return stepPorts(program)
    .filter(({ name }) => !used.has(name))
    .map(({ parameter }) => `  (void)${parameter};`);
}

/** Ports that steps after the entry may touch: outputs that are not copies. */
const stepPorts = (program: CProgram): readonly CallerPort[] =>
  program.outputs.filter((port) => !program.copies.some(({ to }) => to === port));

const callerParameters = (program: CProgram, all: boolean): string[] => [
  ...(all ? program.inputs.map(({ parameter }) => `const float *${parameter}`) : []),
  ...(all ? program.outputs : stepPorts(program)).map(({ parameter }) => `float *${parameter}`),
];

/** An entry point: checks its arguments, quantizes the input, runs the steps. */
function entryFunction(
  program: CProgram,
  names: PublicNames,
  calls: CallPrinter,
  kind: 'float' | 'image',
): string[] {
  const pointers = entryPointers(program, kind);
  const used = new Set(stepPorts(program).map(({ parameter }) => parameter));
  return [
    `${entryPrototype(program, names, kind, 'team')} {`,
    '  if (team == NULL) return 1;',
    `  if (memory == NULL || (uintptr_t)memory % ${names.arenaAlignment} != 0) return 1;`,
    `  if (${pointers.map((pointer) => `${pointer} == NULL`).join(' || ')}) return 1;`,
    '  uint8_t *arena = (uint8_t *)memory;',
    `  switch (${names.isa}()) {`,
    ...program.variants.flatMap((variant, i) =>
      guarded(variant.machine, [
        `  case ${i}:`,
        ...(kind === 'float' ? variant.entrySteps : variant.imageSteps!)
          .flatMap((code, step) => calls.lines(code, step))
          .map((line) => `  ${line}`),
        `    ${stepsName(names, variant)}(${['team', 'arena', ...used].join(', ')});`,
        '    break;',
      ]),
    ),
    '  default:',
    '    return 2;',
    '  }',
    ...program.copies.map(
      ({ from, to }) =>
        `  if (team->thread == 0) memcpy(${to.parameter}, ${from.parameter}, ${layoutOf(to.type).bytes});`,
    ),
    '  return 0;',
    '}',
  ];
}

/** The entry points of one thread: a team of its own. */
function aloneFunctions(program: CProgram, names: PublicNames): string[][] {
  return (program.hasImageEntry ? (['float', 'image'] as const) : (['float'] as const)).map((kind) => [
    `${entryPrototype(program, names, kind, 'alone')} {`,
    `  const ${names.team} alone = {0, 1, NULL, NULL, NULL};`,
    `  return ${entryName(names, kind, 'team')}(${['&alone', 'memory', ...entryPointers(program, kind)].join(', ')});`,
    '}',
  ]);
}

/** Whether an entry point takes floats or bytes, and who calls it: one thread, each thread of a team, or one for a pool. */
type EntryKind = 'float' | 'image';
type EntryCaller = 'alone' | 'team' | 'pool';

const entryName = (names: PublicNames, kind: EntryKind, caller: EntryCaller): string =>
  ({
    alone: { float: names.run, image: names.runImage },
    team: { float: names.runTeam, image: names.runImageTeam },
    pool: { float: names.poolRun, image: names.poolRunImage },
  })[caller][kind];

/** The caller's pointers, in order. */
export const entryPointers = (program: CProgram, kind: EntryKind): string[] => [
  ...(kind === 'image' ? ['image'] : program.inputs.map(({ parameter }) => parameter)),
  ...program.outputs.map(({ parameter }) => parameter),
];

/** The head of an entry point, as the header declares it and a source defines it. */
export function entryPrototype(
  program: CProgram,
  names: PublicNames,
  kind: EntryKind,
  caller: EntryCaller,
): string {
  const parameters = [
    ...(caller === 'team' ? [`const ${names.team} *team`] : []),
    ...(caller === 'pool' ? [`${names.pool} *pool`] : []),
    'void *memory',
    ...(kind === 'image'
      ? ['const uint8_t *image']
      : program.inputs.map(({ parameter }) => `const float *${parameter}`)),
    ...program.outputs.map(({ parameter }) => `float *${parameter}`),
  ];
  return `int ${entryName(names, kind, caller)}(${parameters.join(', ')})`;
}

/** One line a port: its C name, its name in the model, its type. */
export const portLines = (ports: readonly CallerPort[]): string[] =>
  ports.map(({ name, parameter, type }) => `${parameter}: ${commentText(name)}, ${formatType(type)}`);
