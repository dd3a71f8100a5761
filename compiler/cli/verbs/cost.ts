/** `qc cost`: the paper's cost models for a model, at the bits asked for, or side by side where none are. */
import type { Command } from 'commander';
import type { Graph } from '../../../ir/index.ts';
import { type Cost, costOf } from '../../cost.ts';
import type { BitsOptions } from '../../default-pipeline.ts';
import { annotatedLayers } from '../../float-program.ts';
import type { LayerBits } from '../../layer-bits.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { loadModel, programOf } from '../model.ts';
import { bitsOptions, type BitsFlags, loadOptions, modelOptions, type ModelOptions } from '../options.ts';
import { plannedBits } from '../plan.ts';
import { grouped, scaled } from '../../printable.ts';
import { type Column, facts, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & BitsFlags & ModelOptions;

export function declareCost(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'cost <MODEL>',
    summary: 'What a model costs by the models of the paper: multiplications and memory, against bfloat16.',
    examples: [
      ['cost resnet50.onnx', 'bfloat16 next to 8 bits, 4 bits and mostly 4 bits'],
      ['cost resnet50.onnx --bits 4 --format json', 'mostly 4 bits, for a script'],
      ["cost resnet18.onnx --layer-bits 'first,last=w8a8; *=w4a8'", 'a mixture'],
      ['cost resnet18.onnx --plan front.json --point p05', 'a point that qc search found'],
      ['cost build/', 'of an artifact, at the bits it has'],
    ],
  });
  modelOptions(bitsOptions(command)).action(host.action(cost));
}

async function cost(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const model = await loadModel(path, loadOptions(options));
  const graph = await programOf(model);
  const { bits } = await plannedBits(options, graph, terminal);
  const layers = await annotatedLayers(graph, bits, terminal.report);
  const result = costOf(layers);
  const compare = Object.keys(bits).length === 0 && layers.every(({ quantized }) => !quantized);
  return {
    json: { ...result, layers: layers.map((layer) => ({ ...layerJson(layer), ...costOf([layer]) })) },
    text: compare ? await comparison(graph, terminal) : described(result, layers, terminal),
  };
}

function layerJson({ name, op, weightBits, activationBits }: LayerBits): object {
  return { name, op, weight_bits: weightBits, activation_bits: activationBits };
}

const candidates: readonly (readonly [title: string, bits: BitsOptions])[] = [
  ['bfloat16', {}],
  ['w8a8', { precision: 'w8a8' }],
  ['w4a8', { precision: 'w4a8' }],
  ['w4a4', { precision: 'w4a4' }],
  ['mostly 4 (--bits 4)', { bits: 4 }],
];

async function comparison(graph: Graph, terminal: Terminal): Promise<string> {
  const rows: { title: string; cost: Cost }[] = [];
  for (const [title, bits] of candidates) {
    rows.push({ title, cost: costOf(await annotatedLayers(graph, bits, terminal.report)) });
  }
  const { macs, weights } = rows[0]!.cost;
  return `${facts([
    ['multiplications', grouped(macs)],
    ['weights', grouped(weights)],
  ])}\n${table(rows, [{ title: 'bits', cell: (row) => row.title }, ...costColumns((row: { cost: Cost }) => row.cost)], terminal.colours)}`;
}

function costColumns<R>(of: (row: R) => Cost): Column<R>[] {
  const ratio = (value: number): string => value.toFixed(4);
  return [
    { title: 'compute (quadratic)', cell: (row) => scaled(of(row).compute_cost), align: 'right' },
    { title: 'ratio', cell: (row) => ratio(of(row).compute_cost_ratio_to_bfloat16), align: 'right' },
    { title: 'compute (linear)', cell: (row) => scaled(of(row).compute_cost_linear), align: 'right' },
    { title: 'ratio', cell: (row) => ratio(of(row).compute_cost_linear_ratio_to_bfloat16), align: 'right' },
    { title: 'memory, bits', cell: (row) => scaled(of(row).memory_cost), align: 'right' },
    { title: 'ratio', cell: (row) => ratio(of(row).memory_cost_ratio_to_bfloat16), align: 'right' },
  ];
}

function described(result: Cost, layers: readonly LayerBits[], terminal: Terminal): string {
  const list = table(
    layers,
    [
      { title: 'layer', cell: ({ name }) => name },
      { title: 'op', cell: ({ op }) => op },
      { title: 'MACs', cell: ({ macs }) => scaled(macs), align: 'right' },
      { title: 'W/A', cell: ({ weightBits, activationBits }) => `${weightBits}/${activationBits}` },
      {
        title: 'share of compute',
        cell: (layer) => share(costOf([layer]).compute_cost, result.compute_cost),
        align: 'right',
      },
      {
        title: 'share of memory',
        cell: (layer) => share(costOf([layer]).memory_cost, result.memory_cost),
        align: 'right',
      },
    ],
    terminal.colours,
  );
  const line = (value: number, ratio: number): string =>
    `${scaled(value).padEnd(8)}  ${ratio.toFixed(4)} of bfloat16`;
  return `${list}\n${facts([
    ['multiplications', grouped(result.macs)],
    ['weights', grouped(result.weights)],
    ['compute, quadratic', line(result.compute_cost, result.compute_cost_ratio_to_bfloat16)],
    ['compute, linear', line(result.compute_cost_linear, result.compute_cost_linear_ratio_to_bfloat16)],
    ['memory, bits', line(result.memory_cost, result.memory_cost_ratio_to_bfloat16)],
  ])}`;
}

function share(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`;
}
