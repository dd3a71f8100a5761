/**
 * drop-clamps: removes the clamps that the quantizer behind them does already. Rounding keeps order, so
 *
 *     quantize(clip(x, low, high))  =  clamp(quantize(x), quantize(low), quantize(high))
 *
 * and where those two integers are the ends of the storage, that clamp is the saturation of quantize itself. A relu before a quantizer of
 * zero point 0 and unsigned storage goes; before a signed one it stays, whatever was seen in calibration. Engines fuse a
 * layer with the quantizer that reads it only where nothing stands between the two.
 */
import { type Node, opOf, producersOf, type QuantizedElement } from '../ir/index.ts';
import { definePass } from './pass.ts';
import { rebuild } from './rebuild.ts';
import { saturation } from './representation.ts';

export const dropClamps = definePass({
  name: 'drop-clamps',
  summary: 'Remove clamps that the saturation of the quantizer behind them performs.',
  options: {},
  requires: 'quantized',
  ensures: 'quantized',
  run: (graph, _options, { explain }) => {
    const makers = producersOf(graph);
    return rebuild(graph, (node, builder) => {
      const element = node.result.type.element as QuantizedElement;
      if (node.op !== 'quantize' || typeof element.scale !== 'number') return undefined;
      let [x] = node.operands as [string];
      for (let clamp = clampOf(makers.get(x)); clamp !== undefined; clamp = clampOf(makers.get(x))) {
        const [low, high] = clamp.bounds;
        const { min, max } = saturation({ low, high }, element);
        if (min !== undefined || max !== undefined) {
          explain(`%${x} stays: its quantizer %${node.result.name} reaches beyond [${low}, ${high}]`);
          break;
        }
        explain(`%${x} is dropped: its quantizer %${node.result.name} saturates there`);
        x = clamp.operand;
      }
      if (x === node.operands[0]) return undefined;
      const { result, location } = node;
      return builder.add('quantize', [x], {}, { name: result.name, element, location, notes: result.notes });
    });
  },
});

function clampOf(
  node: Node | undefined,
): { readonly operand: string; readonly bounds: readonly [number, number] } | undefined {
  const bounds = node === undefined ? undefined : opOf(node.op).traits.clamp?.(node.attributes);
  return bounds === undefined ? undefined : { operand: node!.operands[0]!, bounds };
}
