/**
 * The convolutions and dense layers of a network with what an engine computes in their epilogue: a shortcut that is added and a ReLU. Of
 * two convolutions that meet in an addition the later one takes it.
 */
import { elementCount } from '../ir/index.ts';
import type { Network, NetworkNode } from './network.ts';

export interface FusedLayer {
  readonly name: string;
  readonly op: 'conv2d' | 'dense';
  /** Names of the values it reads and makes, after its epilogue; `addend` is the shortcut. */
  readonly input: string;
  readonly output: string;
  readonly addend?: string;
  readonly relu: boolean;
  /** [batch, channels, height, width], heights and widths 1 for a dense layer. */
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  /** [outputs, inputs of a group, height, width]. */
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  /** Top, left, bottom, right. */
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
  readonly groups: number;
  /** Multiplications of a run. */
  readonly macs: number;
}

const isLayer = (node: NetworkNode): boolean => node.op === 'conv2d' || node.op === 'dense';

export function fusedLayersOf({ input, nodes }: Network): FusedLayer[] {
  const shapes = new Map([
    [input.name, input.shape],
    ...nodes.map(({ name, shape }) => [name, shape] as const),
  ]);
  const position = new Map(nodes.map(({ name }, i) => [name, i]));
  const soleReader = (name: string): NetworkNode | undefined => {
    const readers = nodes.filter(({ inputs }) => inputs.includes(name));
    return readers.length === 1 ? readers[0] : undefined;
  };
  const layers: FusedLayer[] = [];
  for (const node of nodes.filter(isLayer)) {
    let output = node.name;
    let addend: string | undefined;
    let reader = soleReader(output);
    if (node.op === 'conv2d' && reader?.op === 'add' && reader.inputs.length === 2) {
      const other = reader.inputs.find((name) => name !== output)!;
      const rival = nodes[position.get(other) ?? -1];
      const rivalTakes =
        rival !== undefined &&
        isLayer(rival) &&
        soleReader(other) === reader &&
        position.get(other)! > position.get(output)!;
      if (!rivalTakes) {
        addend = other;
        output = reader.name;
        reader = soleReader(output);
      }
    }
    const relu = reader?.op === 'relu' || reader?.op === 'clip';
    if (relu) output = reader!.name;
    layers.push({
      ...geometryOf(node, shapes.get(node.inputs[0]!)!),
      name: node.name,
      input: node.inputs[0]!,
      output,
      ...(addend === undefined ? {} : { addend }),
      relu,
    });
  }
  return layers;
}

type Geometry = Omit<FusedLayer, 'name' | 'input' | 'output' | 'addend' | 'relu'>;

function geometryOf({ op, shape, constants, attributes }: NetworkNode, input: readonly number[]): Geometry {
  const weight = constants[0]!;
  const list = (name: string, otherwise: readonly number[]): readonly number[] =>
    (attributes[name] as readonly number[] | undefined) ?? otherwise;
  const spatial = (extents: readonly number[]): number[] => [...extents, 1, 1].slice(0, 4);
  return {
    op: op as FusedLayer['op'],
    inputShape: spatial(input),
    outputShape: spatial(shape),
    kernel: spatial(weight),
    strides: list('strides', [1, 1]),
    pads: list('pads', [0, 0, 0, 0]),
    dilations: list('dilations', [1, 1]),
    groups: (attributes['groups'] as number | undefined) ?? 1,
    macs: (elementCount(shape) / shape[1]!) * elementCount(weight),
  };
}
