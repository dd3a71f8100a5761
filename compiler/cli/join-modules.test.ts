import { describe, expect, it } from '@jest/globals';
import { joinModules } from './join-modules.ts';

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

  it('fails where a module is missing', async () => {
    await expect(join({ 'entry.js': `import { a } from './a.js';\n` })).rejects.toThrow('no a.js');
  });
});
