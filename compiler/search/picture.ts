/**
 * A front as a picture: cost to the right, loss upwards on a logarithmic axis, each point a dot on the staircase of what can be had, the programs
 * people know as diamonds beside it. The picture is SVG that stands alone; it follows the reader's colour scheme.
 */
import { scaled } from '../printable.ts';
import type { Baseline, Front, FrontPoint } from './front.ts';
import { escaped } from './markup.ts';
import { linearScale, logScale, type Scale } from './scale.ts';

const width = 960;
const height = 500;
const margin = { left: 74, right: 34, top: 40, bottom: 62 } as const;

/** Colours of widths and of everything else, in both schemes: the page uses them too. */
export const colours = `
  --paper: #ffffff; --raised: #f6f7f9; --ink: #171a21; --muted: #5b6372; --line: #e3e6eb; --axis: #9aa2b1;
  --front: #1f4fb4; --fill: #1f4fb412; --mark: #8a2be2; --bits-8: #2f62c9; --bits-4: #14a08f; --bits-2: #e4791c; --bits-16: #7c8494;`;
export const darkColours = `
  --paper: #12151b; --raised: #1a1f28; --ink: #e8ebf1; --muted: #9ba5b6; --line: #2a303b; --axis: #667084;
  --front: #86adff; --fill: #86adff14; --mark: #c99bff; --bits-8: #6f9cf5; --bits-4: #3ec6b4; --bits-2: #f4a458; --bits-16: #8b93a3;`;

const style = `
  .picture { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: var(--ink); }
  .picture .grid { stroke: var(--line); stroke-width: 1; }
  .picture .tick { fill: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }
  .picture .title { fill: var(--muted); font-size: 12.5px; }
  .picture .area { fill: var(--fill); }
  .picture .stairs { fill: none; stroke: var(--front); stroke-width: 2; stroke-linejoin: round; }
  .picture .predicted { fill: none; stroke: var(--axis); stroke-width: 1.5; stroke-dasharray: 2 5; stroke-linecap: round; }
  .picture .dot { fill: var(--paper); stroke: var(--front); stroke-width: 2.25; }
  .picture .dot.guess { stroke-dasharray: 2.5 2.5; }
  .picture .beaten { fill: none; stroke: var(--axis); stroke-width: 1.5; }
  .picture .diamond { fill: var(--mark); stroke: var(--paper); stroke-width: 1.5; }
  .picture .name { fill: var(--mark); font-weight: 600; font-size: 12.5px; }
  .picture .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
  .picture .hit { fill: transparent; }
  .picture .spot { cursor: pointer; outline: none; }
  .picture .spot:hover .dot, .picture .spot:focus-visible .dot, .picture .spot.shown .dot { fill: var(--front); }
  .picture .spot:focus-visible .hit { stroke: var(--front); stroke-width: 2; }
  .picture .spot.shown .diamond, .picture .spot:hover .diamond { stroke: var(--ink); }
  .picture .spot:focus-visible .hit.of-baseline { stroke: var(--mark); }`;

interface Frame {
  readonly x: Scale;
  readonly y: Scale;
  /** Losses of 0 are drawn here. */
  readonly least: number;
}

/** The picture. With `linked`, every point is a link to `#card-ID`, as the page has it; else it stands alone. */
export function frontPicture(front: Front, { linked }: { readonly linked: boolean }): string {
  const { points, baselines, dominated } = front;
  const frame = frameOf([...points, ...baselines, ...dominated]);
  const schemes = linked
    ? ''
    : `.picture { ${colours} } @media (prefers-color-scheme: dark) { .picture { ${darkColours} } }`;
  const title = `${front.model.name}: accuracy lost against ${front.cost_model}`;
  return [
    `<svg class="picture" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${linked ? 'role="group"' : 'role="img"'} aria-labelledby="picture-title">`,
    `<title id="picture-title">${escaped(title)}</title>`,
    `<style>${schemes}${style}</style>`,
    ...(linked ? [] : [`<rect width="${width}" height="${height}" style="fill: var(--paper)"/>`]),
    ...axes(front, frame),
    predictedLine(front, frame),
    ...stairs(points, frame),
    // In the order in which a keyboard reaches them.
    ...points.map((point) => spot(point, linked, dot(point, frame))),
    ...baselineMarks(front, frame, linked),
    ...dominated.map((point) => spot(point, linked, beatenMark(point, frame))),
    '</svg>',
  ].join('\n');
}

function frameOf(points: readonly FrontPoint[]): Frame {
  const costs = points.map(({ cost }) => cost);
  const losses = points.map(({ loss }) => loss).filter((loss) => loss > 0);
  const [low, high] = costs.length === 0 ? [0, 1] : [Math.min(...costs), Math.max(...costs)];
  const room = 0.04 * (high - low || high || 1);
  const [least, most] = losses.length === 0 ? [1e-3, 1] : [Math.min(...losses), Math.max(...losses)];
  return {
    x: linearScale(Math.max(0, low - room), high + room, margin.left, width - margin.right),
    y: logScale(least / 1.6, most * 1.6, height - margin.bottom, margin.top),
    least: least / 1.6,
  };
}

const at = (value: number): string => value.toFixed(1);

