import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatLocation, QcError } from '../../ir/index.ts';
import {
  formatPrecision,
  type LayerFacts,
  matchGlob,
  matchSelector,
  parseLayerRules,
  parseLayerSelector,
  parsePrecision,
  precisionFor,
} from './index.ts';

function layer(facts: Partial<LayerFacts>): LayerFacts {
  return {
    name: 'y',
    op: 'conv2d',
    kernel: [3, 3],
    index: 3,
    count: 10,
    depthwise: false,
    groups: 1,
    inputChannels: 64,
    outputChannels: 128,
    ...facts,
  };
}

function findings(text: string, read: (text: string) => unknown = parseLayerRules): string[] {
  try {
    read(text);
    return [];
  } catch (error) {
    if (error instanceof QcError)
      return error.diagnostics.map(({ code, location }) => `${code} ${formatLocation(location!)}`);
    throw error;
  }
}

const selects = (selector: string, facts: Partial<LayerFacts>): boolean =>
  matchSelector(parseLayerSelector(selector), layer(facts));

describe('selectors', () => {
  it.each<[string, Partial<LayerFacts>, boolean]>([
    ['first', { index: 0 }, true],
    ['first', { index: 1 }, false],
    ['last', { index: 9 }, true],
    ['last', { index: 8 }, false],
    ['first,last', { index: 9 }, true],
    ['first & last', { index: 9 }, false],
    ['first & last', { index: 0, count: 1 }, true],
    ['depthwise', { depthwise: true }, true],
    ['!depthwise', { depthwise: true }, false],
    ['op:conv2d', {}, true],
    ['op:dense', {}, false],
    ['op:*2d', {}, true],
    ['kernel:3x3', {}, true],
    ['kernel:1x1', {}, false],
    ['kernel:3x1', { kernel: [3, 1] }, true],
    ['kernel:3x1', { kernel: [1, 3] }, false],
    ['kernel:1x1', { kernel: undefined }, false],
    ['op:conv2d & kernel:3x3 & !first', {}, true],
    ['in:64', {}, true],
    ['out:64', {}, false],
    ['groups:1', {}, true],
    ['groups:32', { groups: 32 }, true],
    // `&` binds tighter than `,`.
    ['first, op:conv2d & kernel:1x1', { index: 0 }, true],
    ['*', {}, true],
    ['layer3.*', { name: 'layer3.0.conv1' }, true],
    ['layer3.*', { name: 'layer30' }, false],
    ['layer3.*', { name: 'x.layer3.0' }, false],
    // What exporters make of module names: paths, or numbers that only the weights' name explains.
    ['layer3.*', { name: '/layer3/layer3.0/conv1/Conv_output_0' }, true],
    ['layer3.*', { name: '192', onnxNode: '/layer3/layer3.1/conv2/Conv' }, true],
    ['layer3.*', { name: '192', weight: 'layer3.1.conv2.weight' }, true],
    ['layer3.*', { name: '192', weight: 'layer2.1.conv2.weight' }, false],
    ['layer[1-2].?.conv1', { name: 'layer2.0.conv1' }, true],
    ['layer[!1-2].?.conv1', { name: 'layer2.0.conv1' }, false],
    ['"a, b = c"', { name: 'a, b = c' }, true],
    ['"first"', { index: 0 }, false],
    ['"lay*"', { name: 'layer' }, false],
    ['"/a/b"', { name: '/a/b' }, true],
  ])('%s', (selector, facts, expected) => {
    expect(selects(selector, facts)).toBe(expected);
  });

  it('blanks do not matter', () => {
    expect(parseLayerSelector(' op : conv2d&kernel:1x1 ,\n! first ')).toEqual(
      parseLayerSelector('op:conv2d & kernel:1x1,!first'),
    );
  });
});

