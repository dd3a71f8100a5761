/** Files from outside: external data is read where it belongs and refused everywhere else. */
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dataTypeCode, type OnnxTensor } from '../../backends/onnx/model.ts';
import { node, smallModel } from '../../fixtures/models/small-model.ts';
import { QcError } from '../../ir/index.ts';
import { encodeModel } from './encode.ts';
import { importOnnx } from './import.ts';
import { loadOnnxFile } from './node-files.ts';

const weights = Float32Array.of(1, 2, 3, 4, 5, 6);

function modelWith(entries: Readonly<Record<string, string>>): Uint8Array {
  const external: OnnxTensor = {
    name: 'w',
    dataType: dataTypeCode.float,
    dims: [2, 3, 1, 1],
    payload: { kind: 'external', entries },
  };
  return encodeModel(smallModel({ nodes: [node('Conv', ['x', 'w'], 'y')], initializers: [external] }));
}

describe('loadOnnxFile', () => {
  let folder: string;
  beforeEach(async () => {
    const outside = await mkdtemp(join(tmpdir(), 'qc-onnx-'));
    folder = join(outside, 'model');
    await mkdir(join(folder, 'parts'), { recursive: true });
    const bytes = new Uint8Array(4 + weights.byteLength);
    bytes.set(new Uint8Array(weights.buffer), 4);
    await writeFile(join(folder, 'parts', 'weights.bin'), bytes);
    await writeFile(join(outside, 'secret'), bytes);
  });
  afterEach(() => rm(join(folder, '..'), { recursive: true }));

  async function refusal(entries: Readonly<Record<string, string>>): Promise<string> {
    await writeFile(join(folder, 'm.onnx'), modelWith(entries));
    try {
      await loadOnnxFile(join(folder, 'm.onnx'));
    } catch (error) {
      if (error instanceof QcError) return error.message;
      throw error;
    }
    return 'accepted';
  }

  it('reads external data at its offset and names the program after the file', async () => {
    await writeFile(
      join(folder, 'm.onnx'),
      modelWith({ location: 'parts/weights.bin', offset: '4', length: '24' }),
    );
    const { graph } = await loadOnnxFile(join(folder, 'm.onnx'));
    expect(graph.name).toBe('m');
    expect([...graph.constants.get('w')!.data]).toEqual([...weights]);
  });

  it.each([
    ['../secret', /external-data-path.*leads out of the folder/],
    ['parts/../../secret', /external-data-path.*leads out of the folder/],
    ['parts\\..\\..\\secret', /external-data-path.*leads out of the folder/],
    ['/etc/hostname', /external-data-path.*absolute path/],
    ['C:\\weights', /external-data-path.*absolute path/],
    ['', /external-data-path.*no name/],
    ['a\0b', /external-data-path.*NUL/],
    ['parts', /external-data-path.*not a file/],
    ['gone.bin', /missing-external-data.*cannot be read[^]*keep the data file beside the model/],
  ])('refuses %j', async (location, message) => {
    expect(await refusal({ location })).toMatch(message);
  });

  it('refuses links', async () => {
    await symlink('../secret', join(folder, 'link'));
    expect(await refusal({ location: 'link', offset: '4' })).toMatch(/external-data-path.*symbolic link/);
    await link(join(folder, '..', 'secret'), join(folder, 'hard'));
    expect(await refusal({ location: 'hard', offset: '4' })).toMatch(/external-data-path.*hard link/);
    await rm(join(folder, 'hard'));
    await symlink('..', join(folder, 'way'));
    expect(await refusal({ location: 'way/secret', offset: '4' })).toMatch(/leads out of the folder/);
  });

  it.each([
    [{ offset: '8' }, /external-data-range.*28 bytes, but 24 are wanted at offset 8/],
    [{ offset: '9007199254740990' }, /external-data-range/],
    [{ offset: '-4' }, /external-data-range.*offset "-4"/],
    [{ length: '1e9' }, /external-data-range.*length "1e9"/],
    [{ length: '20' }, /tensor-size.*20 bytes.*needs 24/],
  ])('refuses the range %j', async (range, message) => {
    expect(await refusal({ location: 'parts/weights.bin', ...range })).toMatch(message);
  });

  it('says which file is missing when it is given none', async () => {
    await expect(importOnnx(modelWith({ location: 'parts/weights.bin' }))).rejects.toThrow(
      /missing-external-data.*"parts\/weights\.bin", which was not given/,
    );
    await expect(loadOnnxFile(join(folder, 'none.onnx'))).rejects.toThrow(/no-file.*none\.onnx/);
  });
});
