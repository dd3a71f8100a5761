import { describe, expect, it } from '@jest/globals';
import { markdownTable, withBlock } from './page-block.ts';

describe('withBlock', () => {
  const page = '# Title\n\nProse.\n\n<!-- bench: a -->\n\nold\n\n<!-- /bench -->\n\nMore prose.\n';

  it('replaces what stands in the block and nothing around it', () => {
    expect(withBlock(page, 'a', 'new\n')).toBe(page.replace('old', 'new'));
  });

  it('is the identity on what it wrote', () => {
    const once = withBlock(page, 'a', 'new');
    expect(withBlock(once, 'a', 'new')).toBe(once);
  });

  it('adds a block at the end, and finds it again', () => {
    const longer = withBlock(page, 'a b', 'first');
    expect(longer).toBe(`${page}\n<!-- bench: a b -->\n\nfirst\n\n<!-- /bench -->\n`);
    expect(withBlock(longer, 'a b', 'second')).toBe(longer.replace('first', 'second'));
  });

  it('refuses a block without an end, where the next one would be lost', () => {
    const broken = `<!-- bench: a -->\n\nold\n\n${page.slice(page.indexOf('<!--')).replace('bench: a', 'bench: b')}`;
    expect(() => withBlock(broken, 'a', 'new')).toThrow('no end');
  });
});

it('a table in Markdown aligns numbers to the right and keeps bars out of cells', () => {
  expect(markdownTable(['', 'ms'], [['a|b', '1.5']])).toBe('|  | ms |\n| --- | ---: |\n| a\\|b | 1.5 |');
});
