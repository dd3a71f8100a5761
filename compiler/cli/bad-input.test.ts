/**
 * What goes wrong in practice, through the command line: each ends with status 2, a message that names the thing, no output folder, and
 * nothing left beside it.
 */
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type OnnxModel, type OnnxTensor } from '../../backends/onnx/model.ts';
import { qc, qcJson, qcProcess } from '../../fixtures/cli/run-qc.ts';
import { scratchFolder, writeSmallResnet } from '../../fixtures/cli/small-resnet.ts';
import {
  node,
  ramp,
  realInput,
  smallModel,
  type SmallModel,
  values,
} from '../../fixtures/models/small-model.ts';
import { writeNpyFile } from '../data/files.ts';
import { createRandom } from '../data/random.ts';
import { encodeModel } from '../onnx/encode.ts';

let folder: string;
let good: string;
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(async () => {
  folder = await scratchFolder();
  good = await writeSmallResnet(at('good.onnx'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

let before: string[];
beforeEach(async () => {
  before = (await readdir(folder)).sort();
});

async function expectRefusal(args: readonly string[], code: string, message: string | RegExp): Promise<void> {
  before = (await readdir(folder)).sort();
  const { status, out, err } = await qc(...args);
  expect({ status, out, err }).toMatchObject({ status: 2, out: '' });
  expect(err).toContain(`error[${code}]`);
  expect(err).toMatch(message);
  expect((await readdir(folder)).sort()).toEqual(before);
}

const compiling = (model: string, ...more: string[]): string[] => [
  'compile',
  model,
  '--target',
  'c',
  '--bits',
  '8',
  '-o',
  at('out'),
  '--quiet',
  ...more,
];

async function modelFile(model: OnnxModel): Promise<string> {
  const path = at('bad.onnx');
  await writeFile(path, encodeModel(model));
  return path;
}

const conv = {
  initializers: [ramp('w', [4, 3, 3, 3])],
  nodes: [node('Conv', ['x', 'w'], 'y', { pads: [1, 1, 1, 1] })],
};

function external(location: string): OnnxTensor {
  return { name: 'w', dataType: 1, dims: [4, 3, 3, 3], payload: { kind: 'external', entries: { location } } };
}

describe('a file that is no model', () => {
  it('is cut short', async () => {
    const bytes = await readFile(good);
    await writeFile(at('bad.onnx'), bytes.subarray(0, bytes.length >> 1));
    await expectRefusal(
      compiling(at('bad.onnx')),
      'onnx/not-a-model',
      /bad\.onnx|ONNX model|truncated|bytes/,
    );
  });

  it('holds random bytes', async () => {
    const random = createRandom(7);
    await writeFile(
      at('bad.onnx'),
      Uint8Array.from({ length: 5000 }, () => random.below(256)),
    );
    await expectRefusal(compiling(at('bad.onnx')), 'onnx/not-a-model', /ONNX/);
  });

  it('is empty, missing, of another kind, or a folder', async () => {
    await writeFile(at('bad.onnx'), '');
    await expectRefusal(compiling(at('bad.onnx')), 'onnx/not-a-model', /ONNX/);
    await expectRefusal(compiling(at('none.onnx')), 'cli/no-model', /none\.onnx/);
    await writeFile(at('bad.txt'), 'x');
    await expectRefusal(compiling(at('bad.txt')), 'cli/model-kind', /\.onnx file, a \.qir file/);
    await mkdir(at('plain'), { recursive: true });
    await expectRefusal(compiling(at('plain')), 'artifact/not-an-artifact', /manifest\.json/);
  });

  it('is a program that does not parse, or whose blob is elsewhere', async () => {
    await writeFile(at('bad.qir'), 'func @main(%x: f32[1, 3]) -> (f32[1, 3]) {\n  return %y\n}\n');
    await expectRefusal(compiling(at('bad.qir')), 'verify/outputs', /%y/);
    await writeFile(
      at('bad.qir'),
      'const @w : f32[2] = blob("../secret", 0)\nfunc @main(%x: f32[2]) -> (f32[2]) {\n  %y = add(%x, @w) : f32[2]\n  return %y\n}\n',
    );
    const { status, err } = await qc(...compiling(at('bad.qir')));
    expect(status).toBe(2);
    expect(err).toMatch(/error\[text\/.*secret/);
  });
});

describe('a model with', () => {
  const refusals: readonly (readonly [what: string, model: SmallModel, code: string, message: RegExp])[] = [
    [
      'an unknown operator',
      { nodes: [node('Einsum', ['x'], 'y')] },
      'onnx/unsupported-op',
      /Einsum.*opset 17/,
    ],
    ['a zero extent', { ...conv, inputs: [realInput('x', [1, 3, 0, 4])] }, 'onnx/', /x/],
    ['a negative extent', { ...conv, inputs: [realInput('x', [1, 3, -4, 4])] }, 'onnx/', /x/],
    [
      'extents that multiply past memory',
      { ...conv, inputs: [realInput('x', [1, 3, 2 ** 20, 2 ** 20])] },
      'onnx/too-large',
      /1048576/,
    ],
    [
      'a cycle',
      { nodes: [node('Add', ['x', 'b'], 'a'), node('Relu', ['a'], 'b')], outputs: ['b'] },
      'onnx/cycle',
      /Add_a|Relu_b/,
    ],
    [
      'two values of one name',
      { nodes: [node('Relu', ['x'], 'y'), node('Sigmoid', ['x'], 'y')], outputs: ['y'] },
      'onnx/duplicate-name',
      /"y"/,
    ],
    ['a dangling input', { nodes: [node('Add', ['x', 'nowhere'], 'y')] }, 'onnx/', /nowhere/],
    [
      'NaN in its weights',
      { ...conv, initializers: [values('w', [4, 3, 3, 3], nanFilled(NaN))] },
      'onnx/non-finite',
      /"w".*NaN/,
    ],
    [
      'infinite weights',
      { ...conv, initializers: [values('w', [4, 3, 3, 3], nanFilled(Infinity))] },
      'onnx/non-finite',
      /"w"/,
    ],
    [
      'external data that is missing',
      { ...conv, initializers: [external('gone.bin')] },
      'onnx/missing-external-data',
      /gone\.bin/,
    ],
    [
      'external data above its folder',
      { ...conv, initializers: [external('../w.bin')] },
      'onnx/external-data-path',
      /\.\.\/w\.bin/,
    ],
    [
      'external data at an absolute path',
      { ...conv, initializers: [external('/etc/hostname')] },
      'onnx/external-data-path',
      /absolute/,
    ],
  ];

  function nanFilled(value: number): number[] {
    return Array.from({ length: 108 }, (_, i) => (i === 50 ? value : 1));
  }

  it.each(refusals)('%s', async (_, model, code, message) => {
    const path = await modelFile(smallModel(model));
    before = (await readdir(folder)).sort();
    const { status, out, err } = await qc(...compiling(path));
    expect({ status, out, err }).toMatchObject({ status: 2, out: '' });
    expect(err).toContain(`error[${code}`);
    expect(err).toMatch(message);
    expect((await readdir(folder)).sort()).toEqual(before);
  });

  it('external data behind a symbolic link', async () => {
    await writeFile(at('real.bin'), new Uint8Array(4 * 108));
    await symlink(at('real.bin'), at('link.bin'));
    const path = await modelFile(smallModel({ ...conv, initializers: [external('link.bin')] }));
    await expectRefusal(compiling(path), 'onnx/external-data-path', /symbolic link/);
  });
});

describe('names that would break generated code', () => {
  const hostile = `*/ int evil(void){"quoted\\"} \n// \u001b[31m ??/ ' ${'x'.repeat(300)}`;

  it('compile, run and verify like any other, and print without control characters', async () => {
    const path = await modelFile(
      smallModel({
        inputs: [realInput(`in${hostile}`, [1, 3, 4, 4])],
        initializers: [{ ...ramp('w', [4, 3, 3, 3]), name: `w${hostile}` }],
        nodes: [
          {
            ...node('Conv', [`in${hostile}`, `w${hostile}`], `mid${hostile}`, { pads: [1, 1, 1, 1] }),
            name: `n${hostile}`,
          },
          node('Relu', [`mid${hostile}`], `out${hostile}`),
        ],
      }),
    );
    for (const target of ['c', 'wgsl']) {
      const compiled = await qc(
        'compile',
        path,
        '--target',
        target,
        '--bits',
        '4',
        '-o',
        at('hostile'),
        '--quiet',
      );
      expect(compiled).toMatchObject({ status: 0 });
      expect(compiled.out + compiled.err).not.toMatch(/\u001b/);
      if (target === 'wgsl') continue;
      expect(await qcJson('verify', at('hostile'))).toMatchObject({ status: 0, json: { mismatches: 0 } });
      expect(await qc('run', at('hostile'), '--tensors', at('t.npz'))).toMatchObject({ status: 0 });
    }
    await rm(at('hostile'), { recursive: true });
    await rm(at('t.npz'));
  });
});

describe('calibration data', () => {
  const image = (name: string, content: Uint8Array | string) => async () => {
    await rm(at('images'), { recursive: true, force: true });
    await mkdir(at('images'));
    await writeFile(at('images', name), content);
  };
  const calibrating = (path: string): string[] =>
    compiling(good, '--calib', path, '--preprocess', 'imagenet');

  it.each([
    ['an empty image', 'data/empty-file', image('a.jpg', '')],
    ['text called an image', 'data/not-an-image', image('a.jpg', 'hello, world')],
    [
      'a corrupt image',
      'data/corrupt-image',
      image('a.jpg', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8)),
    ],
  ])('%s', async (_, code, prepare) => {
    await prepare();
    await expectRefusal(calibrating(at('images')), code, /a\.jpg/);
  });

  it('a folder without images, a path without anything', async () => {
    await image('readme.txt', 'no image')();
    await expectRefusal(calibrating(at('images')), 'data/empty-folder', /images/);
    await expectRefusal(calibrating(at('nothing')), 'data/not-found', /nothing/);
  });

  it('images without a preprocessing', async () => {
    await image('a.jpg', 'x')();
    await writeNpyFile(at('u8.npy'), { dtype: 'u1', shape: [2, 16, 16, 3], data: new Uint8Array(2 * 768) });
    await expectRefusal(
      compiling(good, '--calib', at('u8.npy')),
      'data/preprocess',
      /imagenet, imagenet-norm, raw, unit/,
    );
  });

  it('of another shape or type, empty, not finite', async () => {
    const write = async (dtype: 'f4' | 'i4' | 'u1', shape: number[], fill = 0): Promise<string[]> => {
      const count = shape.reduce((a, b) => a * b, 1);
      const data =
        dtype === 'f4'
          ? new Float32Array(count).fill(fill)
          : dtype === 'u1'
            ? new Uint8Array(count)
            : new Int32Array(count);
      await writeNpyFile(at('x.npy'), { dtype, shape, data });
      return compiling(good, '--calib', at('x.npy'), '--preprocess', 'raw');
    };
    await expectRefusal(
      await write('f4', [2, 3, 8, 8]),
      'data/npy-shape',
      /\[2, 3, 8, 8\].*\[N, 3, 16, 16\]/,
    );
    await expectRefusal(await write('f4', [3, 16, 16]), 'data/npy-shape', /batch dimension/);
    await expectRefusal(await write('i4', [2, 3, 16, 16]), 'data/npy-dtype', /i4/);
    await expectRefusal(await write('u1', [2, 3, 16, 16]), 'data/npy-shape', /transpose/);
    await expectRefusal(await write('f4', [0, 3, 16, 16]), 'data/empty-array', /no samples/);
    await expectRefusal(await write('f4', [1, 3, 16, 16], NaN), 'data/not-finite', /NaN/);
  });
});

describe('an output', () => {
  it('below a file', async () => {
    await writeFile(at('file'), 'x');
    await expectRefusal(
      ['compile', good, '--target', 'c', '-o', at('file', 'deep')],
      'artifact/unwritable',
      /file/,
    );
    await expectRefusal(
      ['compile', good, '--target', 'c', '-o', at('file')],
      'artifact/occupied',
      /not a folder/,
    );
  });

  it('in a folder that may not be written', async () => {
    await mkdir(at('locked'), { recursive: true });
    await chmod(at('locked'), 0o500);
    const { status, err } = await qc('compile', good, '--target', 'c', '-o', at('locked', 'out'), '--quiet');
    if (process.getuid?.() === 0) {
      console.log(
        'running as root, whom no permission stops: only the message for a file in the way is checked',
      );
    } else {
      expect(status).toBe(2);
      expect(err).toContain('permission denied');
    }
    await chmod(at('locked'), 0o700);
  });

  it("is not put in place of somebody's work", async () => {
    await mkdir(at('mine'), { recursive: true });
    await writeFile(at('mine', 'thesis.txt'), 'years');
    await expectRefusal(
      ['compile', good, '--target', 'c', '-o', at('mine')],
      'artifact/occupied',
      /left alone/,
    );
    expect(await readFile(at('mine', 'thesis.txt'), 'utf8')).toBe('years');
  });

  it('replaces an artifact, and an empty folder', async () => {
    await mkdir(at('again'));
    for (const name of ['first', 'second']) {
      expect(
        await qc('compile', good, '--target', 'qir', '--name', name, '-o', at('again'), '--quiet'),
      ).toMatchObject({ status: 0 });
    }
    expect(await readdir(at('again'))).toEqual(['manifest.json', 'second.qir', 'second.weights']);
    await rm(at('again'), { recursive: true });
  });
});

describe('an artifact that was tampered with', () => {
  const artifact = (): string => at('tampered');

  beforeEach(async () => {
    await rm(artifact(), { recursive: true, force: true });
    await qc('compile', good, '--target', 'c', '-o', artifact(), '--quiet');
  });

  it('is refused when a file has changed, is a link, or is gone', async () => {
    const source = join(artifact(), 'model.c');
    const text = await readFile(source, 'utf8');
    await writeFile(source, text.replace('int', 'itn'));
    await expectRefusal(['run', artifact()], 'artifact/changed', /model\.c/);
    await rm(source);
    await expectRefusal(['run', artifact()], 'artifact/changed', /model\.c.*missing/);
    await symlink(good, source);
    await expectRefusal(['bench', artifact()], 'artifact/changed', /plain file/);
  });

  it.each([
    ['is not JSON', (text: string) => text.slice(0, 50)],
    ['names a file above the folder', (text: string) => text.replace('"model.c"', '"../model.c"')],
    [
      'has a shape past memory',
      (text: string) => text.replace(/"shape": \[\s*1,/, '"shape": [ 4000000000000,'),
    ],
    ['is of another format', (text: string) => text.replace('qc-artifact/1', 'qc-artifact/9')],
  ])('is refused when its manifest %s', async (_, change) => {
    const path = join(artifact(), 'manifest.json');
    await writeFile(path, change(await readFile(path, 'utf8')));
    await expectRefusal(['verify', artifact()], 'artifact/manifest', /manifest/);
  });

  it('runs without reference/, and verify says what is missing', async () => {
    await rm(join(artifact(), 'reference'), { recursive: true });
    expect(await qc('run', artifact())).toMatchObject({ status: 0 });
    await expectRefusal(['verify', artifact()], 'artifact/no-program', /reference\//);
  });
});

describe('usage', () => {
  const usages: readonly (readonly [args: string[], code: string, message: RegExp])[] = [
    [['compil', 'x'], 'cli/usage', /unknown command 'compil'[^]*Did you mean compile/],
    [['cost', 'x.onnx', '--bit', '4'], 'cli/usage', /unknown option '--bit'[^]*Did you mean --bits/],
    [['cost'], 'cli/usage', /missing required argument 'MODEL'/],
    [['cost', 'x.onnx', '--bits', '5'], 'cli/usage', /8, 4, 2/],
    [['cost', 'x.onnx', '--seed', 'x'], 'cli/usage', /whole number/],
    [['cost', 'x.onnx', '--input-dim', 'batch'], 'cli/usage', /NAME=NUMBER/],
    [['compile', 'x.onnx'], 'cli/usage', /--target/],
    [['compile', 'x.onnx', '--target', 'cuda'], 'compile/target', /the targets are c, wgsl, qir, onnx/],
    [['compile', 'x.onnx', '--target', 'c', '--round', 'up'], 'cli/usage', /nearest, gptq/],
    [['compile', 'x.onnx', '--target', 'c', '--isa', 'mmx'], 'c/isa', /mmx/],
    [['compile', 'x.onnx', '--target', 'c', '--demo'], 'cli/demo', /--target wgsl/],
    [['compile', 'x.onnx', '--target', 'wgsl', '--weights', 'incbin'], 'cli/weights', /--target c/],
    [['eval', 'x.onnx'], 'cli/no-data', /--data/],
  ];

  it.each(usages)('%j', async (args, code, message) => expectRefusal(args, code, message));

  it.each([
    [['--precision', 'w9a9'], /w9a9/],
    [['--layer-bits', 'first=='], /first==/],
    [['--plan', 'front.json'], /--plan needs --point/],
    [['--point', 'p1'], /--point needs --plan/],
    [['--plan', 'none.json', '--point', 'p1'], /no front at "none\.json"/],
    [['--exclude', '*'], /every layer of the c target/],
    [['--name', 'a-b'], /a-b/],
    [['--level', 'float'], /float/],
    [['--pass-pipeline', 'nonsense'], /nonsense/],
    [['--pass-pipeline', 'canonicalize'], /float level; c takes integer/],
    [['--input-dim', 'depth=3'], /depth/],
    [['--preprocess', 'cubist'], /imagenet, imagenet-norm, raw, unit/],
    [['--class-names', 'none.txt'], /none\.txt/],
  ])('compile with %j', async (more, message) => {
    const { status, err } = await qc(...compiling(good, ...more));
    expect({ status, err }).toMatchObject({ status: 2 });
    expect(err).toMatch(message);
  });

  it('in JSON is one document too', async () => {
    for (const args of [['compil'], ['cost'], ['cost', 'none.onnx'], []]) {
      const { status, json } = await qcJson(...args);
      expect(status).toBe(2);
      expect(json).toMatchObject({
        error: { code: expect.any(String), message: expect.any(String), diagnostics: expect.any(Array) },
      });
    }
  });

  it('run refuses inputs of another shape, type or number', async () => {
    await writeNpyFile(at('x.npy'), { dtype: 'f4', shape: [1, 3, 4, 4], data: new Float32Array(48) });
    await expectRefusal(['run', good, '--input', at('x.npy')], 'data/npy-shape', /\[1, 3, 4, 4\]/);
    await writeNpyFile(at('x.npy'), { dtype: 'i8', shape: [1, 3, 16, 16], data: new BigInt64Array(768) });
    await expectRefusal(['run', good, '--input', at('x.npy')], 'data/npy-dtype', /i8/);
    await expectRefusal(
      ['run', good, '--input', at('x.npy'), '--input', at('x.npy')],
      'cli/inputs',
      /takes 1/,
    );
    await expectRefusal(['run', good, '-o', at('y.txt')], 'cli/output-kind', /\.npy/);
  });
});

describe('the process', () => {
  it('has the exit status, one document on standard output, and diagnostics on standard error', async () => {
    const fine = await qcProcess(['cost', good, '--format', 'json']);
    expect(fine).toMatchObject({ status: 0, err: '' });
    expect(JSON.parse(fine.out)).toMatchObject({ macs: expect.any(Number) });
    const bad = await qcProcess(['cost', at('none.onnx')], { env: { NO_COLOR: '1', FORCE_COLOR: '1' } });
    expect(bad).toMatchObject({ status: 2, out: '' });
    expect(bad.err).toBe(`error[cli/no-model]: there is no model at ${JSON.stringify(at('none.onnx'))}\n`);
  });

  it('prints help and version with status 0', async () => {
    expect(await qcProcess(['--version'])).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    const verbs = [
      'compile',
      'inspect',
      'cost',
      'run',
      'eval',
      'verify',
      'bench',
      'tune',
      'search',
      'opt',
      'passes',
      'ops',
    ];
    for (const verb of verbs) {
      for (const args of [
        ['help', verb],
        [verb, '--help'],
      ]) {
        const { status, out } = await qc(...args);
        expect(status).toBe(0);
        expect(out).toMatch(/Examples:\n {2}# /);
        expect(out).toContain('--format');
      }
    }
  });
});
