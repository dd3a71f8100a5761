/** Evaluation of what no input reaches. */
import { elementCount, evaluateNode, opOf } from '../../ir/index.ts';
import { defineRewrite, type Rewrite } from '../rewrite.ts';

/**
 * A node that reads constants only becomes the constant it computes. Boundary ops stay: a `dequantize` of constant weights is how
 * a quantized model says that its weights are integers, and evaluating it would forget that.
 */
export function foldConstant(limit: number): Rewrite {
  return defineRewrite({
    name: 'fold-constant',
    summary: 'op(constants) -> the constant it computes',
    match: (root, graph) =>
      opOf(root.op).traits.boundary !== true &&
      root.operands.every((name) => graph.constant(name) !== undefined)
        ? root.operands.map((name) => graph.constant(name)!)
        : undefined,
    unless: (_, __, root) => {
      const count = elementCount(root.result.type.shape);
      return count > limit ? `its ${count} elements are more than the limit of ${limit}` : undefined;
    },
    apply: (tensors, draft, root) =>
      draft.constant(
        root.result.name,
        evaluateNode(root, tensors, (name) => draft.graph.constant(name)),
      ),
  });
}
