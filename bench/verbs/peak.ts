/** `bench peak`: what this processor could do, and which share of it each layer of ours reaches. */
import { type Command, Option } from 'commander';
import { integerArgument } from '../../compiler/cli/arguments.ts';
import type { CommonOptions, Host, Outcome } from '../../compiler/cli/host.ts';
import { facts } from '../../compiler/cli/table.ts';
import type { Terminal } from '../../compiler/cli/terminal.ts';
import { openCRunner } from '../../compiler/runners/node-c.ts';
import { elementCount, fail } from '../../ir/index.ts';
import { type Isa, isaCondition, isas } from '../isa.ts';
import { describeMachine, type Machine, machineText, warnIfBusy } from '../machine.ts';
import { type BenchModel, findModel, knownModels } from '../models.ts';
import { compiled, compilerFlags } from '../ours.ts';
import { writePage } from '../page.ts';
import { markdownTable } from '../page-block.ts';
import { bestRow, measurePeak, type Peak } from '../peak.ts';
import { type Precision, precisions } from '../precision.ts';
import { listArgument } from '../list-argument.ts';
import { textTable } from '../text-table.ts';
import { stepLayers } from '../step-layers.ts';
import { Unavailable } from '../unavailable.ts';

type Options = CommonOptions & {
  readonly model: readonly string[];
  readonly precision: readonly Precision[];
  readonly isa: Isa;
  readonly repeat: number;
  readonly writeDocs?: true;
};

export function declarePeak(program: Command, host: Host): void {
  host
    .verb(program, {
      usage: 'peak',
      summary: 'What the multipliers of this processor can do, and the share of it that each layer reaches.',
      examples: [
        ['peak', 'the processor, then every layer of ResNet-18 at W8A8 and W4A4'],
        ['peak --model resnet50 --precision w4a4 --isa avx2', 'held down to AVX2'],
      ],
    })
    .option('--model <list>', `${Object.keys(knownModels).join(', ')}, or .onnx files`, listArgument(), [
      'resnet18',
    ])
    .option('--precision <list>', precisions.join(', '), listArgument(precisions), ['w8a8', 'w4a4'])
    .addOption(
      new Option('--isa <isa>', 'instruction set to hold ours down to').choices(isas).default('auto'),
    )
    .option('--repeat <n>', 'timed runs', integerArgument(1), 40)
    .option('--write-docs', 'write the tables into docs/performance.md')
    .action(host.action(benchPeak));
}

interface LayerRate {
  readonly name: string;
  readonly geometry: string;
  readonly bits: string;
  readonly macs: number;
  readonly ms: number;
  readonly macs_per_cycle: number;
  /** Of the quickest instruction for its operands. */
  readonly share_of_peak: number | null;
}

interface ModelRates {
  readonly model: BenchModel;
  readonly precision: Precision;
  readonly layers: readonly LayerRate[];
  /** Of everything that is no layer: input, pools, output. */
  readonly other_ms: number;
  /** The quickest whole run, timed without looking inside. */
  readonly min_ms: number;
}

async function benchPeak(terminal: Terminal, options: Options): Promise<Outcome> {
  const machine = await describeMachine();
  warnIfBusy(terminal);
  terminal.say('measuring the multipliers');
  const peak = await measurePeak();
  const results: ModelRates[] = [];
  for (const name of options.model) {
    const model = await findModel(name);
    for (const precision of options.precision) {
      terminal.say(`timing the layers of ${model.title} at ${precision.toUpperCase()}`);
      results.push(await layerRates(model, precision, options));
    }
  }
  if (options.writeDocs === true) {
    const held = isaFlag(options.isa);
    await writePage(
      held === '' ? 'peak' : `peak isa=${options.isa}`,
      `${peakPage(peak, machine, options.isa)}\n\n${machineText(machine)}.\n\n\`npm run bench -- peak${held}\``,
    );
    for (const result of results) {
      const { model, precision } = result;
      await writePage(
        `layers ${model.name} ${precision} isa=${options.isa}`,
        layersPage(result, machine, options),
      );
    }
  }
  return {
    json: {
      machine,
      peak,
      isa: options.isa,
      models: results.map(({ model, ...rest }) => ({ model: model.name, ...rest })),
    },
    text: [peakText(peak, terminal), ...results.map((result) => layersText(result, terminal))].join('\n'),
  };
}

