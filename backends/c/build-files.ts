/** What stands beside the source: the header, a CMake file, and how all of it is built. */
import { commentText } from '../kernel/index.ts';
import { type CProgram, arenaAlignment } from './program.ts';
import type { PublicNames } from './public-names.ts';
import { entryPrototype, portLines } from './source-file.ts';
import { poolDeclarations } from './thread-pool.ts';

const comment = (line: string): string => `// ${commentText(line)}`.trimEnd();

/** Alignment asked of the caller: what malloc and a static array of int64_t give. Steps read nothing wider than 4 bytes. */
const callerAlignment = 8;

/**
 * The command that builds the example from an artifact's folder, seen from where the folder is `folder`. Sources are the manifest's, of the roles
 * `source`, `weights` and `example`.
 */
export function buildCommand(
  files: readonly { readonly name: string; readonly role: string }[],
  name: string,
  folder: string,
): string {
  const at = (file: string): string => (folder === '.' ? file : `${folder}/${file}`);
  const quoted = (text: string): string =>
    /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const units = files.filter(
    ({ name: file, role }) => ['source', 'weights', 'example'].includes(role) && /\.[cS]$/.test(file),
  );
  const assembled = units.some(({ name: file }) => file.endsWith('.S'));
  return [
    'cc -O3',
    ...(assembled ? [`-I${quoted(folder)}`] : []),
    ...units.map(({ name: file }) => quoted(at(file))),
    `-lm -o ${quoted(at(`${name}_example`))}`,
  ].join(' ');
}

export function headerFile(
  program: CProgram,
  names: PublicNames,
  head: readonly string[],
  build: string,
): string {
  const image = !program.hasImageEntry
    ? []
    : [
        '',
        comment('The same for an image of bytes, [N, H, W, C] with no gaps: preprocessing is folded in.'),
        `${entryPrototype(program, names, 'image', 'alone')};`,
      ];
  const lines = [
    ...head,
    comment(`Build it with the example, in this folder: ${build}`),
    comment('or with CMakeLists.txt. C11 or C++17; -march=native speeds up what is not a kernel.'),
    `#ifndef ${names.guard}`,
    `#define ${names.guard}`,
    '',
    '#include <stddef.h>',
    '#include <stdint.h>',
    '',
    comment(
      'Bytes of working memory a run needs, and how it must be aligned. Nothing is kept in it between runs.',
    ),
    `#define ${names.arenaSize} ${Math.max(program.memory.bytes, arenaAlignment)}`,
    `#define ${names.arenaAlignment} ${callerAlignment}`,
    '',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    comment(`${names.arenaSize}, for those who load this as a library.`),
    `size_t ${names.arenaSizeFunction}(void);`,
    '',
    comment('The instruction set that runs use on this processor.'),
    `const char *${names.isaName}(void);`,
    '',
    comment('Runs the model once. Tensors are row-major floats:'),
    ...[...portLines(program.inputs), ...portLines(program.outputs)].map((line) => comment(`  ${line}`)),
    comment('Allocates nothing, keeps nothing; runs on different memory may go on at once.'),
    comment('Returns 0, or 1 when a pointer is NULL or the memory is not aligned.'),
    ...(program.variants.some(({ machine }) => machine === undefined)
      ? []
      : [comment('Returns 2 where the processor has none of the instruction sets this was emitted for.')]),
    `${entryPrototype(program, names, 'float', 'alone')};`,
    ...image,
    '',
    ...poolDeclarations(program, names),
    '',
    ...teamDeclarations(program, names),
    '',
    `#ifdef ${names.traceSwitch}`,
    comment(
      'Yours to define, when the source is compiled with this switch: sees every tensor once it is stored.',
    ),
    `void ${names.trace}(int tensor, const void *bytes, size_t size);`,
    '#endif',
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '',
    '#endif',
  ];
  return `${lines.join('\n')}\n`;
}

/** What threads of another pool need to know. */
function teamDeclarations(program: CProgram, names: PublicNames): readonly string[] {
  const kinds = program.hasImageEntry ? (['float', 'image'] as const) : (['float'] as const);
  return [
    comment('For threads of your own: one run, shared by a team of them.'),
    comment(`Bytes of scratch memory that each of them but the first needs, aligned as the arena is.`),
    `#define ${names.threadSize} ${program.threadBytes}`,
    `typedef struct ${names.team} {`,
    comment('  This thread: 0, 1, ... up to threads - 1.').replace('//  ', '  //'),
    '  int32_t thread;',
    '  int32_t threads;',
    comment(`  ${names.threadSize} bytes of this thread's own; nothing is read of it for the first.`).replace(
      '//  ',
      '  //',
    ),
    '  void *scratch;',
    comment(
      '  Returns when all threads of the team have called it, and then each sees what the others wrote.',
    ).replace('//  ', '  //'),
    '  void (*meet)(void *context);',
    '  void *context;',
    `} ${names.team};`,
    '',
    comment('Called by every thread of the team, with the same pointers; done when all calls have returned.'),
    ...kinds.map((kind) => `${entryPrototype(program, names, kind, 'team')};`),
  ];
}

export function cmakeFile(names: PublicNames, sources: readonly string[]): string {
  const assembled = sources.some((name) => name.endsWith('.S'));
  const lines = [
    `# Builds the model as a library (-DBUILD_SHARED_LIBS=ON for a shared one) and the example.`,
    'cmake_minimum_required(VERSION 3.13)',
    `project(${names.prefix} C${assembled ? ' ASM' : ''})`,
    '',
    'if(NOT CMAKE_BUILD_TYPE)',
    '  set(CMAKE_BUILD_TYPE Release)',
    'endif()',
    'set(CMAKE_C_STANDARD 11)',
    'set(CMAKE_POSITION_INDEPENDENT_CODE ON)',
    '',
    `add_library(${names.prefix} ${sources.join(' ')})`,
    `target_include_directories(${names.prefix} PUBLIC \${CMAKE_CURRENT_SOURCE_DIR})`,
    ...(assembled
      ? [
          `set_source_files_properties(${names.weightsAssembly} PROPERTIES OBJECT_DEPENDS \${CMAKE_CURRENT_SOURCE_DIR}/${names.weightsBinary})`,
        ]
      : []),
    `# Kernels name their instruction set and are chosen at run time. -march=native speeds up the rest, where the program need not run elsewhere.`,
    `target_compile_options(${names.prefix} PRIVATE -O3)`,
    `target_link_libraries(${names.prefix} PUBLIC m)`,
    '',
    `add_executable(${names.prefix}_example main.c)`,
    `target_link_libraries(${names.prefix}_example ${names.prefix})`,
  ];
  return `${lines.join('\n')}\n`;
}
