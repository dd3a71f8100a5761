/** What the contests of every target share: their options, a contest for each model, and how the outcome is told. */
import type { Command } from 'commander';
import { integerArgument } from '../compiler/cli/arguments.ts';
import type { CommonOptions, Outcome } from '../compiler/cli/host.ts';
import type { Terminal } from '../compiler/cli/terminal.ts';
import { type Absent, type Contestant, holdContest } from './contest.ts';
import { contestCells, type ContestRow, contestRows } from './contest-table.ts';
import { listArgument } from './list-argument.ts';
import { describeMachine, type Machine, machineText, warnIfBusy } from './machine.ts';
import { type BenchModel, findModel, knownModels } from './models.ts';
import { writePage } from './page.ts';
import { markdownTable } from './page-block.ts';
import { type Precision, precisions } from './precision.ts';
import { textTable } from './text-table.ts';
import { Unavailable } from './unavailable.ts';

export interface ContestFlags extends CommonOptions {
  readonly model: readonly string[];
  readonly precision: readonly Precision[];
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly turn: number;
  readonly prepare?: true;
  readonly writeDocs?: true;
}

/** Adds the options of every contest. */
export function contestOptions(
  command: Command,
  peers: readonly string[],
  defaults: { readonly rounds: number; readonly models: readonly string[] },
): Command {
  return command
    .option('--model <list>', `${Object.keys(knownModels).join(', ')}, or .onnx files`, listArgument(), [
      ...defaults.models,
    ])
    .option('--precision <list>', precisions.join(', '), listArgument(precisions), [...precisions])
    .option('--peers <list>', peers.join(', '), listArgument(peers), [...peers])
    .option('--rounds <n>', 'how often each has its turn', integerArgument(1), defaults.rounds)
    .option('--turn <ms>', 'how long a turn lasts, about', integerArgument(1), 150)
    .option('--prepare', 'only make ready what is timed: compile, quantize, build')
    .option('--write-docs', 'write the tables into docs/performance.md');
}

export interface ContestPlan {
  readonly contestants: (model: BenchModel) => readonly Contestant[];
  /** Names of those whose times others are told as multiples of. */
  readonly references: readonly string[];
  /** CPUs that all are bound to, as `taskset` takes them. */
  readonly cpus: string;
  /** Names the block of the page, after the model: `c resnet18 threads=1`. */
  readonly block: (model: BenchModel) => string;
  /** What is said after the model's title in a heading: `one thread`. */
  readonly conditions: string;
  /** The command that measures it again, less the model. */
  readonly command: string;
  /** More sentences on a result. */
  readonly remarks?: (model: BenchModel, rows: readonly ContestRow[]) => readonly string[];
  /** More keys of the JSON document. */
  readonly json: Readonly<Record<string, unknown>>;
}

interface ModelResult {
  readonly model: BenchModel;
  readonly rows: readonly ContestRow[];
  readonly absent: readonly Absent[];
  readonly remarks: readonly string[];
}

/** Holds a contest for each model asked for. */
export async function runContests(
  terminal: Terminal,
  flags: ContestFlags,
  plan: ContestPlan,
): Promise<Outcome> {
  const machine = await describeMachine();
  warnIfBusy(terminal);
  const models: BenchModel[] = [];
  for (const name of flags.model) models.push(await findModel(name));
  const results: ModelResult[] = [];
  for (const model of models) {
    terminal.say(`== ${model.title}`);
    const contestants = plan.contestants(model);
    if (flags.prepare === true) {
      await prepareAll(contestants, terminal);
      continue;
    }
    const { rounds, turn: turnMilliseconds } = flags;
    const { say, progress } = terminal;
    const result = await holdContest(contestants, {
      rounds,
      turnMilliseconds,
      cpus: plan.cpus,
      say,
      progress,
    });
    const rows = contestRows(result, plan.references);
    results.push({ model, rows, absent: result.absent, remarks: plan.remarks?.(model, rows) ?? [] });
  }
  if (flags.writeDocs === true) {
    for (const result of results) await writePage(plan.block(result.model), pageOf(result, plan, machine));
  }
  return {
    json: {
      machine,
      ...plan.json,
      models: results.map(({ model, rows, absent, remarks }) => ({
        model: model.name,
        rows,
        absent,
        remarks,
      })),
    },
    text: results.map((result) => textOf(result, terminal)).join('\n'),
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

function textOf({ model, rows, absent, remarks }: ModelResult, terminal: Terminal): string {
  const { head, body } = contestCells(rows);
  const lines = [...absent.map(({ title, reason }) => `without ${title}: ${reason}`), ...remarks];
  return `${model.title}\n${textTable(head, body, terminal)}${lines.map((line) => `${line}\n`).join('')}`;
}

function pageOf({ model, rows, absent, remarks }: ModelResult, plan: ContestPlan, machine: Machine): string {
  const { head, body } = contestCells(rows);
  const facts = rows
    .filter((row) => Object.keys(row.facts).length > 0)
    .map((row) => `${row.title}: ${factsText(row.facts)}.`);
  return [
    `### ${model.title}, ${plan.conditions}`,
    markdownTable(head, body),
    ...absent.map(({ title, reason }) => `Without ${title}: ${reason}.`),
    ...remarks,
    [`${machineText(machine)}.`, ...facts].join(' '),
    `\`${plan.command} --model ${model.name}\``,
  ].join('\n\n');
}

function factsText(facts: Readonly<Record<string, unknown>>): string {
  const counted = (counts: object): string =>
    Object.entries(counts)
      .map(([name, count]) => `${String(count)} ${name}`)
      .join(', ');
  return Object.entries(facts)
    .map(([name, value]) =>
      typeof value === 'object' && value !== null
        ? counted(value)
        : name === 'device' || name === 'detail'
          ? String(value)
          : `${String(value)} ${name.replaceAll('_', ' ')}`,
    )
    .join('; ');
}
