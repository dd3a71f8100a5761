/** `qc inspect`: what is in a model, and what compiling it would store as integers and why. */
import type { Command } from 'commander';
import { formatType, type Graph, type Level, typesOf } from '../../../ir/index.ts';
import { levelOf } from '../../../passes/index.ts';
import { quantizationPoints } from '../../../passes/quantization-points.ts';
import { cleanFloat } from '../../float-program.ts';
import { type LayerBits, layerBitsOf } from '../../layer-bits.ts';
import type { CommonOptions, Host, Outcome } from '../host.ts';
import { healthFacts } from '../health-text.ts';
import { layerTable } from '../layer-table.ts';
import { loadModel, type Model, programOf } from '../model.ts';
import { bitsOptions, type BitsFlags, loadOptions, modelOptions, type ModelOptions } from '../options.ts';
import { plannedBits } from '../plan.ts';
import { grouped } from '../../printable.ts';
import { facts, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';

type Options = CommonOptions & BitsFlags & ModelOptions & { readonly explain?: true };

interface StoredValue {
  readonly value: string;
  /** Widths it would be stored in; empty where it stays in an accumulator or in float. */
  readonly bits: readonly number[];
  readonly reason: string;
}

export function declareInspect(program: Command, host: Host): void {
  const command = host.verb(program, {
    usage: 'inspect <MODEL>',
    summary: 'What is in a model: inputs, operators, layers, and what would be quantized.',
    examples: [
      ['inspect resnet18.onnx', 'layers with the names that --layer-bits and --exclude match'],
      ['inspect resnet18.onnx --bits 4 --explain', 'every value: stored in how many bits, and why'],
      ['inspect build/ --format json', 'of an artifact, for a script'],
    ],
  });
  modelOptions(bitsOptions(command))
    .option('--explain', 'list every value that would be stored, and why')
    .action(host.action(inspect));
}

async function inspect(terminal: Terminal, options: Options, path: string): Promise<Outcome> {
  const model = await loadModel(path, loadOptions(options));
  const graph = await programOf(model);
  const level = levelOf(graph);
  const { bits } = await plannedBits(options, graph, terminal);
  const clean = await cleanFloat(graph, { bits: 8, ...bits }, terminal.report);
  const layers = layerBitsOf(clean);
  const values = level === 'float' ? storedValues(clean) : [];
  const ports = portsOf(graph);
  const operators = operatorsOf(model, graph);
  const parameters = [...graph.constants.values()].reduce((sum, { data }) => sum + data.length, 0);
  const manifest = model.kind === 'artifact' ? model.artifact.manifest : undefined;
  const health = manifest?.health ?? null;
  const onnx = model.kind === 'onnx' ? model.imported : undefined;
  return {
    json: {
      ...ports,
      opset: onnx?.opset ?? null,
      ops: operators,
      layers: layers.map(layerJson),
      parameters,
      level: level ?? null,
      producer: onnx?.producer ?? null,
      values,
      health,
    },
    text: `${facts([
      ['level', levelText(level)],
      onnx === undefined ? undefined : ['written by', `${onnx.producer || 'unknown'}, opset ${onnx.opset}`],
      ...ports.inputs.map(({ name, type }) => ['input', `${name}: ${type}`] as const),
      ...ports.outputs.map(({ name, type }) => ['output', `${name}: ${type}`] as const),
      ['parameters', grouped(parameters)],
      [
        'operators',
        Object.entries(operators)
          .map(([op, count]) => `${op} ${count}`)
          .join(', '),
      ],
      ...(health === null ? [] : healthFacts(health, manifest!.pipeline)),
    ])}\n${layerTable(layers, terminal.colours, health)}${valuesText(values, options.explain === true, terminal)}`,
  };
}

function levelText(level: Level | undefined): string {
  const texts = {
    float: 'float: to be calibrated and quantized',
    quantized: 'quantized: keeps its own bits and ranges',
    integer: 'integer: compiled already',
  };
  return level === undefined ? 'mixed' : texts[level];
}

function portsOf(
  graph: Graph,
): Record<'inputs' | 'outputs', { name: string; shape: readonly number[]; type: string }[]> {
  const types = typesOf(graph);
  const port = (name: string): { name: string; shape: readonly number[]; type: string } => {
    const type = types.get(name)!;
    return { name, shape: type.shape, type: formatType(type) };
  };
  return { inputs: graph.inputs.map(({ name }) => port(name)), outputs: graph.outputs.map(port) };
}

/** How often each operator occurs: in the file where it is ONNX, in the program otherwise. The most frequent first. */
function operatorsOf(model: Model, graph: Graph): Record<string, number> {
  const counts = new Map<string, number>();
  if (model.kind === 'onnx') for (const [op, count] of model.imported.operators) counts.set(op, count);
  else for (const { op } of graph.nodes) counts.set(op, (counts.get(op) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

function layerJson(layer: LayerBits): object {
  const { name, value, op, kernel, groups, shape, macs, weights, weightBits, activationBits, quantized } =
    layer;
  return {
    name,
    value,
    op,
    kernel,
    groups,
    input_channels: layer.inputChannels,
    output_channels: layer.outputChannels,
    shape,
    macs,
    weights,
    ...(quantized ? { weight_bits: weightBits, activation_bits: activationBits } : {}),
  };
}

/** What becomes of every value. A value nobody gave a reason for is read as a real number, and stays one. */
function storedValues(graph: Graph): StoredValue[] {
  const { stored, reasons } = quantizationPoints(graph);
  const names = [...graph.inputs, ...graph.nodes.map(({ result }) => result)].map(({ name }) => name);
  return names.map((value) => ({
    value,
    bits: stored.get(value) ?? [],
    reason: reasons.get(value) ?? 'stays a real number',
  }));
}

function valuesText(values: readonly StoredValue[], explain: boolean, terminal: Terminal): string {
  if (values.length === 0) return '';
  const kept = values.filter(({ bits }) => bits.length > 0);
  if (!explain) {
    return `\n${kept.length} of ${values.length} values would be stored as integers; --explain lists them with the reasons.\n`;
  }
  return `\n${table(
    values,
    [
      { title: 'value', cell: ({ value }) => value },
      { title: 'stored', cell: ({ bits }) => (bits.length === 0 ? 'no' : `${bits.join(' and ')} bits`) },
      { title: 'why', cell: ({ reason }) => reason, most: 200 },
    ],
    terminal.colours,
  )}`;
}
