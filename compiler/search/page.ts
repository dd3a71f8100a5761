/**
 * A front as one HTML page that needs nothing else: no network, no script to be read. Every point is a link to its card, so the page works by
 * links and keys alone; the script, where it runs, shows the card of the point under the pointer.
 *
 * Names come from models. They enter the page through `escaped` only, and the page's own policy forbids it to load anything.
 */
import { bytesText, scaled } from '../printable.ts';
import { type Baseline, type Front, type FrontLayer, type FrontPoint, precisionText } from './front.ts';
import { escaped } from './markup.ts';
import { colours, darkColours, frontPicture } from './picture.ts';

const style = `
:root { color-scheme: light dark; ${colours} }
@media (prefers-color-scheme: dark) { :root { ${darkColours} } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 40px 24px 80px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 44px 0 12px; letter-spacing: -0.005em; }
p { margin: 0 0 8px; max-width: 78ch; }
.muted { color: var(--muted); }
.note { border-left: 3px solid var(--bits-2); padding: 6px 12px; background: var(--raised); border-radius: 0 6px 6px 0; }
figure { margin: 20px 0 0; }
figure svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 8px 0 0; padding: 0; list-style: none; color: var(--muted); font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 7px; }
.key { width: 12px; height: 12px; border-radius: 3px; flex: none; }
.key.round { border-radius: 50%; border: 2.25px solid var(--front); }
.key.hollow { border-radius: 50%; border: 1.5px solid var(--axis); width: 9px; height: 9px; }
.key.tilted { transform: rotate(45deg); background: var(--mark); border-radius: 1px; width: 10px; height: 10px; }
.key.dashed { height: 0; width: 20px; border-top: 2px dotted var(--axis); border-radius: 0; }
.bits-8 { background: var(--bits-8); } .bits-4 { background: var(--bits-4); } .bits-2 { background: var(--bits-2); } .bits-16 { background: var(--bits-16); }
.cards { margin-top: 18px; min-height: 190px; }
.card { display: none; background: var(--raised); border: 1px solid var(--line); border-radius: 12px; padding: 16px 20px 18px; scroll-margin: 12px; }
.card:target, .cards:not(:has(.card:target)) .card.first { display: block; }
.scripted .card, .scripted .cards:not(:has(.card:target)) .card.first { display: none; }
.scripted .card.shown, .scripted .cards:not(:has(.card:target)) .card.first.shown { display: block; }
.card h3 { margin: 0; font-size: 16px; }
.card h3 .muted { font-weight: 400; }
.numbers { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 8px 0 14px; }
.numbers div { display: flex; gap: 7px; } .numbers dt { color: var(--muted); } .numbers dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; }
.strip { display: flex; gap: 1px; height: 16px; width: 100%; min-width: 120px; border-radius: 3px; overflow: hidden; }
.strip i { flex: 1 1 0; min-width: 2px; display: flex; flex-direction: column; gap: 1px; }
.strip i b { flex: 1; display: block; }
.card .strip { height: 48px; gap: 2px; border-radius: 5px; }
.card .strip i { min-width: 5px; } .card .strip i:hover { outline: 2px solid var(--ink); outline-offset: -2px; }
.ends { display: flex; justify-content: space-between; color: var(--muted); font-size: 12.5px; margin-top: 4px; gap: 20px; }
.ends span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.list { margin: 12px 0 0; color: var(--muted); font-size: 13px; }
.list summary { cursor: pointer; } .list ul { columns: 3 200px; margin: 8px 0 0; padding-left: 18px; overflow-wrap: anywhere; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--paper); border: 1px solid var(--line); border-radius: 6px; padding: 2px 7px; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--muted); font-size: 12.5px; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 4px; } th.bits, td.bits { width: 34%; min-width: 180px; text-align: left; }
td.text, th.text { text-align: left; overflow-wrap: anywhere; white-space: normal; }
tbody tr:hover { background: var(--raised); } tbody tr.shown { background: var(--fill); }
td a { color: var(--front); font-weight: 600; text-decoration: none; } td a:hover { text-decoration: underline; }
tr.baseline td a { color: var(--mark); } tr.dominated { color: var(--muted); } tr.dominated td a { color: var(--muted); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--front); outline-offset: 2px; border-radius: 3px; }
.heat { position: relative; } .heat span { position: relative; } .heat::before { content: ''; position: absolute; inset: 3px 4px; border-radius: 5px; background: var(--bits-2); opacity: var(--share); }
@media (max-width: 640px) { body { padding: 24px 14px 60px; } figure .wide svg { min-width: 640px; } th.bits, td.bits { min-width: 140px; } }
@media print { .card { display: block; break-inside: avoid; margin-bottom: 12px; } .scripted .card { display: block; } }
`;

