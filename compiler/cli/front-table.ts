/** A front for a terminal: a line a point, baselines among them in the order of cost, the bits of the layers as a strip of digits. */
import type { Front, FrontPoint } from '../search/front.ts';
import { scaled } from '../printable.ts';
import { table, type TableStyle } from './table.ts';

interface Row extends FrontPoint {
  readonly mark: string;
}

export function frontTable(front: Front, chosen: FrontPoint | undefined, style: TableStyle): string {
  const known = new Map(front.points.map((point) => [bitsKey(point), point]));
  // A baseline that is a point of the front is named beside it.
  const apart = front.baselines.filter((baseline) => !known.has(bitsKey(baseline)));
  const rows: Row[] = [
    ...front.points.map((point) => {
      const same = front.baselines.find((baseline) => bitsKey(baseline) === bitsKey(point));
      return {
        ...point,
        mark: [point === chosen ? '<' : '', same?.id ?? ''].filter((text) => text !== '').join(' '),
      };
    }),
    ...apart.map((baseline) => ({ ...baseline, mark: 'baseline' })),
  ].sort((a, b) => a.cost - b.cost || a.loss - b.loss);
  return table(
    rows,
    [
      { title: 'point', cell: ({ id }) => id },
      {
        title: `cost, ${front.cost_unit}`,
        cell: ({ cost }) => (front.cost_unit === 'ms' ? cost.toFixed(3) : scaled(cost)),
        align: 'right',
      },
      ...(front.bfloat16_cost === null
        ? []
        : [
            {
              title: 'of bf16',
              cell: ({ cost_ratio_to_bfloat16: ratio }: Row) => ratio!.toFixed(4),
              align: 'right' as const,
            },
          ]),
      { title: 'of widest', cell: ({ cost_ratio_to_widest: ratio }) => ratio.toFixed(3), align: 'right' },
      { title: 'loss', cell: ({ loss }) => loss.toFixed(4), align: 'right' },
      {
        title: 'predicted',
        cell: ({ predicted_loss: loss }) => (loss === null ? '' : loss.toFixed(4)),
        align: 'right',
      },
      {
        title: 'agree',
        cell: ({ agreement }) => (agreement === null ? '' : `${agreement.toFixed(1)} %`),
        align: 'right',
      },
      { title: 'weights', cell: (point) => strip(point, ({ weight_bits }) => weight_bits), most: 200 },
      {
        title: 'activations',
        cell: (point) => strip(point, ({ activation_bits }) => activation_bits),
        most: 200,
      },
      { title: '', cell: ({ mark }) => mark },
    ],
    style,
  );
}

function bitsKey({ layers }: FrontPoint): string {
  return layers.map((layer) => `${layer.weight_bits}/${layer.activation_bits}`).join(' ');
}

function strip({ layers }: FrontPoint, bits: (layer: FrontPoint['layers'][number]) => number): string {
  return layers.map(bits).join('');
}
