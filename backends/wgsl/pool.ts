/**
 * max_pool2d and average_pool2d: one invocation walks one window over a granule of channels. Taps in the padding are passed over, and the
 * average divides by the taps it met: its tables are indexed by that count.
 */
import { bitWidth, clampOf, type Node, type TensorType } from '../../ir/index.ts';
import {
  add,
  and,
  bitcast,
  type Block,
  compose,
  div,
  type Expression,
  i32,
  invoke,
  lt,
  max,
  mul,
  rem,
  sub,
} from '../kernel/index.ts';
import { requantizeForm } from './arithmetic.ts';
import { constantOperand, saturated, type StepScope, zeroPointOf } from './body.ts';
import { type Granule, leastOf, rowQuads, wordsPerPixel } from './stored.ts';

interface Pool {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

const poolOf = (node: Node): Pool => node.attributes as unknown as Pool;

/** Calls `visit` in a body that runs for every tap inside the input, with the word where the tap's row begins. */
function forEachTap(
  b: Block,
  node: Node,
  x: TensorType,
  { pixel }: Granule,
  visit: (row: Expression) => void,
): void {
  const { kernel, strides, pads, dilations } = poolOf(node);
  const [, , height, width] = x.shape as [number, number, number, number];
  const [batch, , outputHeight, outputWidth] = node.result.type.shape as [number, number, number, number];
  const area = outputHeight * outputWidth;
  const image = batch === 1 ? i32(0) : div(pixel, area);
  const within = batch === 1 ? pixel : rem(pixel, area);
  const top = b.let('top', sub(mul(div(within, outputWidth), strides[0]!), pads[0]!));
  const left = b.let('left', sub(mul(rem(within, outputWidth), strides[1]!), pads[1]!));
  const whole = pads.every((pad) => pad === 0);
  const inside = (index: Expression, extent: number): Expression => lt(bitcast('u32', index), extent);
  b.for('u', 0, kernel[0]!, (u) => {
    const y = b.let('y', add(top, mul(u, dilations[0]!)));
    b.for('v', 0, kernel[1]!, (v) => {
      const column = b.let('x', add(left, mul(v, dilations[1]!)));
      const tap = (): void => {
        const number = add(mul(add(mul(image, height), y), width), column);
        visit(b.let('row', mul(number, wordsPerPixel(x))));
      };
      if (whole) tap();
      else b.if(and(inside(y, height), inside(column, width)), tap);
    });
  });
}

/** The largest element of each window. */
export function maxPoolQuads(scope: StepScope, node: Node, granule: Granule): Expression[] {
  const { block: b, operand } = scope;
  const x = operand(node.operands[0]!);
  const least = leastOf(x.type.element);
  const largest = Array.from({ length: granule.quads }, () => b.var('largest', compose('vec4i', i32(least))));
  forEachTap(b, node, x.type, granule, (row) => {
    for (const [j, quad] of rowQuads(x, row, granule).entries()) b.set(largest[j]!, max(largest[j]!, quad));
  });
  return largest;
}

/** The mean of each window, requantized. */
export function averagePoolQuads(scope: StepScope, node: Node, granule: Granule): Expression[] {
  const { block: b, graph, operand, tables, reader, lists } = scope;
  const x = operand(node.operands[0]!);
  const { kernel, pads } = poolOf(node);
  const whole = pads.every((pad) => pad === 0);
  const sums = Array.from({ length: granule.quads }, () => b.var('sum', compose('vec4i', i32(0))));
  const taps = b.var('taps', 0);
  forEachTap(b, node, x.type, granule, (row) => {
    for (const [j, quad] of rowQuads(x, row, granule).entries()) b.addTo(sums[j]!, quad);
    if (!whole) b.addTo(taps, 1);
  });
  const to = node.result.type;
  const area = kernel[0]! * kernel[1]!;
  const form = requantizeForm(
    32,
    bitWidth(to.element.storage),
    constantOperand(graph, node, 1).data,
    constantOperand(graph, node, 2).data,
  );
  const count = whole ? i32(area) : taps;
  const number = (table: readonly number[]): Expression =>
    compose('vec4i', reader.entry(lists, tables.list(table), sub(count, 1)));
  const multiplier = b.let('multiplier', number(form.multiplier));
  const shift = b.let('shift', number(form.shift));
  const zeroPoint = zeroPointOf(x.type);
  const offset = zeroPoint === 0 ? undefined : b.let('offset', compose('vec4i', mul(count, zeroPoint)));
  return sums.map((sum) => {
    const centred = offset === undefined ? sum : sub(sum, offset);
    return b.let(
      'mean',
      saturated(
        invoke(form.callee, centred, multiplier, shift),
        zeroPointOf(to),
        clampOf(node.attributes, to),
      ),
    );
  });
}
