/**
 * The example beside an artifact: a program of some twenty lines that a person copies from. Where the model takes one picture and gives scores, it reads
 * a picture and names the five likeliest classes; otherwise it reads floats and prints floats.
 */
import { elementCount } from '../../ir/index.ts';
import { commentText } from '../kernel/index.ts';
import type { CProgram } from './program.ts';
import type { PublicNames } from './public-names.ts';

const comment = (line: string): string => `// ${commentText(line)}`.trimEnd();

const shown = 5;

/** What the picture program needs to know; undefined where the model is not one picture in, scores out. */
interface PictureShape {
  readonly height: number;
  readonly width: number;
  readonly classes: number;
}

function pictureShape(
  { hasImageEntry, inputs, outputs }: CProgram,
  layout: string | undefined,
): PictureShape | undefined {
  const [input, output] = [inputs[0], outputs[0]];
  if (!hasImageEntry || layout === undefined || input === undefined || output === undefined) return undefined;
  const { shape } = input.type;
  const [height, width] = layout === 'NHWC' ? [shape[1]!, shape[2]!] : [shape[2]!, shape[3]!];
  const classes = elementCount(output.type.shape);
  return outputs.length === 1 && shape[0] === 1 && classes >= shown ? { height, width, classes } : undefined;
}

export interface ExampleOptions {
  /** Where the channels of an image input are. */
  readonly layout?: string | undefined;
  readonly classNames?: readonly string[] | undefined;
}

export function exampleFile(
  program: CProgram,
  names: PublicNames,
  { layout, classNames }: ExampleOptions,
): string {
  const shape = pictureShape(program, layout);
  const lines =
    shape === undefined
      ? floatExample(program, names)
      : pictureExample(names, shape, classNames?.length === shape.classes);
  return `${lines.join('\n')}\n`;
}

/** Whether the example names classes: then they are in a header of their own. */
export const namesClasses = (program: CProgram, { layout, classNames }: ExampleOptions): boolean =>
  classNames !== undefined && pictureShape(program, layout)?.classes === classNames.length;

/** The names of the classes, by index. */
export function classesFile(
  names: PublicNames,
  head: readonly string[],
  classNames: readonly string[],
): string {
  const lines = [
    ...head,
    `static const char *const ${names.classes}[${classNames.length}] = {`,
    ...classNames.map((name) => `    ${stringLiteral(name)},`),
    '};',
  ];
  return `${lines.join('\n')}\n`;
}

/** Any text as a C string of its UTF-8 bytes; what is not a plain character, in octal, three digits that end by themselves. */
function stringLiteral(text: string): string {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) =>
    /[A-Za-z0-9 ,.'()_-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `\\${byte.toString(8).padStart(3, '0')}`,
  );
  return `"${bytes.join('')}"`;
}

function pictureExample(
  names: PublicNames,
  { height, width, classes }: PictureShape,
  named: boolean,
): string[] {
  const size = `${width} x ${height}`;
  return [
    comment(
      `Names the likeliest classes of a picture: a binary PPM (P6) of ${size} pixels, the size that the model reads. ImageMagick makes one:`,
    ),
    comment(
      `  convert cat.jpg -resize ${width}x${height}^ -gravity center -extent ${width}x${height} -depth 8 cat.ppm`,
    ),
    `#include "${names.header}"`,
    ...(named ? [`#include "${names.classesHeader}"`] : []),
    '#include <float.h>',
    '#include <stdio.h>',
    '',
    `static uint64_t arena[(${names.arenaSize} + 7) / 8];`,
    `static uint8_t image[${height} * ${width} * 3];`,
    `static float scores[${classes}];`,
    '',
    'int main(int argc, char **argv) {',
    '  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;',
    '  int width = 0, height = 0;',
    `  if (file == NULL || fscanf(file, "P6 %d %d 255", &width, &height) != 2 || width != ${width} || height != ${height} ||`,
    '      fgetc(file) == EOF || fread(image, 1, sizeof image, file) != sizeof image) {',
    `    fprintf(stderr, "give one picture: a binary PPM of ${size} pixels\\n");`,
    '    return 2;',
    '  }',
    '  fclose(file);',
    `  if (${names.runImage}(arena, image, scores) != 0) return 1;`,
    `  for (int rank = 0; rank < ${shown}; rank++) {`,
    '    int best = 0;',
    `    for (int i = 1; i < ${classes}; i++) best = scores[i] > scores[best] ? i : best;`,
    named
      ? `    printf("%d  %.9g  %s\\n", best, (double)scores[best], ${names.classes}[best]);`
      : '    printf("%d  %.9g\\n", best, (double)scores[best]);',
    '    scores[best] = -FLT_MAX;',
    '  }',
    '  return 0;',
    '}',
  ];
}

/** Reads raw floats from standard input and prints the first output, one number a line. */
function floatExample(program: CProgram, names: PublicNames): string[] {
  const inputs = program.inputs.map(({ type }) => elementCount(type.shape));
  const outputs = program.outputs.map(({ type }) => elementCount(type.shape));
  const arrays = (word: string, counts: readonly number[]): string[] =>
    counts.map((count, i) => `static float ${word}${i}[${count}];`);
  const list = (word: string, counts: readonly number[]): string[] => counts.map((_, i) => `${word}${i}`);
  const args = ['arena', ...list('input', inputs), ...list('output', outputs)];
  return [
    comment('Reads the input, row-major 32-bit floats, from standard input and prints the output.'),
    `#include "${names.header}"`,
    '#include <stdio.h>',
    '',
    `static uint64_t arena[(${names.arenaSize} + 7) / 8];`,
    ...arrays('input', inputs),
    ...arrays('output', outputs),
    '',
    'int main(void) {',
    ...inputs.map(
      (count, i) => `  if (fread(input${i}, sizeof(float), ${count}, stdin) != ${count}) return 1;`,
    ),
    `  if (${names.run}(${args.join(', ')}) != 0) return 1;`,
    `  for (int i = 0; i < ${outputs[0]!}; i++) printf("%.9g\\n", (double)output0[i]);`,
    '  return 0;',
    '}',
  ];
}
