/** Loss and accuracy over the steps as a picture: SVG, from the metrics, for a page or a file. */
import type { MetricsLine } from './trainer.ts';

interface Curve {
  readonly label: string;
  readonly colour: string;
  readonly points: readonly (readonly [step: number, value: number])[];
}

const [width, height, left, right, bottom, top] = [720, 220, 56, 24, 28, 24];

/** Two panels: loss above, accuracies below. */
export function drawCurves(title: string, lines: readonly MetricsLine[]): string {
  const of = (pick: (line: MetricsLine) => number | undefined): Curve['points'] =>
    lines.flatMap((line) => {
      const value = pick(line);
      return value === undefined ? [] : [[line.step, value] as const];
    });
  const loss = panel('loss', [{ label: 'training', colour: '#7a8aa0', points: of((line) => line.loss) }]);
  const accuracy = panel('accuracy, %', [
    { label: 'training batches', colour: '#7a8aa0', points: of((line) => line.train_accuracy) },
    { label: 'evaluation', colour: '#c2410c', points: of((line) => line.eval_accuracy) },
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${2 * height + top}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="${left}" y="16" font-weight="bold">${escape(title)}</text>`,
    `<g transform="translate(0 ${top})">${loss}</g>`,
    `<g transform="translate(0 ${top + height})">${accuracy}</g>`,
    '</svg>\n',
  ].join('\n');
}

function panel(label: string, curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points);
  if (points.length === 0) return '';
  const last = Math.max(...points.map(([step]) => step), 1);
  const [low, high] = [
    Math.min(...points.map(([, value]) => value)),
    Math.max(...points.map(([, value]) => value)),
  ];
  const span = high - low || 1;
  const x = (step: number): number => left + ((width - left - right) * step) / last;
  const y = (value: number): number => height - bottom - ((height - bottom - 24) * (value - low)) / span;
  const ticks = [0, 0.5, 1].map((part) => low + part * span);
  const drawn = curves.map(({ colour, points: path }) => {
    const text = path.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    return path.length < 40
      ? `<polyline points="${text}" fill="none" stroke="${colour}" stroke-width="2"/>` +
          path
            .map(
              ([s, v]) =>
                `<circle cx="${x(s).toFixed(1)}" cy="${y(v).toFixed(1)}" r="2.5" fill="${colour}"/>`,
            )
            .join('')
      : `<polyline points="${text}" fill="none" stroke="${colour}"/>`;
  });
  const legend = curves.map(
    ({ label: name, colour }, i) =>
      `<text x="${width - right - 120 * (curves.length - 1 - i)}" y="12" text-anchor="end" fill="${colour}">${escape(name)}</text>`,
  );
  return [
    `<text x="${left}" y="12" fill="#444">${escape(label)}</text>`,
    ...ticks.map(
      (value) =>
        `<line x1="${left}" x2="${width - right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#eee"/>` +
        `<text x="${left - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end" fill="#666">${Number(value.toPrecision(3))}</text>`,
    ),
    ...[0, 0.5, 1].map(
      (part) =>
        `<text x="${x(part * last).toFixed(1)}" y="${height - 10}" text-anchor="middle" fill="#666">${Math.round(part * last)}</text>`,
    ),
    ...drawn,
    ...legend,
  ].join('\n');
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
