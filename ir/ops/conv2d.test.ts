import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { netOf } from '../../fixtures/generate/graphs.ts';
import { convolutionRecipes } from '../../fixtures/generate/recipe.ts';
import {
  elementCount,
  type Graph,
  GraphBuilder,
  interpret,
  perTensor,
  plain,
  type Tensor,
  tensor,
} from '../index.ts';

/** The sum as the definition writes it: every output, every tap, skipped where it lies in the padding. */
function direct(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  node: Graph['nodes'][number],
  zeroPoint: number,
): number[] {
  const { strides, pads, dilations, groups } = node.attributes as unknown as Record<
    'strides' | 'pads' | 'dilations',
    number[]
  > & { groups: number };
  const [batch, outputs, height, width] = node.result.type.shape as [number, number, number, number];
  const [, inputs, inputHeight, inputWidth] = x.type.shape as [number, number, number, number];
  const [, perGroup, kernelHeight, kernelWidth] = weight.type.shape as [number, number, number, number];
  const y: number[] = [];
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++) {
          let sum = bias === undefined ? 0 : bias.data[o]!;
          const group = Math.floor((o * groups) / outputs);
          for (let c = 0; c < perGroup; c++)
            for (let u = 0; u < kernelHeight; u++)
              for (let v = 0; v < kernelWidth; v++) {
                const row = i * strides[0]! + u * dilations[0]! - pads[0]!;
                const column = j * strides[1]! + v * dilations[1]! - pads[1]!;
                if (row < 0 || row >= inputHeight || column < 0 || column >= inputWidth) continue;
                const w = weight.data[((o * perGroup + c) * kernelHeight + u) * kernelWidth + v]!;
                const channel = group * perGroup + c;
                sum +=
                  w *
                  (x.data[((n * inputs + channel) * inputHeight + row) * inputWidth + column]! - zeroPoint);
              }
          y.push(sum);
        }
  return y;
}

const shapes = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  channels: fc.integer({ min: 1, max: 6 }),
  extent: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
  convolution: convolutionRecipes(6),
  seed: fc.nat(),
});

/** A convolution of the recipe, and integers for its operands that every order of summation adds exactly. */
function drawn({ convolution, seed, ...input }: typeof shapes extends fc.Arbitrary<infer T> ? T : never): {
  node: Graph['nodes'][number];
  x: Tensor;
  weight: Tensor;
  bias: Tensor | undefined;
} {
  const block = { kind: 'convolution', convolution, activation: 'none', batchNorm: false } as const;
  const graph = netOf({ ...input, blocks: [block], classes: 0, seed });
  const node = graph.nodes[0]!;
  let state = seed;
  const fill = (shape: readonly number[], low: number, high: number): Tensor => {
    const values = Array.from({ length: elementCount(shape) }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return low + ((state >>> 8) % (high - low + 1));
    });
    return tensor({ element: { kind: 'plain', storage: 'f32' }, shape }, values);
  };
  const [, weight, bias] = node.operands.map((name) => graph.constants.get(name)?.type.shape);
  return {
    node,
    x: fill(graph.inputs[0]!.type.shape, 0, 15),
    weight: fill(weight!, -7, 7),
    bias: bias === undefined ? undefined : fill(bias, -1000, 1000),
  };
}

function evaluated(operands: readonly (Tensor | undefined)[], node: Graph['nodes'][number]): number[] {
  const builder = new GraphBuilder('main');
  const names = operands
    .filter((operand) => operand !== undefined)
    .map((operand) => builder.constant('c', operand));
  const y = builder.add('conv2d', names, node.attributes);
  expect(builder.typeOf(y).shape).toEqual(node.result.type.shape);
  return Array.from(interpret(builder.finish([y]), [])[0]!.data);
}

it('floats: agrees with the direct sum over strides, pads, dilations and groups', () => {
  fc.assert(
    fc.property(shapes, (recipe) => {
      const { node, x, weight, bias } = drawn(recipe);
      expect(evaluated([x, weight, bias], node)).toEqual(
        direct(x, weight, bias, node, 0).map((value) => value + 0),
      );
    }),
    { numRuns: 200 },
  );
});

it('integers: agrees with the direct sum about the zero point', () => {
  fc.assert(
    fc.property(shapes, fc.integer({ min: 0, max: 15 }), (recipe, zeroPoint) => {
      const { node, x, weight, bias } = drawn(recipe);
      const integer = (value: Tensor, element: Tensor['type']['element']): Tensor =>
        tensor({ element, shape: value.type.shape }, Array.from(value.data));
      const operands = [
        integer(x, perTensor('u4', 0.5, zeroPoint)),
        integer(weight, perTensor('i4', 0.5)),
        bias === undefined ? undefined : integer(bias, plain('i32', []).element),
      ];
      expect(evaluated(operands, node)).toEqual(
        direct(x, weight, bias, node, zeroPoint).map((value) => value + 0),
      );
    }),
    { numRuns: 200 },
  );
});
