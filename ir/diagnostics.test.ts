import { describe, expect, it } from '@jest/globals';
import { type Diagnostic, fail, formatDiagnostic, formatLocation, QcError } from './index.ts';

const diagnostic: Diagnostic = {
  code: 'text/syntax',
  severity: 'error',
  message: 'expected a name',
  location: { kind: 'text', file: 'net.qir', line: 3, column: 7 },
  notes: ['3 | x\n  | ^', 'the last one'],
  help: 'write a name',
};

describe('diagnostics', () => {
  it('print with their place, notes and help; lines of a code frame stay aligned', () => {
    expect(formatDiagnostic(diagnostic).split('\n')).toEqual([
      'error[text/syntax]: expected a name',
      '  at net.qir:3:7',
      '  note: 3 | x',
      '          | ^',
      '  note: the last one',
      '  help: write a name',
    ]);
    expect(formatDiagnostic({ code: 'a/b', severity: 'warning', message: 'm' })).toBe('warning[a/b]: m');
  });

  it('name every kind of location', () => {
    const onnx = { kind: 'onnx', node: 'Conv_0' } as const;
    expect(formatLocation(onnx)).toBe('ONNX node "Conv_0"');
    expect(formatLocation({ kind: 'text', line: 1, column: 2 })).toBe('<text>:1:2');
    expect(
      formatLocation({ kind: 'derived', by: 'fold-batchnorm', from: [onnx, { kind: 'onnx', node: 'BN_0' }] }),
    ).toBe('fold-batchnorm of ONNX node "Conv_0", ONNX node "BN_0"');
  });

  it('travel in a QcError, alone or together', () => {
    expect(new QcError(diagnostic).diagnostics).toEqual([diagnostic]);
    expect(new QcError([diagnostic, diagnostic]).diagnostics).toHaveLength(2);
    expect(() => fail('a/b', 'broken', { help: 'mend it' })).toThrow('error[a/b]: broken\n  help: mend it');
  });
});
