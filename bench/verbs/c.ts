/** `bench c`: the compiled C artifact against the engines of this machine, one model after another. */
import { type Command, Option } from 'commander';
import type { CommonOptions, Host, Outcome } from '../../compiler/cli/host.ts';
import { integerArgument } from '../../compiler/cli/arguments.ts';
import type { Terminal } from '../../compiler/cli/terminal.ts';
import { type Contestant, holdContest } from '../contest.ts';
import { contestCells, type ContestRow, contestRows } from '../contest-table.ts';
import { describeMachine, type Machine, machineText, warnIfBusy } from '../machine.ts';
import { type BenchModel, findModel, knownModels } from '../models.ts';
import { type Isa, isas } from '../isa.ts';
import { listArgument } from '../list-argument.ts';
import { oursInC } from '../ours.ts';
import { markdownTable } from '../page-block.ts';
import { oneDnn } from '../peers/onednn.ts';
import { onnxRuntime } from '../peers/onnxruntime.ts';
import { torch } from '../peers/torch.ts';
import { type Precision, precisions } from '../precision.ts';
import { textTable } from '../text-table.ts';
import { Unavailable } from '../unavailable.ts';
import { writePage } from '../page.ts';

type Options = CommonOptions & {
  readonly model: readonly string[];
  readonly precision: readonly Precision[];
  readonly peers: readonly string[];
  readonly threads: number;
  readonly isa: Isa;
  readonly rounds: number;
  readonly turn: number;
  readonly prepare?: true;
  readonly writeDocs?: true;
};

const peerNames = ['ort', 'onednn', 'torch'] as const;

export function declareC(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'c',
      summary: 'The C artifact against ONNX Runtime, oneDNN and PyTorch on this processor.',
      examples: [
        ['c', 'ResNet-8, 18 and 50 at every precision, one thread'],
        ['c --model resnet18 --precision w4a4 --rounds 30', 'a closer look at one'],
        ['c --isa avx2 --peers onednn', 'both sides held down to AVX2'],
        ['c --write-docs', 'and write the tables into docs/performance.md'],
      ],
    })
    .option(
      '--model <list>',
      `${Object.keys(knownModels).join(', ')}, or .onnx files`,
      listArgument(),
      Object.keys(knownModels),
    )
    .option('--precision <list>', precisions.join(', '), listArgument(precisions), [...precisions])
    .option('--peers <list>', peerNames.join(', '), listArgument(peerNames), [...peerNames])
    .option('--threads <n>', 'threads of every contestant, bound to as many CPUs', integerArgument(1), 1)
    .addOption(
      new Option('--isa <isa>', 'instruction set that all are held down to').choices(isas).default('auto'),
    )
    .option('--rounds <n>', 'how often each has its turn', integerArgument(1), 12)
    .option('--turn <ms>', 'how long a turn lasts, about', integerArgument(1), 150)
    .option('--prepare', 'only make ready what is timed: compile, quantize, build')
    .option('--write-docs', 'write the tables into docs/performance.md')
    .action(host.action(benchC));
}

interface ModelResult {
  readonly model: BenchModel;
  readonly rows: readonly ContestRow[];
  readonly absent: readonly { readonly name: string; readonly title: string; readonly reason: string }[];
}

async function benchC(terminal: Terminal, options: Options): Promise<Outcome> {
  const machine = await describeMachine();
  warnIfBusy(terminal);
  const models: BenchModel[] = [];
  for (const name of options.model) models.push(await findModel(name));
  const results: ModelResult[] = [];
  for (const model of models) {
    terminal.say(`== ${model.title}`);
    const contestants = contestantsFor(model, options);
    if (options.prepare === true) await prepareAll(contestants, terminal);
    else results.push(await timed(model, contestants, options, terminal));
  }
  if (options.writeDocs === true) {
    for (const result of results) {
      const { name } = result.model;
      await writePage(
        `c ${name} threads=${options.threads} isa=${options.isa}`,
        pageOf(result, options, machine),
      );
    }
  }
  return {
    json: {
      machine,
      threads: options.threads,
      isa: options.isa,
      models: results.map(({ model, rows, absent }) => ({ model: model.name, rows, absent })),
    },
    text: results.map((result) => textOf(result, terminal)).join('\n'),
  };
}