function place({ cost, loss }: FrontPoint, { x, y, least }: Frame): [x: number, y: number] {
  return [x.place(cost), y.place(Math.max(loss, least))];
}

function costText(cost: number, unit: string): string {
  return unit === 'ms' ? String(Number(cost.toPrecision(3))) : scaled(Number(cost.toPrecision(3)));
}

function axes(front: Front, { x, y }: Frame): string[] {
  const bottom = height - margin.bottom;
  const right = width - margin.right;
  return [
    ...y.ticks.map((tick) => {
      const place = at(y.place(tick));
      return `<line class="grid" x1="${margin.left}" x2="${right}" y1="${place}" y2="${place}"/><text class="tick" x="${margin.left - 10}" y="${place}" dy="0.35em" text-anchor="end">${String(Number(tick.toPrecision(3)))}</text>`;
    }),
    ...x.ticks.map((tick) => {
      const place = at(x.place(tick));
      return `<line class="grid" x1="${place}" x2="${place}" y1="${margin.top}" y2="${bottom}"/><text class="tick" x="${place}" y="${bottom + 20}" text-anchor="middle">${costText(tick, front.cost_unit)}</text>`;
    }),
    `<text class="title" x="${right}" y="${height - 14}" text-anchor="end">${escaped(`cost: ${front.cost_model}, ${front.cost_unit}`)} →</text>`,
    `<text class="title" x="${margin.left}" y="22">↑ loss: KL divergence from the float model, nats</text>`,
    front.bfloat16_cost === null
      ? ''
      : `<text class="title" x="${margin.left}" y="${height - 14}">${escaped(`the float model: loss 0 at ${costText(front.bfloat16_cost, front.cost_unit)} (bfloat16)`)}</text>`,
  ];
}

function predictedLine({ predicted_front: { costs, losses } }: Front, { x, y, least }: Frame): string {
  const inside = costs.map((cost, i) => [x.place(cost), y.place(Math.max(losses[i]!, least))] as const);
  return `<polyline class="predicted" points="${inside.map(([px, py]) => `${at(px)},${at(Math.max(py, margin.top))}`).join(' ')}"/>`;
}

/** What can be had: to the right of a point and no further up. */
function stairs(points: readonly FrontPoint[], frame: Frame): string[] {
  const [first] = points;
  if (first === undefined) return [];
  const places = points.map((point) => place(point, frame));
  const right = width - margin.right;
  let path = `M${at(places[0]![0])},${margin.top}`;
  for (const [i, [px, py]] of places.entries()) {
    path += `${i === 0 ? '' : ` H${at(px)}`} V${at(py)}`;
  }
  path += ` H${right}`;
  return [`<path class="area" d="${path} V${margin.top} Z"/>`, `<path class="stairs" d="${path}"/>`];
}

function dot(point: FrontPoint, frame: Frame): string {
  const [px, py] = place(point, frame);
  const guess = point.loss_is === 'predicted' ? ' guess' : '';
  return `<circle class="hit" cx="${at(px)}" cy="${at(py)}" r="12"/><circle class="dot${guess}" cx="${at(px)}" cy="${at(py)}" r="5.5"/>`;
}

function beatenMark(point: FrontPoint, frame: Frame): string {
  const [px, py] = place(point, frame);
  return `<circle class="hit" cx="${at(px)}" cy="${at(py)}" r="10"/><circle class="beaten" cx="${at(px)}" cy="${at(py)}" r="3.5"/>`;
}

function baselineMarks({ baselines }: Front, frame: Frame, linked: boolean): string[] {
  return baselines.map((baseline) => {
    const [px, py] = place(baseline, frame);
    const [x, y] = [at(px), at(py)];
    // Near the right edge the name goes to the other side.
    const left = px > width - margin.right - 110;
    const mark = `<circle class="hit of-baseline" cx="${x}" cy="${y}" r="13"/><path class="diamond" d="M${x},${at(py - 8)} L${at(px + 8)},${y} L${x},${at(py + 8)} L${at(px - 8)},${y} Z"/><text class="name halo" x="${at(left ? px - 13 : px + 13)}" y="${at(py - 9)}" text-anchor="${left ? 'end' : 'start'}">${escaped(baseline.id)}</text>`;
    return spot(baseline, linked, mark);
  });
}

/** A point with its words: a browser's own tip for a pointer, a label for who listens. */
function spot(point: FrontPoint | Baseline, linked: boolean, mark: string): string {
  const words = escaped(pointWords(point));
  if (!linked) return `<g class="spot"><title>${words}</title>${mark}</g>`;
  const id = escaped(point.id);
  return `<a class="spot" href="#card-${id}" data-id="${id}" aria-label="${words}"><title>${words}</title>${mark}</a>`;
}

/** A point in one sentence. */
export function pointWords(point: FrontPoint | Baseline): string {
  const title = 'title' in point ? ` (${point.title})` : '';
  const agreement = point.agreement === null ? '' : `, ${point.agreement.toFixed(1)} % agreement`;
  return `${point.id}${title}: cost ${scaled(Number(point.cost.toPrecision(3)))}, ${point.loss_is} loss ${Number(point.loss.toPrecision(3))}${agreement}`;
}
