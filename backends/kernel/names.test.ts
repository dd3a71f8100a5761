import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commentText, identifier, Names, toIdentifier } from './names.ts';

describe('identifier', () => {
  it.each(['x', 'acc_2', 'Conv1'])('accepts %s', (name) => {
    expect(identifier(name)).toBe(name);
  });

  it.each([
    '',
    '_x',
    '1x',
    'a-b',
    'a__b',
    'naïve',
    'int',
    'override',
    'class',
    'vec4',
    'a'.repeat(64),
    'x\n',
  ])('refuses %j', (name) => {
    expect(() => identifier(name)).toThrow(`${JSON.stringify(name)} is no identifier`);
  });

  it('can be made of any text', () => {
    expect(toIdentifier('layer1.0/conv:0')).toBe('layer1_0_conv_0');
    expect(toIdentifier('int')).toBe('n_int');
    expect(toIdentifier('日本')).toBe('unnamed');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const name = toIdentifier(text);
        expect(identifier(name)).toBe(name);
      }),
    );
  });
});

describe('commentText', () => {
  it.each([
    ['plain text, https://example.org', 'plain text, https://example.org'],
    ['a */ b', 'a * / b'],
    ['a /* b', 'a / * b'],
    ['what??/', 'what? ?/'],
    ['ends in \\', 'ends in \\ .'],
    ['two\nlines\r', 'two\\u{a}lines\\u{d}'],
    ['é\u2028', '\\u{e9}\\u{2028}'],
  ])('%j becomes %j', (text, expected) => {
    expect(commentText(text)).toBe(expected);
  });

  it('never ends or opens a comment or a line', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('*', '/', '\\', '?', '\n', 'x', '\u2029', ' '),
      maxLength: 12,
    });
    fc.assert(
      fc.property(nasty, (text) => {
        const safe = commentText(text);
        expect(safe).toMatch(/^[\x20-\x7e]*$/);
        expect(safe).not.toMatch(/\*\/|\/\*|\?\?|\\$/);
      }),
    );
  });
});

describe('Names', () => {
  it('tells things of one name apart, in inner scopes too', () => {
    const outer = new Names();
    expect([outer.fresh('acc'), outer.fresh('acc'), new Names(outer).fresh('acc')]).toEqual([
      'acc',
      'acc_2',
      'acc_3',
    ]);
    expect(() => outer.claim('acc')).toThrow('two things are named acc');
  });
});
