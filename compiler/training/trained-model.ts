/**
 * A checkpoint of training as the compiler sees it: what was trained, with every number in reach by name. It comes from a folder that anybody
 * may have written, so everything that is relied on later is checked here, once.
 */
import { elementCount, fail, maxElements } from '../../ir/index.ts';

/** A tensor in the layout of training. */
export interface TrainedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface TrainedLayer {
  /** Name of the constant that holds its weights. */
  readonly weights: string;
  readonly weightBits: number;
  readonly activationBits: number;
}

export interface TrainedQuantizer {
  readonly value: string;
  readonly bits: number;
  readonly signed: boolean;
  /** Real value of one step. */
  readonly step: number;
}

export interface TrainedModel {
  readonly name: string;
  readonly steps: number;
  readonly layers: readonly TrainedLayer[];
  readonly quantizers: readonly TrainedQuantizer[];
  readonly tensors: ReadonlyMap<string, TrainedTensor>;
}

/** What `runtime/train` writes. */
export const trainingFormat = 'qc-training/1';

/**
 * Reads `checkpoint.json`; `elements` opens the file it names. `what` names it in errors, which have the code `training/checkpoint`, or
 * `training/floor` and `training/not-quantized` for trainings whose result no integer program equals.
 */
export async function readTrainedModel(
  text: string,
  elements: (file: string) => Promise<Uint8Array>,
  what: string,
): Promise<TrainedModel> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return broken(what, 'it is not JSON');
  }
  const document = record(value, what, 'the document');
  if (document['format'] !== trainingFormat) {
    broken(
      what,
      `its format is ${JSON.stringify(document['format'])}, expected ${JSON.stringify(trainingFormat)}`,
    );
  }
  const steps = whole(document['step'], what, 'step');
  refuseOtherRounding(record(document['recipe'], what, 'recipe'), steps, what);
  const file = words(document['elements'], what, 'elements');
  if (!/^[\w-]+\.bin$/.test(file)) broken(what, `it names a file ${JSON.stringify(file)}`);
  const tensors = readTensors(list(document['tensors'], what, 'tensors'), await elements(file), what);
  const model = record(document['model'], what, 'model');
  const layers = list(model['layers'], what, 'layers').map((entry): TrainedLayer => {
    const layer = record(entry, what, 'layers');
    return {
      weights: words(layer['weights'], what, 'layers.weights'),
      weightBits: whole(layer['weightBits'], what, 'layers.weightBits'),
      activationBits: whole(layer['activationBits'], what, 'layers.activationBits'),
    };
  });
  const quantizers = list(model['quantizers'], what, 'quantizers').map((entry): TrainedQuantizer => {
    const quantizer = record(entry, what, 'quantizers');
    const name = words(quantizer['step'], what, 'quantizers.step');
    const step = tensors.get(name)?.data[0];
    if (step === undefined || !(step > 0) || !Number.isFinite(step)) {
      broken(what, `the step ${JSON.stringify(name)} is ${String(step)}, not a positive number`);
    }
    return {
      value: words(quantizer['value'], what, 'quantizers.value'),
      bits: whole(quantizer['bits'], what, 'quantizers.bits'),
      signed: quantizer['signed'] === true,
      step,
    };
  });
  return { name: words(model['name'], what, 'model.name'), steps, layers, quantizers, tensors };
}

function readTensors(
  entries: readonly unknown[],
  bytes: Uint8Array,
  what: string,
): Map<string, TrainedTensor> {
  const described = entries.map((entry) => {
    const tensor = record(entry, what, 'tensors');
    const shape = list(tensor['shape'], what, 'tensors.shape').map((extent) =>
      whole(extent, what, 'tensors.shape'),
    );
    if (elementCount(shape) > maxElements) broken(what, 'a tensor is larger than any program may hold');
    return { name: words(tensor['name'], what, 'tensors.name'), shape };
  });
  const total = 4 * described.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  if (total !== bytes.length)
    broken(what, `its elements are ${bytes.length} bytes, and it describes ${total}`);
  const all = new Float32Array(new Uint8Array(bytes).buffer);
  let offset = 0;
  return new Map(
    described.map(({ name, shape }) => {
      const data = all.slice(offset, offset + elementCount(shape));
      offset += data.length;
      if (!data.every(Number.isFinite))
        broken(what, `tensor ${JSON.stringify(name)} is not finite: the training diverged`);
      return [name, { shape, data }];
    }),
  );
}

/** Integer programs round to nearest. */
function refuseOtherRounding(recipe: Record<string, unknown>, steps: number, what: string): void {
  const quantization = record(recipe['quantization'], what, 'recipe.quantization');
  if (quantization['rounding'] === 'floor') {
    fail('training/floor', `${what} was trained with activations rounded down`, {
      help: 'integer programs round to the nearest: train with rounding: half-even',
    });
  }
  const activations = record(quantization['activations'], what, 'recipe.quantization.activations');
  const start = activations['start'];
  if (activations['kind'] === 'observed' && typeof start === 'number' && steps < start) {
    fail(
      'training/not-quantized',
      `${what} stopped after ${steps} steps, and its activations are quantized from step ${start} on`,
      {
        help: 'train on, or observe for fewer steps (--observe N)',
      },
    );
  }
}

function broken(what: string, why: string): never {
  return fail('training/checkpoint', `${what} is no checkpoint of a training: ${why}`, {
    help: 'give the folder that npm run train -- --checkpoint DIR wrote',
  });
}

function record(value: unknown, what: string, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  return broken(what, `${where} is not an object`);
}

function list(value: unknown, what: string, where: string): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : broken(what, `${where} is not a list`);
}

function words(value: unknown, what: string, where: string): string {
  return typeof value === 'string' ? value : broken(what, `${where} is not a text`);
}

function whole(value: unknown, what: string, where: string): number {
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : broken(what, `${where} is not a whole number`);
}
