/**
 * The module of the page that `qc compile --target wgsl --demo` writes: gives pictures, or what a camera sees, to the model beside it, and shows
 * what it says and how long it takes.
 */
import { coverImage } from '../image/placement.ts';
import type { Manifest } from '../manifest.ts';
import { profile, recallTuning, tuned } from '../measure.ts';
import { load, type Model, type ModelImage, type WgslProgram } from '../model.ts';
import { median, topClasses } from './results.ts';
import { bitsText, bytesText, millisecondsText } from './text.ts';

const element = (id: string): HTMLElement => document.getElementById(id)!;
const button = (id: string): HTMLButtonElement => element(id) as HTMLButtonElement;
const folder = new URL('../', import.meta.url);

/** A photograph of more pixels a side is reduced before it goes to the device. */
const largestSide = 4096;

/** Pixels a side, about, at which a picture is shown. */
const shownSide = 512;

/** Pictures of at most so many pixels a side are shown pixel by pixel. */
const smallPicture = 100;

interface Size {
  readonly width: number;
  readonly height: number;
}

function say(problem: string): void {
  element('message').textContent = problem;
  element('message').hidden = false;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function showProgress(loaded: number, total: number): void {
  (element('progress') as HTMLProgressElement).value = total === 0 ? 1 : loaded / total;
  element('loading-text').textContent =
    loaded < total ? `Loading ${bytesText(loaded)} of ${bytesText(total)}` : 'Preparing the kernels';
}

/** The size of the pictures that the model reads. */
const sizeOf = ({ program }: Manifest): Size => (program as WgslProgram).image!;

function showFacts(manifest: Manifest): void {
  const title = manifest.name === 'model' ? 'A model, compiled by qc' : manifest.name;
  document.title = title;
  element('title').textContent = title;
  const shipped = manifest.files.filter(({ role }) => ['source', 'weights', 'module'].includes(role));
  const total = shipped.reduce((sum, { bytes }) => sum + bytes, 0);
  const { width, height } = sizeOf(manifest);
  const facts: readonly (readonly [string, string])[] = [
    [bitsText(manifest.layers), ''],
    [bytesText(total), ' in all'],
    [`${width} × ${height}`, ' pixels'],
    [String(manifest.layers.length), ' layers'],
  ];
  for (const [value, rest] of facts) {
    const item = document.createElement('li');
    const strong = document.createElement('b');
    strong.textContent = value;
    item.append(strong, rest);
    element('facts').append(item);
  }
}

function showLayers(manifest: Manifest, times: ReadonlyMap<string, number> | undefined): void {
  const rows = manifest.layers.map(({ name, op, weight_bits: weights, activation_bits: activations }) => {
    const row = document.createElement('tr');
    const cells = [name, op, `${weights} bits`, `${activations} bits`];
    if (times !== undefined) cells.push(millisecondsText(times.get(name)));
    for (const [i, text] of cells.entries()) {
      const cell = document.createElement('td');
      cell.textContent = text;
      if (i > 1) cell.className = 'number';
      row.append(cell);
    }
    return row;
  });
  element('layer-rows').replaceChildren(...rows);
  element('time-heading').hidden = times === undefined;
  element('layers').hidden = false;
}

class Demo {
  readonly #model: Model;
  readonly #manifest: Manifest;
  readonly #canvas = element('view') as HTMLCanvasElement;
  readonly #size: Size;
  readonly #times: number[] = [];
  #picture: ImageBitmap | undefined;
  #camera: MediaStream | undefined;
  #repeating = false;

  constructor(model: Model, manifest: Manifest) {
    this.#model = model;
    this.#manifest = manifest;
    this.#size = sizeOf(manifest);
    const scale = Math.ceil(shownSide / Math.max(this.#size.width, this.#size.height));
    this.#canvas.width = this.#size.width * scale;
    this.#canvas.height = this.#size.height * scale;
  }

  /** Takes pictures from wherever a browser can get them. */
  listen(): void {
    const drop = element('drop');
    const file = element('file') as HTMLInputElement;
    const choose = (): void => {
      file.click();
    };
    element('choose').addEventListener('click', choose);
    drop.addEventListener('click', choose);
    drop.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') choose();
    });
    file.addEventListener('change', () => {
      void this.open(file.files?.[0]);
      file.value = '';
    });
    for (const name of ['dragover', 'dragleave', 'drop'] as const) {
      document.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle('over', name === 'dragover');
        if (name === 'drop') void this.open(event.dataTransfer?.files[0]);
      });
    }
    document.addEventListener('paste', (event) => {
      const found = Array.from(event.clipboardData?.files ?? []).find(({ type }) =>
        type.startsWith('image/'),
      );
      if (found !== undefined) void this.open(found);
    });
    element('camera').addEventListener('click', () => void this.#toggleCamera());
    element('repeat').addEventListener('click', () => void this.#repeat(50));
    element('tune').addEventListener('click', () => void this.#tune());
  }

  /** Runs the model on a file. */
  async open(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    this.#stopCamera();
    let picture: ImageBitmap;
    try {
      picture = await reduced(await createImageBitmap(file));
    } catch {
      say(`${file.name} is not a picture that this browser can read`);
      return;
    }
    element('message').hidden = true;
    this.#picture?.close();
    this.#picture = picture;
    this.#draw(picture, picture);
    await this.#run(picture);
  }

  /** Shows of a picture the part that covers the model's shape, which is about what the model sees. */
  #draw(picture: ModelImage & CanvasImageSource, size: Size): void {
    const { width, height, window } = coverImage(this.#canvas, size);
    const context = this.#canvas.getContext('2d')!;
    context.imageSmoothingEnabled = Math.max(size.width, size.height) > smallPicture;
    context.drawImage(picture, -window.left, -window.top, width, height);
    this.#canvas.hidden = false;
    element('drop').classList.add('filled');
  }

  async #run(picture: ModelImage): Promise<void> {
    const start = performance.now();
    const { output } = await this.#model.run(picture);
    this.#times.push(performance.now() - start);
    this.#show(output);
  }

  #show(output: Float32Array): void {
    const rows = topClasses(output, 5).map(({ index, probability }) => {
      const item = document.createElement('li');
      const row = document.createElement('div');
      row.className = 'row';
      const name = document.createElement('span');
      name.className = 'name';
      name.textContent = this.#model.classNames?.[index] ?? `class ${index}`;
      name.title = name.textContent;
      const value = document.createElement('span');
      value.className = 'value';
      value.textContent = `${(100 * probability).toFixed(1)} %`;
      row.append(name, value);
      const bar = document.createElement('div');
      bar.className = 'bar';
      const filled = document.createElement('i');
      filled.style.width = `${100 * probability}%`;
      bar.append(filled);
      item.append(row, bar);
      return item;
    });
    element('classes').replaceChildren(...rows);
    element('classes').dataset['runs'] = String(this.#times.length);
    element('nothing').hidden = true;
    this.#showTimes();
  }

  #showTimes(): void {
    // The first run of a device includes what it puts off until then.
    const counted = this.#times.length > 1 ? this.#times.slice(1).slice(-50) : this.#times;
    const middle = median(counted);
    element('last').textContent = millisecondsText(this.#times.at(-1));
    element('median').textContent = millisecondsText(middle);
    element('median-label').textContent = counted.length > 1 ? `median of ${counted.length}` : 'median';
    element('rate').textContent = (1000 / middle).toFixed(middle > 100 ? 1 : 0);
    element('times').hidden = false;
    button('repeat').disabled = this.#repeating;
  }

  async #repeat(count: number): Promise<void> {
    const picture = this.#picture;
    if (picture === undefined) return;
    this.#repeating = true;
    try {
      for (let i = 0; i < count; i++) await this.#run(picture);
      await this.#profile();
    } catch (error) {
      say(messageOf(error));
    }
    this.#repeating = false;
    button('repeat').disabled = false;
  }

  /** Goes on with the quickest kernels on this device, and times them if the picture is there. */
  async #tune(): Promise<void> {
    const tuning = button('tune');
    tuning.disabled = true;
    try {
      await tuned(this.#model, {
        onProgress: (timed, total) => {
          tuning.textContent = `Timing kernel ${timed} of ${total}`;
        },
      });
      tuning.textContent = 'Tuned for this device';
      this.#times.length = 0;
      if (this.#picture !== undefined && !this.#repeating) await this.#repeat(50);
    } catch (error) {
      say(messageOf(error));
      tuning.textContent = 'Tune for this device';
      tuning.disabled = false;
    }
  }

  /** Time by layer, where the device tells it. */
  async #profile(): Promise<void> {
    if (!this.#model.device.features.has('timestamp-query')) return;
    const count = this.#model.inputs[0]!.shape.reduce((product, extent) => product * extent, 1);
    const steps = await profile(this.#model, new Float32Array(count));
    const times = new Map<string, number>();
    for (const { step, milliseconds } of steps) times.set(step, (times.get(step) ?? 0) + milliseconds);
    const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    element('timed').textContent = `; ${millisecondsText(total)} on the device`;
    showLayers(this.#manifest, times);
  }

  async #toggleCamera(): Promise<void> {
    if (this.#camera !== undefined) {
      this.#stopCamera();
      return;
    }
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      this.#camera = stream;
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      this.#stopCamera();
      say(`there is no camera to look through: ${messageOf(error)}`);
      return;
    }
    element('message').hidden = true;
    element('camera').textContent = 'Stop the camera';
    const stream = this.#camera;
    try {
      while (this.#camera === stream) {
        // A picture of its own, so that what is drawn is what was named.
        const frame = await createImageBitmap(video);
        this.#draw(frame, frame);
        await this.#run(frame);
        frame.close();
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      this.#stopCamera();
      say(messageOf(error));
    }
  }

  #stopCamera(): void {
    for (const track of this.#camera?.getTracks() ?? []) track.stop();
    this.#camera = undefined;
    element('camera').textContent = 'Use the camera';
  }
}

