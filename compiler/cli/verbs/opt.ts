/** `qc opt`: passes on a program in text form. A failure leaves a reproducer, which `opt` runs again as it is. */
import { writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { Command } from 'commander';
import { fail, type Graph } from '../../../ir/index.ts';
import { BlobWriter, printGraph } from '../../../ir/text/index.ts';
import {
  createPassRegistry,
  levelOf,
  type PassContext,
  parsePipeline,
  parsePrintAfter,
  type PipelineFailure,
  printIrAfter,
  reproducer,
  runPipeline,
} from '../../../passes/index.ts';
import { readsSamples } from '../../default-pipeline.ts';
import { quickExecutor } from '../../executor/quick.ts';
import { generatedSamples } from '../../samples.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { loadQir } from '../model.ts';
import { passOptions, type PassFlags } from '../options.ts';
import { drawingPreprocess } from '../sample-data.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & PassFlags & { readonly out?: string; readonly reproducer: string };

export function declareOpt(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'opt <FILE>',
    summary: 'Run passes on a .qir file and print the program.',
    examples: [
      ["opt net.qir --pass-pipeline 'canonicalize,fold-batchnorm'", 'two passes'],
      [
        "opt net.qir --pass-pipeline 'calibrate,insert-quantizers' --explain -o out.qir",
        'saying why, into a file',
      ],
      ['opt reproducer.qir', 'the pipeline in its // RUN: line'],
    ],
  });
  passOptions(command)
    .option('-o, --out <file.qir>', 'write the program there, large constants into a .weights file beside it')
    .option('--reproducer <file>', 'what a failing pass leaves behind', 'reproducer.qir')
    .action(host.action(opt));
}

async function opt(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const file = await loadQir(path);
  const text = options.passPipeline ?? /^\/\/ RUN:(.*)$/m.exec(file.text)?.[1]?.trim();
  if (text === undefined) {
    fail('cli/no-pipeline', `no --pass-pipeline is given, and ${JSON.stringify(path)} has no // RUN: line`, {
      help: 'qc passes lists the passes',
    });
  }
  const pipeline = parsePipeline(text, options.passPipeline === undefined ? path : '--pass-pipeline');
  const passes = createPassRegistry();
  const context: PassContext = {
    executor: quickExecutor(terminal.report),
    ...(readsSamples(pipeline, passes) ? { samples: drawn(file.graph, options.seed) } : {}),
    report: terminal.report,
    explain: options.explain === true ? terminal.say : () => undefined,
    progress: terminal.progress,
  };
  const failures: PipelineFailure[] = [];
  const { printIrAfter: printed } = options;
  try {
    const graph = await runPipeline(file.graph, pipeline, passes, context, {
      verifyEach: options.verifyEach === true,
      clock: () => performance.now(),
      onFailure: (failure) => failures.push(failure),
      ...(printed === undefined ? {} : { afterPass: printIrAfter(parsePrintAfter(printed), terminal.say) }),
    });
    return await outcome(graph, options);
  } catch (error) {
    const [failure] = failures;
    if (failure !== undefined) {
      await writeProgram(options.reproducer, (blobs) => reproducer(failure, blobs));
      terminal.say(
        `${JSON.stringify(options.reproducer)} reproduces the failure: qc opt ${options.reproducer}`,
      );
    }
    throw error;
  }
}

function drawn(graph: Graph, seed: number): ReturnType<typeof generatedSamples> {
  return generatedSamples(graph, drawingPreprocess(graph.inputs[0]?.type.shape ?? [], undefined), seed);
}

async function outcome(graph: Graph, { out }: Options): Promise<Outcome> {
  if (out !== undefined) await writeProgram(out, (blobs) => printGraph(graph, { blobs }));
  const ir = out === undefined ? printGraph(graph) : undefined;
  return {
    json: { level: levelOf(graph) ?? null, ir: ir ?? null, out: out ?? null },
    text: ir ?? `written to ${out!}\n`,
  };
}

/** A program as text, its large constants beside it under a name that a text may refer to. */
async function writeProgram(path: string, print: (blobs: BlobWriter) => string): Promise<void> {
  const stem = basename(path, extname(path))
    .replace(/[^A-Za-z0-9_-]/g, '_')
    .replace(/^(?=-)/, '_');
  const blobs = new BlobWriter(`${stem === '' ? 'program' : stem.slice(0, 80)}.weights`);
  const text = print(blobs);
  const bytes = blobs.bytes();
  try {
    if (bytes.length > 0) await writeFile(join(dirname(path), blobs.file), bytes);
    await writeFile(path, text);
  } catch (error) {
    fail(
      'cli/unwritable',
      `cannot write ${JSON.stringify(path)}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