async function layerRates(model: BenchModel, precision: Precision, options: Options): Promise<ModelRates> {
  const { isa, repeat } = options;
  const artifact = await compiled(model, precision, 'c', isa).catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    return fail('bench/compile', error.message);
  });
  const { manifest } = artifact;
  const runner = await openCRunner(artifact, { flags: ['-std=c11', '-O3', ...compilerFlags[isa]] });
  try {
    const inputs = manifest.inputs.map(({ shape }) =>
      Float32Array.from({ length: elementCount(shape) }, (_, i) => ((i * 7919) % 4001) / 1000 - 2),
    );
    // The clock may differ between a cold and a warm core: it is taken before and after.
    const before = await measurePeak();
    const timed = await runner.bench(inputs, { repeat, warmup: 3 });
    const after = await measurePeak();
    const clock = Math.max(before.clock_ghz, after.clock_ghz);
    const stored = new Set(manifest.tensors.map(({ name }) => name));
    const steps = stepLayers(timed.layers, stored, await artifact.program());
    const layers = steps
      .filter((step) => step.macs > 0)
      .map((step): LayerRate => {
        const rate = step.macs / (step.milliseconds * 1e6 * clock);
        const weightBits = Math.max(...step.layers.map((layer) => layer.weightBits));
        const best = bestRow({ rows: [...before.rows, ...after.rows] }, weightBits, isa);
        return {
          name: step.layers.map((layer) => layer.name).join(' + '),
          geometry: step.layers
            .map(({ kernel, inputChannels, outputChannels, shape }) =>
              [kernel.join('x'), `${inputChannels} -> ${outputChannels}`, shape.slice(2).join('x')].join(' '),
            )
            .join(' + '),
          bits: step.layers.map((layer) => `${layer.weightBits}/${layer.activationBits}`).join(' + '),
          macs: step.macs,
          ms: step.milliseconds,
          macs_per_cycle: rate,
          share_of_peak: best === undefined ? null : rate / best.macs_per_cycle,
        };
      });
    return {
      model,
      precision,
      layers,
      other_ms: steps.filter((step) => step.macs === 0).reduce((sum, step) => sum + step.milliseconds, 0),
      min_ms: Math.min(...timed.milliseconds),
    };
  } finally {
    await runner.close();
  }
}

const peakHead = ['instruction', 'operands', 'GMAC/s', 'MAC/cycle'] as const;

function peakCells({ rows }: Peak): string[][] {
  return rows.map(({ isa, instructions, operands, gmacs, macs_per_cycle: rate }) => [
    `${instructions} (${isa})`,
    operands,
    gmacs.toFixed(0),
    rate.toFixed(1),
  ]);
}

function peakText(peak: Peak, terminal: Terminal): string {
  return `${textTable(peakHead, peakCells(peak), terminal)}${facts([['clock', `${peak.clock_ghz.toFixed(2)} GHz`]])}`;
}

const isaFlag = (isa: Isa): string => (isa === 'auto' ? '' : ` --isa ${isa}`);

function peakPage(peak: Peak, { instructions }: Machine, isa: Isa): string {
  return [
    `### What the multipliers can do${isaCondition(isa, instructions)}`,
    markdownTable(peakHead, peakCells(peak)),
    `Core clock ${peak.clock_ghz.toFixed(2)} GHz, by a chain of dependent multiplications.`,
  ].join('\n\n');
}

const layerHead = ['layer', 'kernel, channels, result', 'W/A', 'MMAC', 'ms', 'MAC/cycle', 'of peak'] as const;

function layerCells({ layers, other_ms: other, min_ms: whole }: ModelRates): string[][] {
  const sum = layers.reduce((total, { ms }) => total + ms, 0);
  const macs = layers.reduce((total, layer) => total + layer.macs, 0);
  const average = (pick: (layer: LayerRate) => number): number =>
    layers.reduce((total, layer) => total + pick(layer) * layer.ms, 0) / sum;
  return [
    ...layers.map((layer) => [
      layer.name,
      layer.geometry,
      layer.bits,
      (layer.macs / 1e6).toFixed(1),
      layer.ms.toFixed(4),
      layer.macs_per_cycle.toFixed(1),
      percent(layer.share_of_peak),
    ]),
    [
      'all layers',
      '',
      '',
      (macs / 1e6).toFixed(1),
      sum.toFixed(4),
      average((layer) => layer.macs_per_cycle).toFixed(1),
      percent(
        layers.some((layer) => layer.share_of_peak === null)
          ? null
          : average((layer) => layer.share_of_peak!),
      ),
    ],
    ['everything else', '', '', '', other.toFixed(4), '', ''],
    ['a whole run, at least', '', '', '', whole.toFixed(4), '', ''],
  ];
}

function percent(share: number | null): string {
  return share === null ? '' : `${(100 * share).toFixed(0)} %`;
}

function layersText(result: ModelRates, terminal: Terminal): string {
  const title = `${result.model.title}, ${result.precision.toUpperCase()}`;
  return `${title}\n${textTable(layerHead, layerCells(result), terminal)}`;
}

function layersPage(result: ModelRates, { instructions }: Machine, { isa }: Options): string {
  const { model, precision } = result;
  return [
    `### Layers of ${model.title} at ${precision.toUpperCase()}${isaCondition(isa, instructions)}`,
    markdownTable(layerHead, layerCells(result)),
    `\`npm run bench -- peak --model ${model.name} --precision ${precision}${isaFlag(isa)}\``,
  ].join('\n\n');
}
