/** How healthy a quantized program is, for a person: columns of a table of layers, and lines under it. */
import type { HealthSummary, LayerHealth } from '../../runtime/manifest.ts';
import type { Column } from './table.ts';

/** Columns for rows that are layers by their names. None where nothing was measured. */
export function healthColumns<R>(health: HealthSummary | null, nameOf: (row: R) => string): Column<R>[] {
  if (health === null) return [];
  const layers = new Map(health.layers.map((layer) => [layer.name, layer]));
  const clipped = new Map(
    health.activations.flatMap(({ read_by: readers, clipped: share }) =>
      readers.map((reader) => [reader, share] as const),
    ),
  );
  const cell =
    (text: (layer: LayerHealth) => string) =>
    (row: R): string => {
      const layer = layers.get(nameOf(row));
      return layer === undefined ? '' : text(layer);
    };
  const dead = health.layers.some(({ dead_channels: count }) => count > 0);
  return [
    { title: 'SQNR', cell: cell((layer) => ratioText(layer.sqnr_db)), align: 'right' },
    {
      title: 'clipped',
      cell: (row) => {
        const share = clipped.get(nameOf(row));
        return share === undefined ? '' : shareText(share);
      },
      align: 'right',
    },
    ...(dead ? [{ title: 'dead', cell: cell(deadText), align: 'right' } as const] : []),
  ];
}

/** `pipeline` is the one that made the program: rounding that saw the inputs of the comparison makes them no judges. */
export function healthFacts(
  health: HealthSummary,
  pipeline: string,
): (readonly [name: string, value: string])[] {
  const { samples, agreement, sqnr_db: ratio } = health;
  const [weakest] = [...health.layers].sort(weakestFirst);
  const most = health.activations.reduce((sum, { clipped }) => Math.max(sum, clipped), 0);
  const dead = health.layers.reduce((sum, layer) => sum + layer.dead_channels, 0);
  const inFloat = health.layers.reduce((sum, layer) => sum + layer.dead_in_float, 0);
  return [
    [
      'next to float',
      `${agreement.toFixed(0)} % agreement on ${samples} calibration inputs, SQNR ${ratioText(ratio)}`,
    ],
    ...(pipeline.includes('round-gptq')
      ? [
          [
            'but',
            'weights were rounded for these very inputs: on others expect less (qc eval --data, --against)',
          ] as const,
        ]
      : []),
    ...(weakest === undefined || weakest.sqnr_db === null
      ? []
      : [['weakest layer', `${weakest.name}, SQNR ${ratioText(weakest.sqnr_db)}`] as const]),
    ...(most === 0
      ? []
      : [['clipped', `at most ${shareText(most)} of the values of an activation`] as const]),
    ...(dead === 0
      ? []
      : [['dead channels', `${dead} of all layers, ${inFloat} of them in float too`] as const]),
  ];
}

/** Order of layers: those that differ most from float first. */
export function weakestFirst(a: LayerHealth, b: LayerHealth): number {
  return (a.sqnr_db ?? Infinity) === (b.sqnr_db ?? Infinity)
    ? 0
    : (a.sqnr_db ?? Infinity) - (b.sqnr_db ?? Infinity);
}

export function ratioText(decibels: number | null): string {
  return decibels === null ? 'equal' : `${decibels.toFixed(1)} dB`;
}

export function shareText(percent: number): string {
  return `${percent.toFixed(2)} %`;
}

/** Channels that never change, and in brackets how many of them quantization is to blame for. */
export function deadText({ dead_channels: dead, dead_in_float: inFloat }: LayerHealth): string {
  if (dead === 0) return '';
  return dead === inFloat ? String(dead) : `${dead} (${dead - inFloat} new)`;
}
