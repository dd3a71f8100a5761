/** The layers of a program as a table: what `compile` and `inspect` show, with their health where it was measured. */
import type { HealthSummary } from '../../runtime/manifest.ts';
import type { LayerBits } from '../layer-bits.ts';
import { healthColumns } from './health-text.ts';
import { bytesText, scaled } from '../printable.ts';
import { table, type TableStyle } from './table.ts';

export function layerTable(
  layers: readonly LayerBits[],
  style: TableStyle,
  health: HealthSummary | null = null,
): string {
  return table(
    layers,
    [
      { title: '#', cell: ({ index }) => index },
      { title: 'layer', cell: ({ name }) => name },
      { title: 'op', cell: ({ op, groups, inputChannels }) => opText(op, groups, inputChannels) },
      { title: 'kernel', cell: ({ kernel, op }) => (op === 'dense' ? '' : kernel.join('x')) },
      { title: 'output', cell: ({ shape }) => shape.join('x') },
      { title: 'MACs', cell: ({ macs }) => scaled(macs), align: 'right' },
      {
        title: 'W/A bits',
        cell: (layer) => (layer.quantized ? `${layer.weightBits}/${layer.activationBits}` : 'float'),
      },
      {
        title: 'weights',
        cell: ({ weights, weightBits, quantized }) =>
          bytesText(Math.ceil((weights * (quantized ? weightBits : 32)) / 8)),
        align: 'right',
      },
      ...healthColumns<LayerBits>(health, ({ name }) => name),
    ],
    style,
  );
}

function opText(op: string, groups: number, channels: number): string {
  if (groups === 1) return op;
  return groups === channels ? `${op} depthwise` : `${op} /${groups}`;
}
