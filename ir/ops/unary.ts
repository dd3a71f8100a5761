/**
 * The functions of one real variable: one declaration each, made from the function itself. At the integer level a clamp folds
 * into a saturation and every other one becomes a `lookup`.
 */
import type { AttributeSchema, AttributesOf } from '../attributes.ts';
import { defineOp, type OpDefinition, type Traits } from '../op.ts';
import { f32Operands } from './signature.ts';

function unary<const S extends AttributeSchema>(
  name: string,
  summary: string,
  attributes: S,
  apply: (value: number, attributes: AttributesOf<S>) => number,
  traits: Traits = {},
): OpDefinition {
  return defineOp<S>({
    name,
    summary,
    levels: ['float', 'quantized'],
    operands: [{ name: 'x', summary: 'any shape' }],
    attributes,
    traits: { unary: true, ...traits },
    element: 'f32',
    constraints: [f32Operands],
    shape: ([x]) => x!.shape,
    evaluate: ({ tensors, attributes: given }) =>
      Float32Array.from(tensors[0]!.data, (value) => apply(value, given)),
  });
}

export const relu = unary('relu', 'max(x, 0).', {}, (value) => Math.max(value, 0), {
  clamp: () => [0, Infinity],
});

export const clip = unary(
  'clip',
  'min(max(x, min), max).',
  {
    min: { kind: 'float', summary: 'lower bound', default: -Infinity },
    max: { kind: 'float', summary: 'upper bound', default: Infinity },
  },
  (value, { min, max }) => Math.min(Math.max(value, min), max),
  { clamp: (attributes) => [attributes['min'] as number, attributes['max'] as number] },
);

export const leakyRelu = unary(
  'leaky_relu',
  'x where x >= 0, alpha * x elsewhere.',
  { alpha: { kind: 'float', summary: 'slope of the negative side', default: Math.fround(0.01) } },
  (value, { alpha }) => (value < 0 ? alpha * value : value),
);

export const sigmoid = unary('sigmoid', '1 / (1 + exp(-x)).', {}, (value) => 1 / (1 + Math.exp(-value)));

export const hardSigmoid = unary(
  'hard_sigmoid',
  'max(0, min(1, alpha * x + beta)).',
  {
    alpha: { kind: 'float', summary: 'slope', default: Math.fround(0.2) },
    beta: { kind: 'float', summary: 'value at 0', default: 0.5 },
  },
  (value, { alpha, beta }) => Math.max(0, Math.min(1, alpha * value + beta)),
);

export const hardSwish = unary(
  'hard_swish',
  'x * max(0, min(1, x / 6 + 1/2)).',
  {},
  (value) => value * Math.max(0, Math.min(1, value / 6 + 0.5)),
);
