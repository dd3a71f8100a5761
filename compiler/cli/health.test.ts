/** What the command line says of a quantized network's health: on a trained net that keeps it, and on the same net broken on purpose. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { qc, qcJson } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder } from '../../fixtures/cli/small-resnet.ts';
import { healthFacts } from './health-text.ts';
import type { HealthSummary } from '../../runtime/manifest.ts';

const shape = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/shapes/${name}`, import.meta.url));
const trained = ['compile', shape('shapes-resnet.onnx'), '--target', 'qir'];
const calibrated = ['--calib', shape('calibration.npy'), '--samples', '32', '--preprocess', 'unit'];
const broken = ['--precision', 'w2a2', '--calib-method', 'minmax', '--samples', '64'];

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

interface Loose extends HealthSummary {
  readonly health: HealthSummary;
  readonly warnings: readonly string[];
  readonly error: { readonly code: string };
}

describe('a healthy compilation', () => {
  it('says how near to float each layer is, keeps it, and shows it again', async () => {
    const compiled = await qcJson(...trained, ...calibrated, '--bits', '4', '-o', at('good'));
    expect(compiled).toMatchObject({ status: 0 });
    const { health, warnings } = compiled.json as Loose;
    expect(warnings).toEqual([]);
    expect(health).toMatchObject({ samples: 32 });
    expect(health.agreement).toBeGreaterThan(90);
    expect(health.layers).toHaveLength(16);
    expect(health.layers[0]!.sqnr_db).toBeGreaterThan(30);
    for (const layer of health.layers) {
      expect(layer.sqnr_db).toBeGreaterThan(10);
      expect(layer.weights_at_limit).toBeGreaterThan(0);
    }
    // Every layer reads a stored activation, and residual streams are stored beside them.
    const read = health.activations.flatMap(({ read_by: readers }) => readers);
    expect([...read].sort()).toEqual(health.layers.map(({ name }) => name).sort());

    const inspected = await qcJson('inspect', at('good'));
    expect((inspected.json as Loose).health).toEqual(health);
    const reported = await qcJson('report', at('good'));
    const report = reported.json as Loose;
    expect(report).toMatchObject({ agreement: health.agreement, sqnr_db: health.sqnr_db, samples: 32 });
    const ratios = report.layers.map(({ sqnr_db: ratio }) => ratio!);
    expect(ratios).toEqual([...ratios].sort((a, b) => a - b));
    expect(report.layers.at(-1)).toMatchObject({ weight_bits: 8, activation_bits: 8, op: 'conv2d' });

    for (const { out } of [await qc('report', at('good')), await qc('inspect', at('good'))]) {
      expect(out).toMatch(/next to float +\d+ % agreement on 32 calibration inputs, SQNR [\d.]+ dB/);
      expect(out).toMatch(/layer +.*SQNR +clipped/);
    }
  });

  it('is what report needs', async () => {
    const model = await qc('report', shape('shapes-resnet.onnx'));
    expect(model).toMatchObject({ status: 2 });
    expect(model.err).toContain('is not an artifact: nothing was measured on it yet');
    await qc(...trained, '--level', 'float', '-o', at('float'));
    const float = await qc('report', at('float'));
    expect(float).toMatchObject({ status: 2 });
    expect(float.err).toContain('was not compared with a float model');
  });
});

it('says when weights were rounded for the inputs that judge them', () => {
  const health = { samples: 8, agreement: 100, sqnr_db: 40.4, layers: [], activations: [] };
  const names = (pipeline: string): string[] => healthFacts(health, pipeline).map(([name]) => name);
  expect(names('fold-batchnorm,calibrate,round-gptq,lower-to-integer')).toEqual(['next to float', 'but']);
  expect(names('fold-batchnorm,calibrate,lower-to-integer')).toEqual(['next to float']);
});

describe('a collapse', () => {
  it('is an error with status 1, names the weakest layers, and writes nothing', async () => {
    const { status, err, json } = await qcJson(...trained, ...calibrated, ...broken, '-o', at('bad'));
    expect(status).toBe(1);
    expect(json).toMatchObject({ error: { code: 'compile/collapse' }, health: { samples: 64 } });
    expect(existsSync(at('bad'))).toBe(false);
    const { layers, agreement } = (json as Loose).health;
    expect(agreement).toBeLessThan(45);
    const [weakest] = [...layers].sort((a, b) => a.sqnr_db! - b.sqnr_db!);
    expect(err).toContain(`weakest layers: ${weakest!.name} (w2a2, `);
    expect(err).toContain(`--layer-bits '${weakest!.name},`);
    expect(err).toContain('--min-agreement 0 writes it all the same');
  });

  it('that is allowed is written with a warning', async () => {
    const allowed = [...trained, ...calibrated, ...broken, '--min-agreement', '0', '-o', at('allowed')];
    const { status, json } = await qcJson(...allowed);
    expect(status).toBe(0);
    expect((json as Loose).warnings).toEqual([expect.stringContaining('agrees with the float one on')]);
    expect((await qc('report', at('allowed'))).out).toContain('warning');
  });

  it('on drawn inputs is a warning: nobody can promise anything there', async () => {
    const { status, json, err } = await qcJson(
      ...trained,
      '--preprocess',
      'unit',
      ...broken,
      '-o',
      at('drawn'),
    );
    expect({ status, err }).toMatchObject({ status: 0 });
    expect((json as Loose).health.samples).toBe(16);
  });

  it('is looked for below a bound that is a percentage', async () => {
    expect(await qc(...trained, '--min-agreement', '101')).toMatchObject({
      status: 2,
      err: expect.stringContaining('expected a number from 0 to 100'),
    });
  });
});
