/** `qc verify`: every tensor that an artifact stores against the interpreter, bit for bit. */
import type { Command } from 'commander';
import { fail } from '../../../ir/index.ts';
import { positionOf, Verification } from '../../verify-artifact.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { type DataFlags, dataOptions, type RunnerFlags, runnerOptions } from '../options.ts';
import { grouped } from '../../printable.ts';
import { batchInputs, drawnInputs, openData } from '../sample-data.ts';
import { choosePreprocess, openSubject, type Subject } from '../subject.ts';
import { facts } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & DataFlags & RunnerFlags;

/** The interpreter is slow: so many runs unless --limit asks for more. */
const defaultRuns = 2;

export function declareVerify(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'verify <DIR>',
    summary: 'Compare every tensor that an artifact stores with the interpreter, bit for bit.',
    examples: [
      ['verify build/', 'on drawn inputs'],
      ['verify build/ --data val --limit 10', 'on the first ten images of a folder'],
      ['verify build/ --adapter swiftshader', 'a WGSL artifact on another WebGPU driver'],
    ],
  });
  runnerOptions(
    dataOptions(command, `inputs (default: drawn; ${defaultRuns} samples unless --limit says more)`),
  ).action(host.action(verify));
}

async function verify(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const subject = await openSubject(path, terminal, options);
  try {
    if (subject.model.kind !== 'artifact') {
      return fail('cli/model-kind', `${JSON.stringify(path)} is not an artifact`, {
        help: 'compile it first: verify compares what was compiled',
      });
    }
    const verification = new Verification(await subject.model.artifact.program());
    const limit = options.limit ?? defaultRuns;
    const runs = Math.ceil(limit / (subject.inputs[0]?.shape[0] ?? 1));
    let done = 0;
    for await (const inputs of await inputsOf(subject, options, limit, runs, terminal)) {
      verification.add(inputs, await subject.trace(inputs));
      done += 1;
      terminal.progress('verifying', done, runs);
    }
    return outcome(verification, subject, terminal);
  } finally {
    await subject.close();
  }
}

async function inputsOf(
  subject: Subject,
  options: Options,
  limit: number,
  runs: number,
  terminal: Terminal,
): Promise<AsyncIterable<Float32Array[]>> {
  if (options.data === undefined) return drawnInputs(subject, runs, options.seed);
  const preprocess = await choosePreprocess(subject, options.preprocess);
  const dataset = await openData(subject, { path: options.data, preprocess, labels: false, limit }, terminal);
  return (async function* () {
    for await (const { inputs } of batchInputs(subject, dataset)) yield inputs;
  })();
}

function outcome(verification: Verification, subject: Subject, terminal: Terminal): Outcome {
  const { samples, tensors, values, mismatches, firstMismatch: first, outside } = verification;
  if (outside.tensors.length > 0) {
    terminal.report({
      code: 'verify/outside-promise',
      severity: outside.near ? 'note' : 'warning',
      message: `${outside.tensors.length} tensors come from softmax, which is outside the promise of equal bits: they differ by at most ${outside.largestDifference}`,
    });
  }
  return {
    json: {
      tensors,
      values,
      mismatches,
      first_mismatch:
        first === undefined
          ? null
          : {
              tensor: first.tensor,
              index: first.index,
              expected: first.expected,
              got: first.got,
              position: positionOf(first.index, first.shape),
              run: first.sample,
            },
      runs: samples,
      target: subject.engine,
      outside_promise: { tensors: outside.tensors, largest_difference: outside.largestDifference },
    },
    text: facts([
      ['target', subject.engine],
      ['compared', `${tensors} tensors, ${grouped(values)} values, ${samples} runs`],
      ['mismatches', grouped(mismatches)],
      first && [
        'first',
        `%${first.tensor} at [${positionOf(first.index, first.shape).join(', ')}]: expected ${first.expected}, got ${first.got} (run ${first.sample})`,
      ],
    ]),
    passed: mismatches === 0 && outside.near,
  };
}