describe('rules', () => {
  const rules = parseLayerRules('first,last=w8a8; layer3.*=w4a4; op:conv2d & kernel:1x1=w4a8; *=w2a4');

  it('the first that selects a layer decides', () => {
    const given = (facts: Partial<LayerFacts>): string => formatPrecision(precisionFor(rules, layer(facts))!);
    expect(given({ index: 0, name: 'layer3.0' })).toBe('w8a8');
    expect(given({ index: 9 })).toBe('w8a8');
    expect(given({ name: 'layer3.0', kernel: [1, 1] })).toBe('w4a4');
    expect(given({ kernel: [1, 1] })).toBe('w4a8');
    expect(given({})).toBe('w2a4');
  });

  it('a layer that none selects keeps what it had', () => {
    expect(precisionFor(parseLayerRules('first=w8a8'), layer({}))).toBeUndefined();
    expect(precisionFor(parseLayerRules(''), layer({}))).toBeUndefined();
  });

  it('remember their text, and may end in a semicolon', () => {
    expect(rules.map(({ text }) => text)).toEqual([
      'first,last=w8a8',
      'layer3.*=w4a4',
      'op:conv2d & kernel:1x1=w4a8',
      '*=w2a4',
    ]);
    expect(parseLayerRules(' ; *=w4a4 ;; ').map(({ text }) => text)).toEqual(['*=w4a4']);
  });

  it.each([
    ['*=w3a4', 'selector/precision layer-bits:1:3'],
    ['*=w4a16', 'selector/precision layer-bits:1:3'],
    ['*=W4A4', 'selector/precision layer-bits:1:3'],
    ['*', 'selector/syntax layer-bits:1:2'],
    ['*=', 'selector/syntax layer-bits:1:3'],
    ['=w4a4', 'selector/syntax layer-bits:1:1'],
    ['a b=w4a4', 'selector/syntax layer-bits:1:3'],
    ['first,=w4a4', 'selector/syntax layer-bits:1:7'],
    ['first &=w4a4', 'selector/syntax layer-bits:1:8'],
    ['!!first=w4a4', 'selector/syntax layer-bits:1:2'],
    ['*=w4a4 *=w8a8', 'selector/syntax layer-bits:1:8'],
    ['op:conv3d=w4a4', 'selector/unknown-op layer-bits:1:4'],
    ['kernel:3=w4a4', 'selector/kernel layer-bits:1:8'],
    ['kernel:0x1=w4a4', 'selector/kernel layer-bits:1:8'],
    ['in:x=w4a4', 'selector/number layer-bits:1:4'],
    ['out:0=w4a4', 'selector/number layer-bits:1:5'],
    ['size:3=w4a4', 'selector/unknown-property layer-bits:1:1'],
    ['a[c-a]=w4a4', 'selector/pattern layer-bits:1:1'],
    ['a[!]=w4a4', 'selector/pattern layer-bits:1:1'],
    ['a[=w4a4', 'selector/character layer-bits:1:2'],
    ['a(b)=w4a4', 'selector/character layer-bits:1:2'],
    ['"a=w4a4', 'selector/character layer-bits:1:1'],
  ])('%p: %s', (text, expected) => {
    expect(findings(text)).toContain(expected);
  });
});

describe('parsePrecision', () => {
  it('reads widths of 2, 4 and 8', () => {
    for (const weightBits of [2, 4, 8] as const) {
      for (const activationBits of [2, 4, 8] as const) {
        const precision = { weightBits, activationBits };
        expect(parsePrecision(formatPrecision(precision))).toEqual(precision);
      }
    }
  });

  it.each(['', 'w4', 'a4w4', 'w4a4 ', 'w1a8', 'w16a8', '4'])('refuses %p', (text) => {
    expect(() => parsePrecision(text)).toThrow('selector/precision');
  });
});

describe('matchGlob', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['a*c', 'abbbc', true],
    ['a*c', 'abbbcd', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['?', '', false],
    ['?', '😀', true],
    ['[a-]', '-', true],
    ['[-a]', '-', true],
    ['[a-c]', 'd', false],
    ['[!a-c]', 'd', true],
    ['a.c', 'abc', false],
    ['a+$^(', 'a+$^(', true],
  ])('%p on %p: %p', (pattern, text, expected) => {
    expect(matchGlob(pattern, text)).toBe(expected);
  });

  it('agrees with a regular expression', () => {
    const piece = fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.stringMatching(/^[abc]{0,8}$/), (pieces, text) => {
        const source = pieces
          .map((one) => one.replace('*', '.*').replace('?', '.').replace('[!', '[^'))
          .join('');
        expect(matchGlob(pieces.join(''), text)).toBe(new RegExp(`^${source}$`).test(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('is quick on patterns that make others backtrack', () => {
    expect(matchGlob(`${'*a'.repeat(200)}b`, 'a'.repeat(5000))).toBe(false);
  });
});