/** The picture itself, or a smaller one in its proportions. */
async function reduced(picture: ImageBitmap): Promise<ImageBitmap> {
  const scale = largestSide / Math.max(picture.width, picture.height);
  if (scale >= 1) return picture;
  const smaller = await createImageBitmap(picture, {
    resizeWidth: Math.max(1, Math.round(picture.width * scale)),
    resizeHeight: Math.max(1, Math.round(picture.height * scale)),
    resizeQuality: 'high',
  });
  picture.close();
  return smaller;
}

async function start(): Promise<void> {
  const response = await fetch(new URL('manifest.json', folder));
  if (!response.ok) throw new Error(`manifest.json: ${response.status} ${response.statusText}`);
  const manifest = (await response.json()) as Manifest;
  showFacts(manifest);
  const model = await load(folder, { onProgress: showProgress });
  void model.lost.then((reason) => {
    say(`${reason}\nReload the page to go on.`);
  });
  if ((await recallTuning(model)) !== undefined) {
    button('tune').textContent = 'Tuned for this device';
    button('tune').disabled = true;
  }
  showLayers(manifest, undefined);
  const { vendor, architecture, description } = model.device.adapterInfo;
  const adapter =
    description === '' ? [vendor, architecture].filter((part) => part !== '').join(' ') : description;
  element('adapter').textContent =
    `${adapter === '' ? 'WebGPU' : `WebGPU on ${adapter}`}. Every layer computes in integers: the same bits on every device.`;
  element('stage').hidden = false;
  new Demo(model, manifest).listen();
}

start()
  .catch((error: unknown) => {
    say(messageOf(error));
  })
  .finally(() => {
    element('loading').hidden = true;
  });
