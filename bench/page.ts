/** The page of the documentation that measured tables are written into. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../fixtures/house/source-files.ts';
import { withBlock } from './page-block.ts';

const page = join(projectRoot, 'docs/performance.md');

/** Puts `content` into the block of that name. */
export async function writePage(name: string, content: string): Promise<void> {
  await writeFile(page, withBlock(await readFile(page, 'utf8'), name, content));
}
