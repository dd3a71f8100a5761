import { describe, expect, it } from '@jest/globals';
import { parseClassNames } from './class-names.ts';

const parse = (text: string, name = 'labels.json'): string[] => parseClassNames(text, name, '"labels"');

describe('class names', () => {
  it('are lines, or JSON in three forms', () => {
    expect(parse('cat\r\n big dog \n\n', 'labels.txt')).toEqual(['cat', 'big dog']);
    expect(parse('["cat", "dog"]')).toEqual(['cat', 'dog']);
    expect(parse('{"1": "dog", "0": "cat"}')).toEqual(['cat', 'dog']);
    expect(parse('{"0": ["n01440764", "tench"]}')).toEqual(['tench']);
  });

  it.each([
    ['', 'holds no class names'],
    ['cat\n\ndog', 'names class 1 ""'],
    ['c\u001b[31mat', 'expected printable text'],
  ])('of text are refused: %j', (text, message) => expect(() => parse(text, 'labels.txt')).toThrow(message));

  it.each([
    ['{', 'is not JSON'],
    ['3', 'does not name classes'],
    ['{"0": "cat", "2": "dog"}', 'without a gap'],
    ['[1, 2]', 'does not name classes'],
    ['{"__proto__": "cat"}', 'without a gap'],
  ])('of JSON are refused: %s', (text, message) => expect(() => parse(text)).toThrow(message));
});
