import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeWhole } from './front-files.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qc-front-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('a file of a front', () => {
  it('is written into a folder that was not there, replaced whole, and leaves no draft', async () => {
    const path = join(folder, 'new/deeper/front.json');
    await writeWhole(path, 'first');
    await writeWhole(path, 'second');
    expect(await readFile(path, 'utf8')).toBe('second');
    expect(await readdir(join(folder, 'new/deeper'))).toEqual(['front.json']);
  });

  it('cannot be written where a file stands in the way, and says so', async () => {
    await writeFile(join(folder, 'plain'), '');
    await expect(writeWhole(join(folder, 'plain/front.json'), '')).rejects.toThrow(
      'error[search/unwritable]',
    );
  });
});
