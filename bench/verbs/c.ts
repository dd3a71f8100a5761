/** `bench c`: the compiled C artifact against the engines of this processor, one model after another. */
import { type Command, Option } from 'commander';
import { integerArgument } from '../../compiler/cli/arguments.ts';
import type { Host, Outcome } from '../../compiler/cli/host.ts';
import type { Terminal } from '../../compiler/cli/terminal.ts';
import type { Contestant } from '../contest.ts';
import { type Isa, isaCondition, isas, isBestOf } from '../isa.ts';
import { describeMachine } from '../machine.ts';
import { type ContestFlags, contestOptions, runContests } from '../model-contests.ts';
import { type BenchModel, knownModels } from '../models.ts';
import { oursInC } from '../ours.ts';
import { oneDnn } from '../peers/onednn.ts';
import { onnxRuntime } from '../peers/onnxruntime.ts';
import { torch } from '../peers/torch.ts';
import { Unavailable } from '../unavailable.ts';

type Options = ContestFlags & { readonly threads: number; readonly isa: Isa };

const peerNames = ['ort', 'onednn', 'torch'] as const;

export function declareC(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'c',
    summary: 'The C artifact against ONNX Runtime, oneDNN and PyTorch on this processor.',
    examples: [
      ['c', 'ResNet-8, 18 and 50 at every precision, one thread'],
      ['c --model resnet18 --precision w4a4 --rounds 30', 'a closer look at one'],
      ['c --isa avx2 --peers onednn', 'both sides held down to AVX2'],
      ['c --write-docs', 'and write the tables into docs/performance.md'],
    ],
  });
  contestOptions(command, peerNames, { rounds: 12, models: Object.keys(knownModels) })
    .option('--threads <n>', 'threads of every contestant, bound to as many CPUs', integerArgument(1), 1)
    .addOption(
      new Option('--isa <isa>', 'instruction set that all are held down to').choices(isas).default('auto'),
    )
    .action(host.action(benchC));
}

async function benchC(terminal: Terminal, options: Options): Promise<Outcome> {
  const { threads, isa } = options;
  const { instructions } = await describeMachine();
  const [threadsFlag, isaFlag] = [
    threads === 1 ? '' : ` --threads ${threads}`,
    isa === 'auto' ? '' : ` --isa ${isa}`,
  ];
  return runContests(terminal, options, {
    contestants: (model) => contestantsFor(model, options, instructions),
    references: ['ours-w8a8', 'ort-int8', 'onednn-int8'],
    cpus: threads === 1 ? '0' : `0-${threads - 1}`,
    block: ({ name }) => `c ${name} threads=${threads} isa=${isa}`,
    conditions: `${threads === 1 ? 'one thread' : `${threads} threads`}${isaCondition(isa, instructions)}`,
    command: `npm run bench -- c${threadsFlag}${isaFlag}`,
    json: { threads, isa },
  });
}

function contestantsFor(
  model: BenchModel,
  { precision, peers, threads, isa }: Options,
  instructions: readonly string[],
): Contestant[] {
  const own = (contestant: Contestant): Contestant =>
    isBestOf(isa, instructions) ? contestant : notBelow(isa, contestant);
  const engine = { provider: 'cpu', threads } as const;
  const rows: readonly (readonly [peer: (typeof peerNames)[number], Contestant])[] = [
    ['ort', own(onnxRuntime(model, 'int8', engine))],
    ['ort', own(onnxRuntime(model, 'float', engine))],
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
