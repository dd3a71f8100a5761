/**
 * Rearranging numbers that are known: transpose, slice, pad, concat and reshape of static tensors. The IR's own op is run once on the
 * positions of the elements, so its definition is the only one and every ONNX data type follows, 64-bit integers too.
 */
import { type Attributes, completeAttributes, nodeProblem, opOf, plain } from '../../ir/index.ts';
import { allocateStatic, countOf, type StaticTensor } from './static-tensor.ts';

/** Returns a sentence when the op does not accept the operands. */
export function rearrangeStatic(
  op: string,
  tensors: readonly StaticTensor[],
  attributes: Attributes,
  name: string,
): StaticTensor | string {
  const definition = opOf(op);
  const complete = completeAttributes(definition, attributes);
  const operands = tensors.map(({ dims }) => plain('i32', dims));
  const problem = nodeProblem(definition, operands, complete, plain('i32', []), 'operands');
  if (problem !== undefined) return problem.message;
  const result = plain('i32', definition.shape(operands, complete));
  let total = 0;
  const positions = tensors.map(({ dims }, i) => {
    const first = total;
    total += countOf(dims);
    return { type: operands[i]!, data: Int32Array.from({ length: countOf(dims) }, (_, k) => first + k) };
  });
  const order = definition.evaluate({
    tensors: positions,
    operands,
    // Only `pad` has elements of its own; -1 marks them.
    attributes: 'value' in complete ? { ...complete, value: -1 } : complete,
    result,
    scales: () => new Float32Array(),
  });
  const type = tensors[0]!.type;
  const source = allocateStatic(type, total);
  let offset = 0;
  for (const { data } of tensors) {
    source.set(data, offset);
    offset += data.length;
  }
  const border = Number(complete['value'] ?? 0);
  const data = allocateStatic(type, order.length);
  for (let i = 0; i < data.length; i++) data[i] = order[i]! < 0 ? border : source[order[i]!]!;
  return { name, type, dims: result.shape, data };
}
