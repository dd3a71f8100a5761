/** `qc tune`: an artifact compiled anew for an adapter is the same model, file for file but for its kernels, bit for bit. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { qc, qcJson } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder, writeSmallResnet } from '../../fixtures/cli/small-resnet.ts';
import { withTestDevice } from '../../fixtures/wgsl/test-device.ts';
import type { Manifest } from '../../runtime/manifest.ts';

let folder: string;
let model: string;
let artifact: string;
const compile = (target: string, out: string) =>
  qc('compile', model, '--bits', '4', '--target', target, '--preprocess', 'unit', '-o', out);
beforeAll(async () => {
  folder = await scratchFolder();
  artifact = join(folder, 'artifact');
  model = await writeSmallResnet(join(folder, 'small.onnx'), { net: { block: 'basic', blocks: [1] } });
  const { status, err } = await compile('wgsl', artifact);
  expect({ status, err: status === 0 ? '' : err }).toEqual({ status: 0, err: '' });
}, 120_000);
afterAll(async () => rm(folder, { recursive: true, force: true }));

const manifestOf = async (path: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8')) as Manifest;

describe('qc tune', () => {
  it('keeps the model and its bits, and says what it chose', async () => {
    await withTestDevice(async () => {
      const tuned = join(folder, 'tuned');
      await cp(artifact, tuned, { recursive: true });
      const { json, status } = await qcJson('tune', tuned);
      expect(status).toBe(0);
      const { steps, device } = json as {
        device: string;
        steps: { step: string; timed: number; before: { milliseconds: number }; after: { kernel: string } }[];
      };
      const [before, after] = [await manifestOf(artifact), await manifestOf(tuned)];
      expect(steps).toHaveLength(before.layers.length);
      for (const { timed, after: chosen } of steps) {
        expect(timed).toBeGreaterThan(1);
        expect(chosen.kernel).toMatch(/^(?:own|subgroup)_(?:pixels|channels)_\d+x\d+(?:_pairs)?, \d+$/);
      }
      expect(device).not.toBe('');
      expect(after.program).toMatchObject({ tuned_on: expect.any(String) });
      const rest = ({ files, program, ...others }: Manifest) => ({
        ...others,
        kept: files.filter(({ role }) => !['source', 'weights'].includes(role)),
        names: files.map(({ name }) => name).sort(),
        program: typeof program,
      });
      expect(rest(after)).toEqual(rest(before));
      const verified = await qcJson('verify', tuned, '--limit', '1');
      expect(verified.json).toMatchObject({ mismatches: 0, runs: 1 });
    });
  }, 400_000);

  it('asks for a new compilation of what another version wrote', async () => {
    const older = join(folder, 'older');
    await cp(artifact, older, { recursive: true });
    const manifest = await manifestOf(older);
    await writeFile(
      join(older, 'manifest.json'),
      JSON.stringify({ ...manifest, program: { ...(manifest.program as object), format: 'qc-wgsl/1' } }),
    );
    await withTestDevice(async () => {
      const refused = await qc('tune', older);
      expect(refused).toMatchObject({ status: 2 });
      expect(refused.err).toContain('error[tune/format]');
      expect(refused.err).toContain('"qc-wgsl/1", expected "qc-wgsl/2"');
    });
  }, 120_000);

  it('is for artifacts of wgsl', async () => {
    const other = join(folder, 'c');
    expect((await compile('c', other)).status).toBe(0);
    await withTestDevice(async () => {
      const refused = await qc('tune', other);
      expect(refused).toMatchObject({ status: 2 });
      expect(refused.err).toContain('error[tune/target]');
    });
    expect((await qc('tune', model)).err).toContain('error[cli/model-kind]');
  }, 120_000);
});
