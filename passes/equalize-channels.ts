/**
 * equalize-channels: makes the channels of an activation that layers multiply in few bits alike in range, so that the one step they share
 * suits them all. A ReLU passes positive gains on, so between two layers the gains fold into weights and cost nothing:
 *
 *     %a = conv2d(%x, @w, @b)                     %a = conv2d(%x, gain @w, gain @b)
 *     %r = relu(%a)                       ->      %r = relu(%a)
 *     %y = conv2d(%r, @v)                         %y = conv2d(%r, @v / gain)
 *
 *     gain[c] = (clip / clip[c])^share,       clip[c] the range worth representing of channel c, clip their geometric mean
 *
 * Rows of @w have steps of their own and do not notice. Columns of @v do: a channel that is made smaller needs larger weights, which share
 * a step with the others of their row. So gains go half of the way (share 1/2), and stay within a factor of 4.
 *
 * Left alone: values that something else reads too (the residual stream), and those that are read in 8 bits.
 */
import {
  fail,
  type Graph,
  GraphBuilder,
  type Node,
  opOf,
  producersOf,
  type Tensor,
  usersOf,
} from '../ir/index.ts';
import { chooseRange } from './clip.ts';
import { Histogram } from './histogram.ts';
import { definePass, type PassContext } from './pass.ts';

/** Gains stay between 1 / this and this. */
const largestGain = 4;

export const equalizeChannels = definePass({
  name: 'equalize-channels',
  summary: 'Give the channels of a narrow activation between two layers similar ranges.',
  options: {
    share: { kind: 'float', summary: 'how far ranges are made alike: 0 not at all, 1 wholly', default: 0.5 },
    samples: { kind: 'int', summary: 'how many samples to look at', default: 64 },
  },
  requires: 'float',
  ensures: 'float',
  readsSamples: true,
  run: async (graph, { share, samples }, context) => {
    if (!(share >= 0 && share <= 1)) {
      fail('equalize-channels/share', `share is ${share}, expected between 0 and 1`, { help: 'try 0.5' });
    }
    const links = linksOf(graph);
    if (links.length === 0 || share === 0) return graph;
    const clips = await channelClips(graph, links, samples, context);
    const gains = new Map(links.map(({ value }) => [value, gainsFor(clips.get(value)!, share)]));
    for (const [value, each] of gains) {
      context.explain(
        `%${value}: channels scaled by ${Math.min(...each).toFixed(2)} to ${Math.max(...each).toFixed(2)}`,
      );
    }
    return scaled(graph, links, gains);
  },
});

/** An activation that can be scaled channel by channel: the layer that makes it, and those that read it. */
interface Link {
  readonly value: string;
  readonly maker: Node;
  readonly readers: readonly Node[];
  /** The narrowest that it is read in. */
  readonly bits: number;
}

function linksOf(graph: Graph): Link[] {
  const makers = producersOf(graph);
  const users = usersOf(graph);
  const isLayer = ({ op, operands }: Node): boolean =>
    opOf(op).traits.layer === true && operands.slice(1).every((name) => graph.constants.has(name));
  return graph.nodes.flatMap((node) => {
    const value = node.result.name;
    const clamp = opOf(node.op).traits.clamp?.(node.attributes);
    if (clamp?.[0] !== 0 || clamp[1] !== Infinity) return [];
    const maker = makers.get(node.operands[0]!);
    if (maker === undefined || !isLayer(maker) || users.get(maker.result.name)!.length > 1) return [];
    const readers = users.get(value) ?? [];
    const outputs = [value, maker.result.name].some((name) => graph.outputs.includes(name));
    const all = readers.every((reader) => isLayer(reader) && reader.operands[0] === value);
    if (outputs || readers.length === 0 || !all) return [];
    const bits = Math.min(...readers.map(({ result }) => result.notes?.activation_bits ?? 8));
    return bits < 8 ? [{ value, maker, readers, bits }] : [];
  });
}

