/**
 * Training in a browser tab: the page of an emitted project. Images and labels come from files, steps run between repaints, loss and accuracy are
 * drawn as they come, and checkpoints stay in the browser until they are downloaded for `qc compile --from-training`.
 *
 * The loop, the recipe and the numbers are those of Node (`trainer.ts`); only files and the screen are the page's own.
 */
import * as tf from '@tensorflow/tfjs-core';
import { arrayImages, type ImageFormat } from './array-images.ts';
import { type BrowserStore, browserStore } from './browser-store.ts';
import { memoryStore, type ModelSummary } from './checkpoint.ts';
import { drawCurves } from './curves.ts';
import { BatchReader, type PixelScale } from './image-set.ts';
import type { Forward } from './layers.ts';
import { scaledRecipe, type Recipe } from './recipe.ts';
import { ModelState, type TensorEntry } from './state.ts';
import { type MetricsLine, Trainer } from './trainer.ts';

export interface PageProject {
  /** Where `weights.json`, `weights.bin` and `node_modules` are. */
  readonly folder: URL;
  readonly forward: Forward;
  /** The same model without quantizers. */
  readonly floatForward: Forward;
  readonly recipe: Recipe;
  readonly pixels: PixelScale;
  readonly format: ImageFormat;
}

/** Steps between two points of the curves, and between two checkpoints. */
const [logEvery, saveEvery] = [5, 50];

/** An element of the page that must be of this kind. */
function element<T extends typeof HTMLElement>(id: string, kind: T): InstanceType<T> {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no #${id}`);
  return found as InstanceType<T>;
}

/** Makes the page work. What goes wrong later is said on it. */
export function runTrainingPage(project: PageProject): void {
  const page = new TrainingPage(project);
  page.listen();
}

class TrainingPage {
  readonly #project: PageProject;
  readonly #start = element('start', HTMLButtonElement);
  readonly #again = element('again', HTMLButtonElement);
  readonly #download = element('download', HTMLButtonElement);
  readonly #steps = element('steps', HTMLInputElement);
  #running = false;
  #trainer: Trainer | undefined;
  #evaluation: BatchReader | undefined;
  #recipe: Recipe;
  #store: BrowserStore | undefined;
  #lines: MetricsLine[] = [];

  constructor(project: PageProject) {
    this.#project = project;
    this.#recipe = project.recipe;
    this.#steps.value = String(project.recipe.steps);
  }

  listen(): void {
    const guarded = (work: () => Promise<void>) => () => {
      work().catch((error: unknown) => {
        this.#running = false;
        this.#show();
        this.#say(error instanceof Error ? error.message : String(error), true);
      });
    };
    this.#start.addEventListener(
      'click',
      guarded(() => this.#toggle()),
    );
    this.#again.addEventListener(
      'click',
      guarded(() => this.#forget()),
    );
    this.#download.addEventListener(
      'click',
      guarded(() => this.#save()),
    );
    this.#start.disabled = false;
    this.#say('Choose images and their labels, then start.');
  }

