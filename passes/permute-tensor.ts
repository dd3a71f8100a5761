/** A constant tensor with its axes permuted, by the definition of `transpose`. */
import { opOf, type Tensor } from '../ir/index.ts';

export function permuteTensor(value: Tensor, perm: readonly number[]): Tensor {
  const { shape, element } = value.type;
  const type = { element, shape: perm.map((axis) => shape[axis]!) };
  const data = opOf('transpose').evaluate({
    tensors: [value],
    operands: [value.type],
    attributes: { perm },
    result: type,
    scales: (name) => {
      throw new Error(`transpose asks for the scale ${name}`);
    },
  });
  return { type, data };
}
