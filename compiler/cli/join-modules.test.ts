import { describe, expect, it } from '@jest/globals';
import { forPages, joinModules } from './join-modules.ts';

const join = async (files: Readonly<Record<string, string>>): Promise<string> =>
  joinModules('entry.js', async (path) => files[path] ?? Promise.reject(new Error(`no ${path}`)));

describe('joinModules', () => {
  it('puts each module after those it needs, once, and keeps only what the entry exports', async () => {
    const joined = await join({
      'entry.js': `import { twice } from './deep/twice.js';\nexport { Kept } from './kept.js';\nexport const four = twice(2);\n`,
      'deep/twice.js': `import { one } from '../one.js';\nexport const twice = (x) => 2 * x * one;\n`,
      'kept.js': `import { one } from "./one.js";\nexport class Kept { value = one }\nexport const hidden = 5;\n`,
      'one.js': `export const one = 1;\n//# sourceMappingURL=one.js.map\n`,
    });
    expect(joined).toBe(
      [
        'const one = 1;',
        'const twice = (x) => 2 * x * one;',
        'export class Kept { value = one }\nconst hidden = 5;',
        'export const four = twice(2);\n',
      ].join('\n\n'),
    );
  });

  it('imports what lies apart, now or later, from where that is', async () => {
    const files: Readonly<Record<string, string>> = {
      'entry.js': `import { one } from './deep/one.js';\nexport const later = () => import("./other.js");\n`,
      'deep/one.js': `import { Wrong } from '../wrong.js';\nexport const one = () => new Wrong();\n`,
      'wrong.js': `export class Wrong {}\n`,
    };
    const apart = new Map([
      ['wrong', './shared.js'],
      ['other', './other.js'],
    ]);
    expect(await joinModules('entry.js', async (path) => files[path]!, apart)).toBe(
      [
        "import { Wrong } from './shared.js';",
        'const one = () => new Wrong();',
        "export const later = () => import('./other.js');\n",
      ].join('\n\n'),
    );
  });

  it('fails where a module is missing', async () => {
    await expect(join({ 'entry.js': `import { a } from './a.js';\n` })).rejects.toThrow('no a.js');
  });
});

it('forPages drops comments that have lines of their own, and most of the indentation', () => {
  const text = [
    '/** What it is. */',
    'function twice(x) {',
    '    // One line.',
    "    const url = 'http://x'; // stays",
    '    /* several',
    '     * lines */',
    '    return 2 * x;',
    '}',
    '',
  ].join('\n');
  expect(forPages(text)).toBe("function twice(x) {\n const url = 'http://x'; // stays\n return 2 * x;\n}\n");
});
