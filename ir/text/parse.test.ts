import { describe, expect, it } from '@jest/globals';
import { type Diagnostic, formatLocation, QcError } from '../index.ts';
import { parseGraph, type ParseOptions } from './index.ts';

const good = `const @s : f32[2] = dense<[0.5, 0.25]>
const @w : q<i4, scale = @s, axis = 0>[2, 3, 1, 1] = dense<[1, -7, 3, 0, 2, 7]>
const @b : i32[2] = splat<0>
func @main(%x: q<i8, scale = 0.5>[1, 3, 4, 4]) -> (q<i32, scale = 0.25>[1, 2, 2, 2]) {
  %0 = conv2d(%x, @w, @b) {strides = [2, 2]} : q<i32, scale = 0.25>[1, 2, 2, 2] notes {weight_bits = 4} loc("Conv_0")
  return %0
}
`;

function findings(text: string, options: ParseOptions = {}): readonly Diagnostic[] {
  try {
    parseGraph(text, options);
    return [];
  } catch (error) {
    if (error instanceof QcError) return error.diagnostics;
    throw error;
  }
}

/** Code and place of everything found after one replacement in the good text. */
function after(from: string, to: string, options: ParseOptions = {}): string[] {
  expect(good).toContain(from);
  return findings(good.replace(from, to), options).map(
    ({ code, location }) =>
      `${code} ${location === undefined ? '' : formatLocation(location).replace('<text>:', '')}`,
  );
}

it('the text that the cases break is good', () => {
  expect(findings(good)).toEqual([]);
});