  async #toggle(): Promise<void> {
    if (this.#running) {
      this.#running = false;
      return;
    }
    this.#running = true;
    this.#show();
    this.#trainer ??= await this.#prepare();
    await this.#train(this.#trainer);
  }

  async #prepare(): Promise<Trainer> {
    const { folder, forward, floatForward, recipe } = this.#project;
    this.#say('Reading images…');
    const training = await this.#reader('images', 'labels');
    if (training === undefined) throw new Error('Choose an .npy of images and an .npy of labels first.');
    this.#evaluation = await this.#reader('eval-images', 'eval-labels');
    const steps = Number(this.#steps.value);
    if (!Number.isInteger(steps) || steps < 1) throw new Error('Steps are a whole number, 1 or more.');
    const backend = element('backend', HTMLSelectElement).value;
    await startBackend(backend, folder);
    this.#say('Reading the model…');
    const { model, state, digest } = await fetchWeights(folder);
    this.#recipe = scaledRecipe(recipe, steps);
    this.#store = digest === undefined ? forgetfulStore() : await browserStore(digest);
    const setup = { model, forward, state, recipe: this.#recipe, training, teacher: floatForward };
    const trainer = await Trainer.create(setup, this.#store);
    const kept = (await this.#store.readMetrics()).split('\n').filter((line) => line !== '');
    this.#lines = kept.map((line) => JSON.parse(line) as MetricsLine);
    return trainer;
  }

  async #train(trainer: Trainer): Promise<void> {
    const { steps } = this.#recipe;
    const store = this.#store!;
    const [from, began] = [trainer.done, performance.now()];
    while (this.#running && trainer.done < steps) {
      const { loss, step, rate } = await trainer.step();
      if (!Number.isFinite(loss))
        throw new Error(`The loss of step ${step} is ${loss}: begin again with a smaller rate.`);
      const last = trainer.done === steps;
      if (trainer.done % logEvery === 0 || last || this.#asked()) {
        const seen =
          this.#evaluation !== undefined && (last || trainer.done % (10 * logEvery) === 0)
            ? await trainer.evaluate(this.#evaluation, { limit: last ? Infinity : 500 })
            : undefined;
        const line: MetricsLine = {
          step: trainer.done,
          rate,
          ...trainer.summarize(),
          ...(seen === undefined ? {} : { eval_accuracy: seen.accuracy, eval_loss: seen.loss }),
        };
        this.#lines.push(line);
        await store.appendMetrics(`${JSON.stringify(line)}\n`);
      }
      if (trainer.done % saveEvery === 0) await trainer.save(store);
      this.#progress(trainer.done, (performance.now() - began) / (trainer.done - from));
      await repainted();
    }
    this.#running = false;
    await trainer.save(store);
    this.#show();
    this.#say(
      trainer.done >= steps
        ? `Done: ${trainer.done} steps. Download the checkpoint, then: qc compile MODEL.onnx --from-training FOLDER`
        : `Paused after ${trainer.done} steps; this browser keeps where it is.`,
    );
  }

  /** Two files side by side, as `.npy`; undefined where none is chosen. */
  async #reader(images: string, labels: string): Promise<BatchReader | undefined> {
    const [file, classes] = [images, labels].map(
      (id) => element(id, HTMLInputElement).files?.item(0) ?? undefined,
    );
    if (file === undefined && classes === undefined) return undefined;
    if (file === undefined || classes === undefined) {
      throw new Error('Images and their labels are two .npy files: choose both.');
    }
    const named = async (given: File) => ({
      name: given.name,
      bytes: new Uint8Array(await given.arrayBuffer()),
    });
    const { format, pixels } = this.#project;
    return new BatchReader(arrayImages(await named(file), await named(classes), format), pixels);
  }

  async #forget(): Promise<void> {
    if (this.#running) return;
    await this.#store?.forget();
    this.#trainer = undefined;
    this.#lines = [];
    this.#show();
    element('chart', HTMLElement).replaceChildren();
    element('progress', HTMLElement).setAttribute('value', '0');
    this.#say('Forgotten. Start begins at step 0.');
  }

  /** The files that --from-training reads, one after the other. */
  async #save(): Promise<void> {
    const checkpoint = await this.#store?.load();
    if (checkpoint === undefined) return;
    const { description, stored } = checkpoint;
    offer('checkpoint.json', `${JSON.stringify(description, undefined, 1)}\n`);
    offer(description.elements, stored.bytes as Uint8Array<ArrayBuffer>);
    offer('metrics.jsonl', await this.#store!.readMetrics());
  }

  /** Whether somebody asked to pause, while a step ran. */
  #asked(): boolean {
    return !this.#running;
  }

  #progress(done: number, perStep: number): void {
    const { steps } = this.#recipe;
    element('progress', HTMLElement).setAttribute('max', String(steps));
    element('progress', HTMLElement).setAttribute('value', String(done));
    const line = this.#lines.at(-1);
    const seen = this.#lines.findLast(({ eval_accuracy }) => eval_accuracy !== undefined);
    element('chart', HTMLElement).innerHTML = drawCurves('', this.#lines);
    this.#show();
    const left = ((steps - done) * perStep) / 60_000;
    this.#say(
      [
        `Step ${done} of ${steps}`,
        ...(line === undefined
          ? []
          : [`loss ${line.loss.toFixed(3)}`, `training ${line.train_accuracy.toFixed(1)} %`]),
        ...(seen === undefined ? [] : [`evaluation ${seen.eval_accuracy!.toFixed(1)} %`]),
        `${perStep.toFixed(0)} ms a step`,
        `${left.toFixed(1)} min left`,
      ].join('  ·  '),
    );
  }

  #show(): void {
    const some = this.#trainer !== undefined && this.#trainer.done > 0;
    this.#start.textContent = this.#running ? 'Pause' : some ? 'Go on' : 'Start';
    this.#download.disabled = this.#running || !some;
    this.#again.disabled = this.#running || !some;
    for (const id of ['images', 'labels', 'eval-images', 'eval-labels', 'backend', 'steps']) {
      element(id, HTMLElement).toggleAttribute('disabled', this.#running || some);
    }
  }

  #say(text: string, wrong = false): void {
    const message = element('message', HTMLElement);
    message.textContent = text;
    message.classList.toggle('wrong', wrong);
  }
}

/** After the browser has drawn what changed and heard who clicked. */
const repainted = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

function offer(name: string, content: string | Uint8Array<ArrayBuffer>): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content]));
  link.download = name;
  link.click();
}

async function startBackend(name: string, folder: URL): Promise<void> {
  if (name === 'wasm') {
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    setWasmPaths(new URL('node_modules/@tensorflow/tfjs-backend-wasm/dist/', folder).href);
  } else await import('@tensorflow/tfjs-backend-cpu');
  if (!(await tf.setBackend(name))) throw new Error(`This browser has no backend ${name} for TensorFlow.js.`);
  await tf.ready();
}

/** The model and what it starts from; `digest` tells trainings of one origin apart, by all they begin with. None where the browser computes none. */
async function fetchWeights(
  folder: URL,
): Promise<{ model: ModelSummary; state: ModelState; digest: string | undefined }> {
  const get = async (name: string): Promise<Uint8Array<ArrayBuffer>> => {
    const response = await fetch(new URL(name, folder));
    if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const [description, bytes] = [await get('weights.json'), await get('weights.bin')];
  const { model, tensors } = JSON.parse(new TextDecoder().decode(description)) as {
    model: ModelSummary;
    tensors: TensorEntry[];
  };
  return {
    model,
    state: ModelState.from({ tensors, bytes }, 'weights.bin'),
    digest: await digestOf(description, bytes),
  };
}

/** SHA-256 of the parts' own, in hexadecimal. Browsers have it on pages of https and of this machine alone. */
async function digestOf(...parts: readonly Uint8Array<ArrayBuffer>[]): Promise<string | undefined> {
  if (!isSecureContext) return undefined;
  const each = await Promise.all(parts.map((part) => crypto.subtle.digest('SHA-256', part)));
  const whole = await crypto.subtle.digest('SHA-256', await new Blob(each).arrayBuffer());
  return Array.from(new Uint8Array(whole), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** For pages that can keep nothing: a checkpoint lasts as long as the page. */
const forgetfulStore = (): BrowserStore => ({ ...memoryStore(), forget: () => Promise.resolve() });
