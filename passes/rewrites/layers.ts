/**
 * What layers absorb. With W the weights of output channel o, b its bias, g and s the gain and shift of an `affine`:
 *
 *     after a layer    g[o] * (W x + b) + s[o]   =  (g[o] W) x + (g[o] b + s[o])
 *     before a layer   W (g x + s) + b           =  (W g) x + (W s + b)
 *
 * Products are formed in double and rounded once. The second line moves a shift across the padding, where the layer sees 0 and not
 * s: it holds only where nothing is padded or nothing is shifted.
 */
import { isF32, type Node, opOf, type Tensor } from '../../ir/index.ts';
import { allFinite, vector } from '../channel-constants.ts';
import type { GraphView } from '../graph-editor.ts';
import { defineRewrite, list, number, type Rewrite } from '../rewrite.ts';
import { affineTables } from './arithmetic.ts';

/** The name a new bias gets: beside the weight it belongs to. */
function biasName(weight: string): string {
  return weight.endsWith('weight') ? `${weight.slice(0, -'weight'.length)}bias` : `${weight}.bias`;
}

function weightProblem(layer: Node, graph: GraphView): string | undefined {
  const weight = graph.constant(layer.operands[1]!);
  return weight !== undefined && isF32(weight.type)
    ? undefined
    : `the weights of %${layer.result.name} are not an f32 constant`;
}

function biasProblem(layer: Node, graph: GraphView): string | undefined {
  const name = layer.operands[2];
  return name === undefined || graph.constant(name) !== undefined
    ? undefined
    : `the bias of %${layer.result.name} is not a constant`;
}

const isOnlyShift = (gain: Float32Array): boolean => gain.every((value) => value === 1);

/** Weights with the row of output channel o multiplied by factors[o]. */
function scaleRows({ type, data }: Tensor, factors: Float32Array): Tensor {
  const weights = data as Float32Array;
  const scaled = new Float32Array(weights.length);
  const taps = weights.length / factors.length;
  for (let o = 0; o < factors.length; o++) {
    const factor = factors[o]!;
    for (let i = o * taps; i < (o + 1) * taps; i++) scaled[i] = weights[i]! * factor;
  }
  return { type, data: scaled };
}

interface AffineAfter {
  readonly layer: Node;
  readonly gain: Float32Array;
  readonly shift: Float32Array;
}

function affineAfter(root: Node, graph: GraphView): AffineAfter | undefined {
  const layer = graph.producer(root.operands[0]!);
  const tables = affineTables(root, graph);
  return layer !== undefined && opOf(layer.op).traits.layer === true && tables !== undefined
    ? { layer, ...tables }
    : undefined;
}

function absorbAfter(name: string, summary: string, match: Rewrite<AffineAfter>['match']): Rewrite {
  return defineRewrite<AffineAfter>({
    name,
    summary,
    roots: ['affine'],
    match,
    unless: ({ layer, gain, shift }, graph) => {
      const { name: value } = layer.result;
      if (graph.isOutput(value)) return `%${value} is a graph output`;
      if (!graph.isUsedOnce(value)) return `%${value} is read elsewhere too`;
      if (!allFinite(gain) || !allFinite(shift)) return 'its gain or shift is not finite';
      // A layer that is only shifted keeps its weights, whatever they are and whoever shares them.
      return biasProblem(layer, graph) ?? (isOnlyShift(gain) ? undefined : weightProblem(layer, graph));
    },
    apply: ({ layer, gain, shift }, draft, root) => {
      const [x, weightName, oldBias] = layer.operands;
      const weight = draft.graph.constant(weightName!);
      const bias = oldBias === undefined ? undefined : draft.graph.constant(oldBias);
      const moved = Array.from(shift, (s, o) => gain[o]! * (bias?.data[o] ?? 0) + s);
      return draft.add(
        layer.op,
        [
          x!,
          isOnlyShift(gain) ? weightName! : draft.constant(weightName!, scaleRows(weight!, gain)),
          draft.constant(oldBias ?? biasName(weightName!), vector(moved)),
        ],
        layer.attributes,
        { from: [layer, root] },
      );
    },
  });
}

/** affine(layer(x), 1, s) -> layer(x) with s in its bias. */
export const shiftIntoBias = absorbAfter(
  'shift-into-bias',
  'affine(layer(x)) of gain 1 -> layer(x) with the shift in its bias',
  (root, graph) => {
    const match = affineAfter(root, graph);
    return match !== undefined && isOnlyShift(match.gain) ? match : undefined;
  },
);

export const affineAfterLayer = absorbAfter(
  'affine-after-layer',
  'affine(layer(x)) -> layer(x) with scaled weights and moved bias',
  affineAfter,
);

export const affineBeforeLayer = defineRewrite({
  name: 'affine-before-layer',
  summary: 'layer(affine(x)) -> layer(x) with scaled weights and moved bias',
  roots: ['conv2d', 'dense'],
  match: (root, graph) => {
    const affine = graph.producer(root.operands[0]!);
    const tables = affineTables(affine, graph);
    return affine === undefined || tables === undefined ? undefined : { affine, ...tables };
  },
  unless: ({ affine, gain, shift }, graph, root) => {
    const { name } = affine.result;
    if (graph.isOutput(name)) return `%${name} is a graph output`;
    if (!graph.isUsedOnce(name)) return `%${name} is read elsewhere too`;
    if (!allFinite(gain) || !allFinite(shift)) return 'the gain or shift is not finite';
    const padded = root.attributes['pads'] !== undefined && list(root, 'pads').some((extent) => extent > 0);
    if (padded && shift.some((value) => value !== 0))
      return `%${name} shifts what the padding of this layer would leave unshifted`;
    return biasProblem(root, graph) ?? weightProblem(root, graph);
  },
  apply: ({ affine, gain, shift }, draft, root) => {
    const [, weightName, oldBias] = root.operands;
    const weight = draft.graph.constant(weightName!)!;
    const bias = oldBias === undefined ? undefined : draft.graph.constant(oldBias);
    const [outputs, inputs] = weight.type.shape as [number, number, ...number[]];
    const window = weight.data.length / (outputs * inputs);
    const outputsPerGroup = outputs / (root.attributes['groups'] === undefined ? 1 : number(root, 'groups'));
    const weights = weight.data as Float32Array;
    const scaled = new Float32Array(weights.length);
    const moved = new Float64Array(outputs);
    for (let o = 0; o < outputs; o++) {
      moved[o] = bias?.data[o] ?? 0;
      const firstInput = Math.floor(o / outputsPerGroup) * inputs;
      for (let c = 0; c < inputs; c++) {
        for (let tap = 0; tap < window; tap++) {
          const i = (o * inputs + c) * window + tap;
          scaled[i] = weights[i]! * gain[firstInput + c]!;
          moved[o]! += weights[i]! * shift[firstInput + c]!;
        }
      }
    }
    const needsBias = bias !== undefined || shift.some((value) => value !== 0);
    return draft.add(
      root.op,
      [
        affine.operands[0]!,
        draft.constant(weightName!, { type: weight.type, data: scaled }),
        ...(needsBias ? [draft.constant(oldBias ?? biasName(weightName!), vector(moved))] : []),
      ],
      root.attributes,
      { from: [root, affine] },
    );
  },
});
