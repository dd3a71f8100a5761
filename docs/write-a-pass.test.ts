import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { compileWithMyPasses } from './write-a-pass.ts';

const page = readFileSync(new URL('write-a-pass.md', import.meta.url), 'utf8');
const program = readFileSync(new URL('write-a-pass.ts', import.meta.url), 'utf8');

/** The blocks of the page between fences. */
const blocks = [...page.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map((match) => match[1]);

describe('write-a-pass.md', () => {
  it('shows the program that runs here, with the names of the package for its imports', () => {
    const imports: readonly (readonly [string, string])[] = [
      ["'../ir/index.ts'", "'qc-compiler/ir'"],
      ["'../ir/text/index.ts'", "'qc-compiler/ir/text'"],
      ["'../passes/index.ts'", "'qc-compiler/passes'"],
    ];
    expect(blocks[0]).toBe(imports.reduce((text, [ours, theirs]) => text.replace(ours, theirs), program));
  });

  it('names imports that the package exports', () => {
    const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      exports: Record<string, string>;
    };
    for (const [, path] of page.matchAll(/from 'qc-compiler(\/[^']*)'/g))
      expect(exports).toHaveProperty([`.${path}`]);
  });

  it('shows what the program returns', async () => {
    const { text, explanations } = await compileWithMyPasses();
    expect(blocks.slice(1)).toEqual([text, `${explanations.join('\n')}\n`]);
  });
});