describe('words and grammar', () => {
  it.each([
    ['dense<[0.5', 'dens<[0.5', 'text/syntax 1:21'],
    ['%x, @w', '%x, , @w', 'text/syntax 5:19'],
    ['%x, @w', '%x @w', 'text/syntax 5:18'],
    ['= conv2d(', 'conv2d(', 'text/syntax 5:6'],
    ['{strides = [2, 2]}', '{strides = [[2], 2]}', 'text/syntax 5:39'],
    ['"Conv_0"', '"Conv_0', 'text/character 5:109'],
    ['"Conv_0"', '"Conv_0"::', 'text/syntax 5:118'],
    ['%x, @w', '$x, @w', 'text/character 5:15'],
    ['return %0\n}', 'return %0', 'text/syntax 7:1'],
    ['func', 'fun', 'text/syntax 4:1'],
    ['-> (', '(', 'text/syntax 4:48'],
    ['0.25]>', '0.25]> 3', 'text/syntax 1:40'],
  ])('%p as %p', (from, to, expected) => {
    expect(after(from, to)).toContain(expected);
  });

  it('reports several mistakes at once, each line once', () => {
    const text = good
      .replace('= dense<[0.5', 'dense<[0.5')
      .replace('%x, @w', '%x, , @w')
      .replace('[2, 2]}', '[2 2]}');
    expect(findings(text).map(({ location }) => formatLocation(location!))).toEqual([
      '<text>:1:19',
      '<text>:5:19',
    ]);
  });

  it('shows the line, with a marker under the word', () => {
    const [first] = findings(good.replace('= conv2d', 'conv2d'), { file: 'net.qir' });
    expect(first).toEqual({
      code: 'text/syntax',
      severity: 'error',
      message: "expected '=', found 'conv2d'",
      location: { kind: 'text', file: 'net.qir', line: 5, column: 6 },
      notes: [
        [
          '5 |   %0 conv2d(%x, @w, @b) {strides = [2, 2]} : q<i32, scale = 0.25>[1, 2, 2, 2] notes {weight_bits = 4',
          '  |      ^^^^^^',
        ].join('\n'),
      ],
    });
  });

  it('cuts long lines around the place, and shows no control characters', () => {
    const [first] = findings(`func @main(${' '.repeat(500)}\u001b[31m${' '.repeat(500)}`);
    const [line, marker] = first!.notes![0]!.split('\n');
    expect(line!.length).toBeLessThan(110);
    expect(line).not.toContain('\u001b');
    expect(line!.slice(marker!.indexOf('^'))).toMatch(/^ \[31m/);
  });

  it('tells no more than fifty', () => {
    const lines = Array.from({ length: 200 }, (_, i) => `%${i} = relu(,)\n`).join('');
    expect(findings(`func @main() -> () {\n${lines} return }`)).toHaveLength(50);
  });

  it('takes keywords as names of ops and attributes', () => {
    const text = 'func @main() -> () { %y = dense() {const = 1, loc = true, q = "x"} : f32[1] return }';
    expect(parseGraph(text, { verify: false }).nodes[0]!.attributes).toEqual({ const: 1, loc: true, q: 'x' });
  });
});

describe('meaning', () => {
  it.each([
    ['-7', '-9', 'text/integer-range 2:64'],
    ['-7', '0.5', 'text/integer-range 2:64'],
    ['-7', '99999999999999999999', 'text/integer-range 2:64'],
    ['0.25]>', '1e39]>', 'text/float-range 1:33'],
    ['0.25]>', '0.25, 1]>', 'text/element-count 1:21'],
    ['0.25]>', ']>', 'text/syntax 1:33'],
    ['@b : i32[2]', '@b : i31[2]', 'text/unknown-type 3:12'],
    ['@b : i32[2]', '@b : q[2]', 'text/unknown-type 3:12'],
    ['@b : i32[2]', '@b : p<i8, scale = 1>[2]', 'text/unknown-type 3:12'],
    ['@b : i32[2]', '@b : q<f32, scale = 1>[2]', 'text/unknown-type 3:14'],
    ['@b : i32[2]', '@b : q<i8>[2]', 'text/type-parameter 3:12'],
    ['@b : i32[2]', '@b : q<i8, scale = 1, step = 2>[2]', 'text/type-parameter 3:29'],
    ['@b : i32[2]', '@b : q<i8, scale = 1, scale = 2>[2]', 'text/type-parameter 3:29'],
    ['@b : i32[2]', '@b : q<i8, scale = 1, zero_point = 128>[2]', 'text/integer-range 3:42'],
    ['@b : i32[2]', '@b : q<i8, scale = 1, axis = -1>[2]', 'text/integer-range 3:36'],
    ['@b : i32[2]', '@b : i32[0]', 'text/integer-range 3:16'],
    ['@b : i32[2]', '@b : i32[9999999999]', 'text/integer-range 3:16'],
    ['@b : i32[2]', '@b : i32[65536, 65536]', 'text/too-many-elements 3:12'],
    ['@b : i32[2]', '@b : i32[65536, 8192]', 'text/too-many-elements 3:7'],
    ['const @b', 'const @w', 'text/duplicate-name 3:7'],
    ['%x, @w', '@x, @w', 'text/sigil 5:15'],
    ['%x, @w', '%x, %w', 'text/sigil 5:19'],
    ['strides = [2, 2]', 'strides = [2, 2], strides = [1, 1]', 'text/duplicate-entry 5:46'],
    ['strides = [2, 2]', 'strides = [2, "2"]', 'text/list-item 5:42'],
    ['strides = [2, 2]', 'strides = [2, 2.0]', 'text/integer-range 5:42'],
    ['weight_bits = 4', 'weight_bits = 9007199254740993', 'text/integer-range 5:102'],
    ['-> (q<i32, scale = 0.25>[1, 2, 2, 2])', '-> ()', 'text/result-type 6:3'],
    ['-> (q<i32, scale = 0.25>[1, 2, 2, 2])', '-> (i32[1, 2, 2, 2])', 'text/result-type 4:52'],
    ['"Conv_0"', '"a":3:99999999999', 'text/integer-range 5:115'],
    ['splat<0>', 'blob("../w", 0)', 'text/blob-name 3:26'],
    ['splat<0>', 'blob("/etc/w", 0)', 'text/blob-name 3:26'],
    ['splat<0>', 'blob("a\\\\b", 0)', 'text/blob-name 3:26'],
    ['splat<0>', 'blob(".hidden", 0)', 'text/blob-name 3:26'],
    ['splat<0>', 'blob("", 0)', 'text/blob-name 3:26'],
    ['splat<0>', 'blob("w", 0)', 'text/blob-missing 3:26'],
  ])('%p as %p', (from, to, expected) => {
    expect(after(from, to)[0]).toBe(expected);
  });

  it('checks blobs against the file before it takes memory', () => {
    const blobs = (file: string): Uint8Array | undefined => (file === 'w' ? new Uint8Array(72) : undefined);
    expect(after('splat<0>', 'blob("w", 64)', { blobs })).toEqual([]);
    expect(after('splat<0>', 'blob("w", 60)', { blobs })).toEqual(['text/blob-offset 3:31']);
    expect(after('splat<0>', 'blob("w", 128)', { blobs })).toEqual(['text/blob-size 3:31']);
    expect(after('splat<0>', 'blob("w", -64)', { blobs })[0]).toBe('text/integer-range 3:31');
    expect(after('i32[2] = splat<0>', 'i32[3] = blob("w", 64)', { blobs })[0]).toBe('text/blob-size 3:31');
    expect(after('i32[2] = splat<0>', 'i32[65536, 4000] = blob("w", 0)', { blobs })[0]).toMatch(
      'text/blob-size',
    );
  });

  it('asks for a blob file once', () => {
    const asked: string[] = [];
    const text = [
      'const @a : f32[1] = blob("w", 0)',
      'const @b : f32[1] = blob("w", 64)',
      'func @main() -> (f32[1]) { return @a }',
    ].join('\n');
    const graph = parseGraph(text, {
      blobs: (file) => {
        asked.push(file);
        return new Uint8Array(68).fill(0x40);
      },
    });
    expect(asked).toEqual(['w']);
    expect(graph.constants.get('b')!.data[0]).toBe(Math.fround(3.0039215087890625));
  });

  it('bounds the text, the constants and the nesting', () => {
    expect(findings(good, { maxLength: 100 }).map(({ code }) => code)).toEqual(['text/too-long']);
    expect(findings(good, { maxConstantElements: 9 }).map(({ code }) => code)).toContain(
      'text/too-many-elements',
    );
    const deep = (levels: number): string => `${'fold('.repeat(levels)}"a"${')'.repeat(levels)}`;
    expect(after('"Conv_0"', deep(199))).toEqual([]);
    expect(after('"Conv_0"', deep(200))).toEqual(['text/nesting 5:1108']);
    expect(after('"Conv_0"', '('.repeat(100_000))[0]).toMatch('text/nesting');
  });

  it('is done with enormous numbers quickly', () => {
    const pool = (attributes: string): string =>
      `func @main(%x: f32[1, 1, 46340, 46340]) -> (f32[1]) { %y = max_pool2d(%x) {${attributes}} : f32[1] return %y }`;
    expect(findings(pool('kernel = [65535, 65535], pads = [65534, 65534, 0, 0]'))[0]!.code).toBe(
      'verify/result-shape',
    );
    expect(findings(pool('kernel = [9007199254740991, 1]'))[0]!.code).toBe('verify/kernel');
    expect(findings(pool('kernel = [2, 2], pads = [9007199254740991, 0, 0, 0]'))[0]!.code).toBe(
      'verify/window-attributes',
    );
  });
});

describe('laws', () => {
  it('point at the line of the node, input, constant or return that breaks them', () => {
    expect(after('[2, 2]}', '[2, 0]}')).toEqual(['verify/window-attributes 5:3']);
    expect(after('axis = 0', 'axis = 3')).toEqual(['verify/type 2:7', 'verify/layer-operands 5:3']);
    expect(after('%x: q<i8, scale = 0.5>', '%x: q<i8, scale = 0>')).toEqual(['verify/type 4:12']);
    expect(after('return %0', 'return %1')).toEqual(['verify/outputs 6:10']);
    expect(after('conv2d(', 'conv3d(')).toEqual(['verify/known-op 5:3']);
  });

  it('come with a code frame, and are not asked on request', () => {
    const broken = good.replace('[2, 2]}', '[2, 0]}');
    expect(findings(broken)[0]!.notes![0]).toMatch(/^5 \| {3}%0 = conv2d.*\n {2}\| {3}\^$/);
    expect(parseGraph(broken, { verify: false }).nodes[0]!.location).toEqual({
      kind: 'onnx',
      node: 'Conv_0',
    });
  });
});
