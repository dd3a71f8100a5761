/** The page of a project: one HTML file, no network beyond the project's own folder and its `node_modules`. */
import type { ProjectFacts } from './facts.ts';

const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** A module that exports nothing but an empty default: what browsers get for Node's own. */
const nothing = 'data:text/javascript,export default {}';

/** Where a browser finds what the modules import by name. `tfjs-layers` is there for the gradients that it registers. */
const importMap = {
  imports: {
    '@tensorflow/tfjs-core': './node_modules/@tensorflow/tfjs-core/dist/tf-core.fesm.min.js',
    '@tensorflow/tfjs-backend-wasm':
      './node_modules/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.fesm.min.js',
    '@tensorflow/tfjs-backend-cpu':
      './node_modules/@tensorflow/tfjs-backend-cpu/dist/tf-backend-cpu.fesm.min.js',
    '@tensorflow/tfjs-layers': './node_modules/@tensorflow/tfjs-layers/dist/tf-layers.fesm.min.js',
    fs: nothing,
    os: nothing,
    path: nothing,
    perf_hooks: nothing,
    seedrandom: nothing,
  },
};

export function trainingPage({ name, image, recipe }: ProjectFacts): string {
  const title = escaped(name);
  const { height, width, channels } = image;
  const file = (id: string, label: string): string =>
    `<label>${label}<input type="file" id="${id}" accept=".npy" /></label>`;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${title}: training</title>
    <link rel="icon" href="data:," />
    <style>
      :root { --page: #f6f6f9; --card: #fff; --ink: #1b1b26; --quiet: #5f6073; --line: #dfdfe8; --accent: #4f46e5; --accent-ink: #fff; --warn: #a13a14; }
      @media (prefers-color-scheme: dark) {
        :root { --page: #101016; --card: #191922; --ink: #ececf4; --quiet: #a0a1b5; --line: #2c2c3a; --accent: #8b85ff; --accent-ink: #101016; --warn: #ffb597; }
        #chart svg { filter: invert(0.9) hue-rotate(180deg); }
      }
      * { box-sizing: border-box; }
      body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
      main { max-width: 60rem; margin: 0 auto; padding: clamp(1rem, 4vw, 3rem) clamp(1rem, 4vw, 2rem); }
      h1 { margin: 0; font-size: clamp(1.4rem, 4vw, 2rem); line-height: 1.2; letter-spacing: -0.02em; overflow-wrap: anywhere; }
      .lead { margin: 0.35rem 0 1.25rem; color: var(--quiet); }
      .card { padding: 1.25rem; margin-bottom: 1.25rem; border: 1px solid var(--line); border-radius: 14px; background: var(--card); }
      .choices { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem; }
      label { display: grid; gap: 0.3rem; font-size: 0.875rem; color: var(--quiet); }
      input, select { font: inherit; color: var(--ink); max-width: 100%; }
      input[type='number'], select { padding: 0.35rem 0.6rem; border: 1px solid var(--line); border-radius: 8px; background: var(--page); }
      .buttons { display: flex; flex-wrap: wrap; gap: 0.75rem; margin-top: 1.25rem; }
      button { padding: 0.5rem 1.2rem; border: 1px solid var(--line); border-radius: 999px; background: transparent; color: var(--ink); font: inherit; cursor: pointer; }
      button:disabled { opacity: 0.45; cursor: default; }
      #start { border-color: var(--accent); background: var(--accent); color: var(--accent-ink); font-weight: 600; }
      progress { width: 100%; height: 0.5rem; accent-color: var(--accent); }
      #message { margin: 0.6rem 0 0; font-variant-numeric: tabular-nums; }
      #message.wrong { color: var(--warn); }
      #chart svg { display: block; width: 100%; height: auto; border-radius: 8px; }
      #chart:empty::before { content: 'Loss and accuracy will be drawn here.'; color: var(--quiet); }
    </style>
    <script type="importmap">${JSON.stringify(importMap)}</script>
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      <p class="lead">Fine-tuning with fake quantization, in this tab, on images of bytes [N, ${height}, ${width}, ${channels}]. Nothing leaves this machine.</p>
      <section class="card">
        <div class="choices">
          ${file('images', 'Training images, .npy')}
          ${file('labels', 'Their labels, .npy')}
          ${file('eval-images', 'Evaluation images, if any')}
          ${file('eval-labels', 'Their labels')}
          <label>Steps of ${recipe.batch} images<input type="number" id="steps" min="1" /></label>
          <label>Backend<select id="backend"><option value="wasm">WebAssembly</option><option value="cpu">JavaScript (slow)</option></select></label>
        </div>
        <div class="buttons">
          <button id="start" disabled>Start</button>
          <button id="download" disabled>Download the checkpoint</button>
          <button id="again" disabled>Begin again</button>
        </div>
      </section>
      <section class="card">
        <progress id="progress" value="0" max="1"></progress>
        <p id="message" role="status">Loading…</p>
      </section>
      <section class="card" id="chart" aria-label="Loss and accuracy over the steps"></section>
    </main>
    <script type="module" src="./page.js"></script>
  </body>
</html>
`;
}
