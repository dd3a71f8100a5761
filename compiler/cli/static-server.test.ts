import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveFolder, type StaticServer } from './static-server.ts';

let [folder, site]: string[] = [];
let server: StaticServer | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qc-serve-'));
  site = join(folder, 'site');
  await mkdir(join(site, 'demo'), { recursive: true });
  await writeFile(join(folder, 'secret'), 'not yours');
  await writeFile(join(site, 'index.html'), '<p>page');
  await writeFile(join(site, 'demo', 'page.js'), 'export {}');
  await writeFile(join(site, 'weights.bin'), Uint8Array.of(1, 2, 3));
  await symlink(join(folder, 'secret'), join(site, 'link'));
  server = await serveFolder(site, '127.0.0.1', 0);
});

afterAll(async () => {
  await server?.close();
  await rm(folder!, { recursive: true, force: true });
});

/** A path as it is written: `fetch` would tidy it first. */
function ask(
  path: string,
  method = 'GET',
): Promise<{ status: number; type: string | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    request(server!.url, { path, method }, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString('latin1')));
      response.on('end', () => {
        resolve({ status: response.statusCode!, type: response.headers['content-type'], body });
      });
    })
      .on('error', reject)
      .end();
  });
}

describe('a folder that is served', () => {
  it.each([
    ['/', 'text/html; charset=utf-8', '<p>page'],
    ['/index.html?x=1', 'text/html; charset=utf-8', '<p>page'],
    ['/demo/page.js', 'text/javascript; charset=utf-8', 'export {}'],
    ['/weights.bin', 'application/octet-stream', '\x01\x02\x03'],
  ])('gives %s', async (path, type, body) => {
    expect(await ask(path)).toEqual({ status: 200, type, body });
  });

  it.each(['/none', '/demo', '/../secret', '/%2e%2e/secret', '/..%2fsecret', '/link', '/%', '/a%00b'])(
    'has nothing at %s',
    async (path) => {
      expect(await ask(path)).toMatchObject({ status: 404, body: 'there is no such file here\n' });
    },
  );

  it('is read and not written', async () => {
    expect(await ask('/', 'POST')).toMatchObject({ status: 405, body: '' });
    expect(await ask('/', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it('says which port it could not have', async () => {
    const port = Number(new URL(server!.url).port);
    await expect(serveFolder(site!, '127.0.0.1', port)).rejects.toThrow(`port ${port}: listen EADDRINUSE`);
  });
});