/** Shows the card of whatever is under the pointer or has the focus; a click keeps it, as the link without a script does. */
const script = `
const root = document.documentElement;
root.classList.add('scripted');
const show = (id) => {
  for (const element of document.querySelectorAll('.shown')) element.classList.remove('shown');
  for (const element of document.querySelectorAll('[data-id]')) if (element.dataset.id === id) element.classList.add('shown');
};
let kept = document.querySelector('.card.first')?.dataset.id;
const wanted = () => decodeURIComponent(location.hash.slice('#card-'.length));
const follow = () => { if (location.hash.startsWith('#card-')) kept = wanted(); show(kept); };
for (const spot of document.querySelectorAll('.spot, tbody tr[data-id]')) {
  const { id } = spot.dataset;
  spot.addEventListener('pointerenter', () => show(id));
  spot.addEventListener('pointerleave', () => show(kept));
  spot.addEventListener('focusin', () => show(id));
  spot.addEventListener('click', (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    kept = id;
    history.replaceState(null, '', '#card-' + encodeURIComponent(id));
    show(id);
  });
}
addEventListener('hashchange', follow);
follow();
`;

/** The page of a front. */
export function frontPage(front: Front): string {
  const { model, points, baselines, dominated, calibration } = front;
  const title = `${model.name}: bits by layer`;
  const shown = points[Math.floor(points.length / 2)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1><bdi>${escaped(model.name)}</bdi>: accuracy lost against ${escaped(front.cost_model)}</h1>
<p class="muted">${model.layers.length} layers, ${scaled(total(model.layers, 'macs'))} multiplications, ${scaled(total(model.layers, 'weights'))} weights. Each point is a choice of bits for every layer; nothing that costs less loses less.</p>
${front.complete ? '' : '<p class="note">The search was stopped before it was done. What is here holds; the same command goes on from here.</p>'}
</header>
<main>
<figure>
<div class="wide">${frontPicture(front, { linked: true })}</div>
<ul class="legend">
<li><span class="key round"></span>the front</li>
<li><span class="key tilted"></span>programs people know</li>
${dominated.length === 0 ? '' : '<li><span class="key hollow"></span>measured, and beaten by another</li>'}
<li><span class="key dashed"></span>as predicted from layers alone</li>
${widthsOf(front)
  .map((bits) => `<li><span class="key bits-${bits}"></span>${bits === 16 ? 'float' : `${bits} bits`}</li>`)
  .join('\n')}
</ul>
</figure>
<section class="cards" aria-live="polite" aria-label="the chosen point">
${[...points, ...baselines, ...dominated].map((point) => card(point, front, point === shown)).join('\n')}
</section>
<h2 id="points">Points</h2>
<div class="wide"><table>
<thead><tr><th scope="col">point</th><th scope="col">cost, ${escaped(front.cost_unit)}</th>${front.bfloat16_cost === null ? '' : '<th scope="col">of bfloat16</th>'}<th scope="col">loss, nats</th><th scope="col">predicted</th><th scope="col">agreement</th><th scope="col" class="bits">weights above, activations below</th></tr></thead>
<tbody>
${tableRows(front)}
</tbody></table></div>
<h2 id="layers">What each layer loses alone</h2>
<p class="muted">Nats added to the loss of the widest choice when only these layers are narrowed.</p>
<div class="wide">${sensitivityTable(front)}</div>
<h2 id="method">How it was measured</h2>
<p>Loss is the mean KL divergence of the outputs from those of the float model on ${calibration.measured_on} samples that were held out; ${calibration.samples} others of ${escaped(calibration.source)} set the ranges (${escaped(calibration.method)}) and rounded the weights (${escaped(front.round)})${calibration.preprocess === null ? '' : `, preprocessed as ${escaped(calibration.preprocess)}`}. Points are measured as whole programs. Cost: ${escaped(front.cost_source)}.</p>
<p class="muted">Model digest <code>${escaped(model.digest.slice(0, 16))}</code></p>
</main>
<script>${script}</script>
</body>
</html>
`;
}

function total(layers: Front['model']['layers'], key: 'macs' | 'weights'): number {
  return layers.reduce((sum, layer) => sum + layer[key], 0);
}

/** Bit-widths that occur, widest first. */
function widthsOf({ points, baselines }: Front): number[] {
  const widths = new Set(
    [...points, ...baselines].flatMap(({ layers }) =>
      layers.flatMap((layer) => [layer.weight_bits, layer.activation_bits]),
    ),
  );
  return [...widths].sort((a, b) => b - a);
}

/** Layers side by side, as wide as their multiplications: weights above, activations below. */
function strip(point: FrontPoint, { model }: Front, titles: boolean): string {
  const macs = total(model.layers, 'macs');
  const cells = point.layers.map((layer, i) => {
    const share = model.layers[i]!.macs / macs;
    const grow = `flex-grow:${Math.max(share * 100, 0.6).toFixed(2)}`;
    const title = titles
      ? ` title="${escaped(layerWords(layer))}, ${(100 * share).toFixed(1)} % of multiplications"`
      : '';
    return `<i style="${grow}"${title}><b class="bits-${layer.weight_bits}"></b><b class="bits-${layer.activation_bits}"></b></i>`;
  });
  return `<div class="strip" role="img" aria-label="${escaped(bitsWords(point))}">${cells.join('')}</div>`;
}

function layerWords(layer: FrontLayer): string {
  return `${layer.name}: weights of ${layer.weight_bits} bits, activations of ${layer.activation_bits}`;
}

/** `12 layers w4a4, 9 layers w8a8`. */
function bitsWords({ layers }: FrontPoint): string {
  const counts = new Map<string, number>();
  for (const layer of layers) {
    const precision = precisionText(layer);
    counts.set(precision, (counts.get(precision) ?? 0) + 1);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([precision, count]) => `${count} layer${count === 1 ? '' : 's'} ${precision}`)
    .join(', ');
}

function card(point: FrontPoint | Baseline, front: Front, first: boolean): string {
  const id = escaped(point.id);
  const { layers } = point;
  const ends = [layers[0], layers.at(-1)].map(
    (layer) => `<span><bdi>${escaped(layer?.name ?? '')}</bdi></span>`,
  );
  return `<article class="card${first ? ' first' : ''}" id="card-${id}" data-id="${id}">
<h3>${id} <span class="muted">${'title' in point ? `${escaped(point.title)} · ` : ''}${escaped(bitsWords(point))}</span></h3>
<dl class="numbers">
${fact('cost', costText(point.cost, front.cost_unit))}
${point.cost_ratio_to_bfloat16 === null ? '' : fact('of bfloat16', percentText(point.cost_ratio_to_bfloat16))}
${fact('of the widest', percentText(point.cost_ratio_to_widest))}
${fact(`loss, ${point.loss_is}`, lossText(point.loss))}
${point.agreement === null ? '' : fact('agreement', `${point.agreement.toFixed(1)} %`)}
${point.sqnr_db === null ? '' : fact('SQNR of logits', `${point.sqnr_db.toFixed(1)} dB`)}
${fact('weights', bytesText(Math.ceil(point.memory_cost / 8)))}
</dl>
${strip(point, front, true)}
<div class="ends">${ends.join('')}</div>
<details class="list"><summary>bits of ${layers.length} layers, and how to compile this point</summary>
<p><code>qc compile MODEL --target c --plan front.json --point ${id} --calib PATH -o build</code></p>
<ul>${layers.map((layer) => `<li><bdi>${escaped(layer.name)}</bdi> ${precisionText(layer)}</li>`).join('')}</ul></details>
</article>`;
}

function fact(name: string, value: string): string {
  return `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`;
}

function tableRows(front: Front): string {
  const rows: { readonly kind: string; readonly point: FrontPoint }[] = [
    ...front.points.map((point) => ({ kind: 'point', point })),
    ...front.baselines.map((point) => ({ kind: 'baseline', point })),
    ...front.dominated.map((point) => ({ kind: 'dominated', point })),
  ];
  return rows
    .sort((a, b) => a.point.cost - b.point.cost || a.point.loss - b.point.loss)
    .map(({ kind, point }) => {
      const id = escaped(point.id);
      const ratio = point.cost_ratio_to_bfloat16;
      return `<tr class="${kind}" data-id="${id}"><td><a href="#card-${id}">${id}</a></td><td>${costText(point.cost, front.cost_unit)}</td>${ratio === null ? '' : `<td>${percentText(ratio)}</td>`}<td>${lossText(point.loss)}${point.loss_is === 'predicted' ? ' <span class="muted">predicted</span>' : ''}</td><td>${point.predicted_loss === null ? '' : lossText(point.predicted_loss)}</td><td>${point.agreement === null ? '' : `${point.agreement.toFixed(1)} %`}</td><td class="bits">${strip(point, front, false)}</td></tr>`;
    })
    .join('\n');
}

function sensitivityTable({ sensitivities, model }: Front): string {
  const precisions = [...new Set(sensitivities.map(({ precision }) => precision))];
  const groups = [...new Set(sensitivities.map(({ layers }) => JSON.stringify(layers)))];
  const macs = total(model.layers, 'macs');
  const most = Math.max(1e-9, ...sensitivities.map(({ added_loss }) => added_loss));
  const rows = groups.map((group) => {
    const names = JSON.parse(group) as string[];
    const own = model.layers
      .filter(({ name }) => names.includes(name))
      .reduce((sum, layer) => sum + layer.macs, 0);
    const cells = precisions.map((precision) => {
      const found = sensitivities.find(
        (one) => one.precision === precision && JSON.stringify(one.layers) === group,
      );
      if (found === undefined) return '<td></td>';
      // From a ten-thousandth of the worst up, by its logarithm.
      const share = Math.max(0, 1 + Math.log10(Math.max(found.added_loss, 1e-12) / most) / 4);
      return `<td class="heat" style="--share:${(0.75 * share).toFixed(3)}"><span>${lossText(found.added_loss)}</span></td>`;
    });
    return `<tr><td class="text">${names.map((name) => `<bdi>${escaped(name)}</bdi>`).join(' + ')}</td><td>${percentText(own / macs)}</td>${cells.join('')}</tr>`;
  });
  return `<table><thead><tr><th scope="col" class="text">layers</th><th scope="col">of multiplications</th>${precisions.map((precision) => `<th scope="col">${precision}</th>`).join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}

function costText(cost: number, unit: string): string {
  return unit === 'ms' ? `${cost.toFixed(2)} ms` : scaled(cost);
}

function lossText(loss: number): string {
  return loss === 0 ? '0' : loss < 1e-4 ? loss.toExponential(1) : String(Number(loss.toPrecision(3)));
}

function percentText(ratio: number): string {
  return `${(100 * ratio).toFixed(1)} %`;
}
