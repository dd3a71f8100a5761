/**
 * quantize-biases: makes the bias of each quantized layer the integers that it becomes in an accumulator,
 *
 *     @b.i32[o] = round(@b[o] / (scale(x) scale(w)[o]))          scale = scale(x) scale(w)[o], no zero point
 *
 * as engines want it that run a layer on integers. Lowering counts biases in the same steps: the integer program of the result is that
 * of the program given.
 */
import {
  f32,
  type Graph,
  isQuantized,
  type Node,
  opOf,
  perAxis,
  producersOf,
  roundHalfEven,
  tensor,
  typesOf,
} from '../ir/index.ts';
import { definePass } from './pass.ts';
import { rebuild } from './rebuild.ts';

export const quantizeBiases = definePass({
  name: 'quantize-biases',
  summary: 'Count the bias of every quantized layer in the steps of its accumulator, as int32.',
  options: {},
  requires: 'quantized',
  ensures: 'quantized',
  run: (graph, _options, { explain }) => {
    const stepsOf = accumulatorSteps(graph);
    return rebuild(graph, (node, builder) => {
      if (opOf(node.op).traits.layer !== true || node.operands[2] === undefined) return undefined;
      const [x, w, b] = node.operands as [string, string, string];
      const bias = graph.constants.get(b);
      const steps = bias === undefined ? undefined : stepsOf(node);
      if (bias === undefined || steps === undefined) return undefined;
      const counts = Array.from(bias.data, (real, o) => roundHalfEven(real / steps[o]!));
      if (counts.some((count) => !(Math.abs(count) < 2 ** 31))) {
        explain(`%${node.result.name} keeps its bias: a channel of it does not fit int32`);
        return undefined;
      }
      const scale = builder.constant(`${b}.scale`, tensor(f32([steps.length]), steps.map(Math.fround)));
      const type = { element: perAxis('i32', scale, 0), shape: bias.type.shape };
      const stored = builder.constant(`${b}.i32`, tensor(type, counts));
      const { result, attributes, location } = node;
      const real = builder.add('dequantize', [stored], {}, { name: `${stored}.real`, location });
      return builder.add(node.op, [x, w, real], attributes, {
        name: result.name,
        location,
        notes: result.notes,
      });
    });
  },
});

/** For a layer whose operands are both quantized: what one step of each output channel is worth. */
function accumulatorSteps(graph: Graph): (layer: Node) => readonly number[] | undefined {
  const makers = producersOf(graph);
  const types = typesOf(graph);
  const stored = (name: string): string | undefined => {
    const maker = makers.get(name);
    return maker?.op === 'dequantize' ? maker.operands[0]! : undefined;
  };
  return (layer) => {
    const [x, w] = [stored(layer.operands[0]!), stored(layer.operands[1]!)];
    const [xType, wType] = [x, w].map((name) => (name === undefined ? undefined : types.get(name)));
    if (xType === undefined || wType === undefined || !isQuantized(xType) || !isQuantized(wType))
      return undefined;
    const { scale: step } = xType.element;
    if (typeof step !== 'number') return undefined;
    const { scale } = wType.element;
    const outputs = wType.shape[0]!;
    const scales =
      typeof scale === 'number'
        ? new Array<number>(outputs).fill(scale)
        : Array.from(graph.constants.get(scale)!.data);
    return scales.length === outputs ? scales.map((each) => step * each) : undefined;
  };
}
