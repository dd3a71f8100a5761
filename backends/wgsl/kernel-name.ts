/** Names of kernels: what is computed, from and to which widths, by which tile. `u4_i4w_conv2d_3x3s2_own_4x8_to_u8_u4`. */
import type { TensorType } from '../../ir/index.ts';
import { toIdentifier } from '../kernel/index.ts';
import type { ConvolutionPlan } from './convolution.ts';
import type { Step } from '../plan/index.ts';

/** The name of a step's kernel; different kernels may share it, and are told apart when they are printed together. */
export function kernelName(
  step: Step,
  types: ReadonlyMap<string, TensorType>,
  convolution: ConvolutionPlan | undefined,
): string {
  const { anchor, body } = step;
  const from = types.get((anchor ?? body[0]!).operands[0]!)!;
  const parts: string[] = [from.element.storage];
  if (convolution !== undefined) parts.push(`i${convolution.rows.weightBits}w`);
  if (anchor === undefined)
    parts.push(body.map(({ op }) => op).find((op) => op !== 'requantize') ?? 'requantize');
  else
    parts.push(anchor.op, ...windowText(anchor.op, anchor.attributes, types.get(anchor.operands[1] ?? '')));
  if (body.some(({ op }) => op === 'add')) parts.push('add');
  if (convolution !== undefined) {
    const { pixels, quads, weights, product } = convolution.tile;
    parts.push(`${product === 'dot' ? weights : product}_${pixels}x${4 * quads}`);
  }
  parts.push('to', ...step.outputs.map((name) => types.get(name)!.element.storage));
  return toIdentifier(parts.join('_'));
}

function windowText(
  op: string,
  attributes: Readonly<Record<string, unknown>>,
  weight: TensorType | undefined,
): string[] {
  const kernel = op === 'conv2d' ? weight!.shape.slice(2) : (attributes['kernel'] as number[] | undefined);
  if (kernel === undefined) return [];
  const strides = attributes['strides'] as readonly number[];
  const groups = (attributes['groups'] as number | undefined) ?? 1;
  const stride = strides.every((each) => each === 1)
    ? ''
    : `s${strides[0] === strides[1] ? strides[0]! : strides.join('x')}`;
  return [`${kernel.join('x')}${stride}${groups > 1 ? `g${groups}` : ''}`];
}
