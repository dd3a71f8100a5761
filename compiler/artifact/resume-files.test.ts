import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scratchFolder } from '../../fixtures/cli/small-resnet.ts';
import type { Diagnostic } from '../../ir/index.ts';
import { resumeFolder } from './resume-files.ts';

let folder: string;
let next = 0;
const fresh = (): string => join(folder, `net-${next++}.resume`);
const key = 'ab'.repeat(32);
const bytes = Uint8Array.from({ length: 300 }, (_, i) => i % 256);

beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

function opened(path: string, version = '1'): { store: ReturnType<typeof resumeFolder>; codes: string[] } {
  const codes: string[] = [];
  return { store: resumeFolder(path, version, ({ code }: Diagnostic) => codes.push(code)), codes };
}

describe('a resume folder', () => {
  it('gives back what was kept, to another process too, and goes when it is removed', async () => {
    const path = fresh();
    const { store } = opened(path);
    expect(await store.load(key)).toBeUndefined();
    expect(store.used).toBe(false);
    expect(existsSync(path)).toBe(false);
    await store.save(key, bytes);
    expect(store.used).toBe(true);
    const other = opened(path);
    expect(await other.store.load(key)).toEqual(bytes);
    expect(other.codes).toEqual([]);
    await other.store.remove();
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['a changed byte', (found: Buffer) => Buffer.concat([found.subarray(0, -1), Buffer.of(1)])],
    ['a lost end', (found: Buffer) => found.subarray(0, 200)],
    ['nothing in it', () => Buffer.of()],
  ])('does not take an entry with %s, and says so once', async (_, damage) => {
    const path = fresh();
    const { store, codes } = opened(path);
    await store.save(key, bytes);
    const file = join(path, `${key}.kept`);
    await writeFile(file, damage(await readFile(file)));
    expect(await store.load(key)).toBeUndefined();
    expect(await store.load(key)).toBeUndefined();
    expect(codes).toEqual(['resume/damaged']);
    await store.save(key, bytes);
    expect(await store.load(key)).toEqual(bytes);
  });

  it('does not take the entry of another version, or of another key', async () => {
    const path = fresh();
    await opened(path).store.save(key, bytes);
    const newer = opened(path, '2');
    expect(await newer.store.load(key)).toBeUndefined();
    expect(newer.codes).toEqual(['resume/damaged']);
    const another = 'cd'.repeat(32);
    await writeFile(join(path, `${another}.kept`), await readFile(join(path, `${key}.kept`)));
    expect(await opened(path).store.load(another)).toBeUndefined();
  });

  it('leaves what somebody else put there, and follows no link', async () => {
    const path = fresh();
    const { store } = opened(path);
    await store.save(key, bytes);
    await writeFile(join(path, 'notes.txt'), 'mine');
    await store.remove();
    expect(await readdir(path)).toEqual(['notes.txt']);

    const elsewhere = fresh();
    await mkdir(elsewhere);
    const link = fresh();
    await symlink(elsewhere, link);
    const linked = opened(link);
    await linked.store.save(key, bytes);
    expect(linked.codes).toEqual(['resume/unwritable']);
    expect(await readdir(elsewhere)).toEqual([]);
  });

  it('that cannot be made costs a warning, once', async () => {
    const path = fresh();
    await writeFile(path, 'a file');
    const { store, codes } = opened(path);
    await store.save(key, bytes);
    await store.save(key, bytes);
    expect(await store.load(key)).toBeUndefined();
    await store.remove();
    expect(store.used).toBe(false);
    expect(codes).toEqual(['resume/unwritable']);
    expect(await readFile(path, 'utf8')).toBe('a file');
  });
});
