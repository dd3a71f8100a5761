/** BatchNormalization in inference form, and Dropout, which inference leaves out. */
import type { Imported } from '../imported.ts';
import type { NodeScope, OpImporter } from '../node-scope.ts';

export const batchNormalization: OpImporter = (node) => {
  node.ignore('momentum', 'consumed_inputs', 'is_test');
  if (node.int('spatial', 1) === 0) node.unsupported('spatial = 0', 'one mean per channel (spatial = 1)');
  if (node.int('training_mode', 0) !== 0) node.unsupported('training_mode = 1', 'inference');
  refuseOutputs(node, 'statistics of training');
  const operands = [0, 1, 2, 3, 4].map((index) => node.real(index));
  return node.emit('batch_norm', operands, { epsilon: Math.fround(node.float('epsilon', 1e-5)) });
};

export const dropout: OpImporter = (node) => {
  node.ignore('ratio', 'seed', 'is_test');
  if (node.has(2) && node.fixedScalar(2, 'training_mode') !== 0)
    node.unsupported('training_mode', 'inference');
  refuseOutputs(node, 'the mask of Dropout');
  return node.operand(0);
};

/** Further outputs exist in the file, and reading one is an error. */
export function refuseOutputs(node: NodeScope, what: string): void {
  for (const output of node.node.outputs.slice(1)) {
    if (output === '') continue;
    const refused: Imported = {
      kind: 'refused',
      code: 'onnx/unsupported-form',
      reason: `${JSON.stringify(output)} is ${what}, which ${node.node.opType} makes here only as an unused output`,
    };
    node.context.values.set(output, refused);
  }
}
