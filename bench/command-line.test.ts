import { describe, expect, it } from '@jest/globals';
import { runBench } from './command-line.ts';

async function bench(...args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const status = await runBench(args, {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    outColours: false,
    errColours: false,
  });
  return { status, out: out.join(''), err: err.join('') };
}

describe('bad usage is refused with what could be said', () => {
  it.each([
    [['c', '--precision', 'w8a8,w3a3'], 'expected a comma list of w8a8, w4a8, w4a4'],
    [['c', '--peers', 'onednn,'], 'expected a comma list of ort, onednn, torch'],
    [['c', '--isa', 'mmx'], 'Allowed choices are auto, scalar, avx2, avx512vnni'],
    [['c', '--threads', '0'], 'expected a whole number of at least 1'],
    [['c', '--model', 'resnet9'], 'name one of resnet8, resnet18, resnet50, or an .onnx file that exists'],
    [['d'], 'npm run bench -- help'],
  ])('%j', async (args, message) => {
    const { status, out, err } = await bench(...args);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
  });

  it('and as JSON where that was asked for', async () => {
    const { status, out } = await bench('c', '--model', 'resnet9', '--format', 'json');
    expect(status).toBe(2);
    expect(JSON.parse(out).error.code).toBe('bench/model');
  });
});

it('help shows examples as they are typed', async () => {
  const { status, out } = await bench('help', 'c');
  expect(status).toBe(0);
  expect(out).toContain('npm run bench -- c --isa avx2 --peers onednn');
});