/** Of each value the clip of each of its channels. */
async function channelClips(
  graph: Graph,
  links: readonly Link[],
  most: number,
  { executor, samples, progress }: PassContext,
): Promise<Map<string, number[]>> {
  if (samples === undefined) {
    fail('equalize-channels/no-samples', 'equalizing channels needs samples, and none were given', {
      help: 'give --calib PATH, or let the compiler generate inputs',
    });
  }
  const histograms = new Map<string, Histogram[]>();
  const session = await executor.prepare(
    graph,
    links.map(({ value }) => value),
  );
  try {
    const total = Math.min(most, samples.count);
    let done = 0;
    for await (const inputs of samples.read()) {
      if (done >= total) break;
      for (const [value, { type, data }] of await session.run(inputs)) {
        const [batch, channels] = type.shape as [number, number];
        const plane = data.length / batch / channels;
        let each = histograms.get(value);
        if (each === undefined)
          histograms.set(value, (each = Array.from({ length: channels }, () => new Histogram())));
        for (let i = 0; i < batch * channels; i++) {
          each[i % channels]!.add((data as Float32Array).subarray(i * plane, (i + 1) * plane));
        }
      }
      done += 1;
      progress('equalizing', done, total);
    }
  } finally {
    await session.close();
  }
  return new Map(
    links.map(({ value, bits }) => [
      value,
      (histograms.get(value) ?? []).map(
        (histogram) => chooseRange('mse', { histogram, bits, unsigned: true })[1],
      ),
    ]),
  );
}

/** A channel that was never seen above 0 stays as it is. */
function gainsFor(clips: readonly number[], share: number): Float64Array {
  const alive = clips.filter((clip) => clip > 0);
  const mean = Math.exp(alive.reduce((sum, clip) => sum + Math.log(clip), 0) / alive.length);
  return Float64Array.from(clips, (clip) =>
    clip > 0 ? Math.min(Math.max((mean / clip) ** share, 1 / largestGain), largestGain) : 1,
  );
}

function scaled(graph: Graph, links: readonly Link[], gains: ReadonlyMap<string, Float64Array>): Graph {
  const after = new Map(links.map(({ value, maker }) => [maker, gains.get(value)!]));
  const before = new Map(
    links.flatMap(({ value, readers }) => readers.map((reader) => [reader, gains.get(value)!] as const)),
  );
  const builder = new GraphBuilder(graph.name);
  for (const [name, value] of graph.constants) builder.constant(name, value);
  for (const input of graph.inputs) builder.addInput(input);
  for (const node of graph.nodes) {
    const [rows, columns] = [after.get(node), before.get(node)];
    if (rows === undefined && columns === undefined) {
      builder.addNode(node);
      continue;
    }
    const [x, w, b] = node.operands as [string, string, string?];
    const weights = graph.constants.get(w)!;
    const groups = (node.attributes['groups'] as number | undefined) ?? 1;
    const operands = [x, builder.constant(`${w}.equalized`, scaledWeights(weights, groups, rows, columns))];
    if (b !== undefined) {
      const bias = graph.constants.get(b)!;
      const data = Float32Array.from(bias.data, (value, c) => value * (rows?.[c] ?? 1));
      operands.push(rows === undefined ? b : builder.constant(`${b}.equalized`, { type: bias.type, data }));
    }
    builder.addNode({ ...node, operands });
  }
  return builder.finish(graph.outputs);
}

/** Weights [outputs, inputs of a group, ...] times the gain of their output, over the gain of their input. */
function scaledWeights(
  { type, data }: Tensor,
  groups: number,
  rows: Float64Array | undefined,
  columns: Float64Array | undefined,
): Tensor {
  const [outputs, inputs] = type.shape as [number, number];
  const taps = data.length / outputs / inputs;
  return {
    type,
    data: Float32Array.from(data, (weight, i) => {
      const o = Math.floor(i / taps / inputs);
      const input = Math.floor(o / (outputs / groups)) * inputs + (Math.floor(i / taps) % inputs);
      return (weight * (rows?.[o] ?? 1)) / (columns?.[input] ?? 1);
    }),
  };
}