function contestantsFor(model: BenchModel, options: Options): Contestant[] {
  const { precision, peers, threads, isa } = options;
  const engine = { provider: 'cpu', threads } as const;
  const rows: readonly (readonly [peer: (typeof peerNames)[number], Contestant])[] = [
    ['ort', notBelow(isa, onnxRuntime(model, 'int8', engine))],
    ['ort', notBelow(isa, onnxRuntime(model, 'float', engine))],
    ['onednn', oneDnn(model, threads, isa)],
    ['torch', torch(model, 'float', threads, isa)],
    ['torch', torch(model, 'int8', threads, isa)],
  ];
  return [
    ...precision.map((one) => oursInC(model, one, threads, isa)),
    ...rows.filter(([peer]) => peers.includes(peer)).map(([, contestant]) => contestant),
  ];
}

/** ONNX Runtime asks the processor alone what it may use. */
function notBelow(isa: Isa, contestant: Contestant): Contestant {
  if (isa !== 'avx2' && isa !== 'scalar') return contestant;
  return {
    ...contestant,
    prepare: async () => Promise.reject(new Unavailable(`nothing holds it down to ${isa}`)),
  };
}

async function prepareAll(contestants: readonly Contestant[], terminal: Terminal): Promise<void> {
  for (const { title, prepare } of contestants) {
    terminal.say(`preparing ${title}`);
    await prepare().catch((error: unknown) => {
      if (!(error instanceof Unavailable)) throw error;
      terminal.say(`without ${title}: ${error.message}`);
    });
  }
}

async function timed(
  model: BenchModel,
  contestants: readonly Contestant[],
  { rounds, turn, threads }: Options,
  terminal: Terminal,
): Promise<ModelResult> {
  const result = await holdContest(contestants, {
    rounds,
    turnMilliseconds: turn,
    cpus: threads === 1 ? '0' : `0-${threads - 1}`,
    say: terminal.say,
    progress: terminal.progress,
  });
  return {
    model,
    rows: contestRows(result, ['ours-w8a8', 'ort-int8', 'onednn-int8']),
    absent: result.absent,
  };
}

function textOf({ model, rows, absent }: ModelResult, terminal: Terminal): string {
  const { head, body } = contestCells(rows);
  return `${model.title}\n${textTable(head, body, terminal)}${absent
    .map(({ title, reason }) => `without ${title}: ${reason}\n`)
    .join('')}`;
}

function pageOf({ model, rows, absent }: ModelResult, { threads, isa }: Options, machine: Machine): string {
  const { head, body } = contestCells(rows);
  const facts = rows
    .filter((row) => Object.keys(row.facts).length > 0)
    .map((row) => `${row.title}: ${factsText(row.facts)}`);
  return [
    `### ${model.title}, ${threads === 1 ? 'one thread' : `${threads} threads`}${isa === 'auto' ? '' : `, held down to ${isa}`}`,
    markdownTable(head, body),
    ...absent.map(({ title, reason }) => `Without ${title}: ${reason}.`),
    `${machineText(machine)}. ${facts.join('. ')}.`,
    `\`npm run bench -- c --model ${model.name}${threads === 1 ? '' : ` --threads ${threads}`}${isa === 'auto' ? '' : ` --isa ${isa}`}\``,
  ].join('\n\n');
}

function factsText(facts: Readonly<Record<string, unknown>>): string {
  return Object.values(facts)
    .map((value) =>
      typeof value === 'object' && value !== null
        ? Object.entries(value)
            .map(([name, count]) => `${String(count)} x ${name}`)
            .join(', ')
        : String(value),
    )
    .join(', ');
}
