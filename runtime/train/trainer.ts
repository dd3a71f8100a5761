/**
 * The loop: from a model, a recipe and images to a trained model, step by step.
 *
 * Law: what step t computes depends on the tensors before it, the recipe and t, on nothing else. So a training that was interrupted and goes
 * on from a checkpoint writes the same metrics, bit for bit, as one that ran through (on a backend that is deterministic, as WASM on one thread is).
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  type CheckpointDescription,
  checkpointFormat,
  type CheckpointStore,
  emptyWindow,
  type ModelSummary,
} from './checkpoint.ts';
import './gradients.ts';
import type { BatchReader } from './image-set.ts';
import { type Forward, Layers } from './layers.ts';
import { trainingLoss } from './loss.ts';
import { NesterovOptimizer } from './optimizer.ts';
import type { Recipe } from './recipe.ts';
import { learningRate } from './schedule.ts';
import type { ModelState } from './state.ts';
import { readTensors, type TensorEntry, writeTensors } from './state.ts';

export interface TrainingSetup {
  readonly model: ModelSummary;
  readonly forward: Forward;
  readonly state: ModelState;
  readonly recipe: Recipe;
  readonly training: BatchReader;
  readonly evaluation?: BatchReader;
  /** The float model, for distillation. */
  readonly teacher?: Forward;
}

/** Of one step: on the batch, as training saw it. */
export interface StepResult {
  readonly step: number;
  readonly loss: number;
  readonly correct: number;
  readonly count: number;
  readonly rate: number;
}

/** A line of the metrics. Percentages are of the samples named. */
export interface MetricsLine {
  /** Steps done. */
  readonly step: number;
  readonly rate: number;
  /** Mean over the steps since the last line. */
  readonly loss: number;
  readonly train_accuracy: number;
  /** On the evaluation images, where this line evaluated. */
  readonly eval_accuracy?: number;
  readonly eval_loss?: number;
}

export class Trainer {
  readonly net: Layers;
  readonly #setup: TrainingSetup;
  readonly #optimizer: NesterovOptimizer;
  readonly #teacher: Layers | undefined;
  #done = 0;
  #window = emptyWindow;

  private constructor(setup: TrainingSetup, teacher: Layers | undefined) {
    this.#setup = setup;
    this.#teacher = teacher;
    this.net = new Layers(setup.state, setup.recipe.quantization);
    this.#optimizer = new NesterovOptimizer(setup.recipe);
  }

  /** A trainer at step 0, or where the store's last checkpoint is. The teacher keeps the weights that `setup.state` has now. */
  static async create(setup: TrainingSetup, store: CheckpointStore): Promise<Trainer> {
    const taught = setup.teacher !== undefined && setup.recipe.distillation.share > 0;
    const teacher = taught ? new Layers(await setup.state.clone(), setup.recipe.quantization) : undefined;
    const trainer = new Trainer(setup, teacher);
    const checkpoint = await store.load();
    if (checkpoint !== undefined) trainer.#restore(checkpoint.description, checkpoint.stored.bytes);
    const lines = (await store.readMetrics()).split('\n').filter((line) => line !== '');
    const before = lines.filter((line) => (JSON.parse(line) as MetricsLine).step <= trainer.#done);
    await store.writeMetrics(before.map((line) => `${line}\n`).join(''));
    return trainer;
  }

  /** Steps done so far. */
  get done(): number {
    return this.#done;
  }

  /** One step of descent. */
  async step(): Promise<StepResult> {
    const { recipe, training, forward, state } = this.#setup;
    const t = this.#done;
    const batch = training.trainingBatch(t, recipe.batch, recipe.seed, recipe.augmentation);
    const parameters = state.of('weight', 'bias', 'gain', 'shift', 'step');
    const rate = learningRate({ ...recipe, peak: recipe.rate }, t);
    this.net.phase = {
      training: true,
      normsFrozen: t >= recipe.freezeNorms,
      step: t,
      normMomentum: recipe.normMomentum,
    };
    const [loss, correct] = tf.tidy(() => {
      const images = tf.tensor(batch.images, training.shape(batch.size));
      const labels = tf.tensor1d(batch.labels, 'int32');
      const said = this.#teach(images);
      let hits: tf.Scalar | undefined;
      const { value, grads } = tf.variableGrads(() => {
        const logits = forward(this.net, images) as tf.Tensor2D;
        hits = tf.keep(countCorrect(logits, labels));
        return trainingLoss(logits, labels, said, recipe.distillation);
      }, [...parameters.values()]);
      const gradients: Record<string, tf.Tensor> = {};
      for (const [name, { name: key }] of parameters) if (key in grads) gradients[name] = grads[key]!;
      const { entries } = state;
      this.#optimizer.apply(parameters, gradients, (name) =>
        entries.get(name)!.role === 'step' ? rate * recipe.stepRate : rate,
      );
      for (const step of state.of('step').values()) step.assign(tf.maximum(step, leastStep));
      return [value, hits!];
    });
    const result = {
      step: t,
      loss: (await loss.data())[0]!,
      correct: (await correct.data())[0]!,
      count: batch.size,
      rate,
    };
    loss.dispose();
    correct.dispose();
    this.#done += 1;
    this.#window = {
      steps: this.#window.steps + 1,
      loss: this.#window.loss + result.loss,
      correct: this.#window.correct + result.correct,
      count: this.#window.count + result.count,
    };
    return result;
  }

  /** Mean loss and accuracy of the steps since this was last asked. */
  summarize(): Pick<MetricsLine, 'loss' | 'train_accuracy'> {
    const { steps, loss, correct, count } = this.#window;
    this.#window = emptyWindow;
    return { loss: loss / steps, train_accuracy: (100 * correct) / count };
  }

  /** Accuracy in percent and mean cross entropy on images as they are, the first `limit` of them: those of the compiled program. */
  async evaluate(
    reader: BatchReader,
    { forward = this.#setup.forward, net = this.net, limit = Infinity, batch = 100 } = {},
  ): Promise<{ accuracy: number; loss: number; count: number }> {
    await net.evaluate();
    let [correct, loss, count] = [0, 0, 0];
    const total = Math.min(limit, reader.count);
    while (count < total) {
      const { size, images, labels } = reader.batch(count, Math.min(batch, total - count));
      const [hits, cost] = tf.tidy(() => {
        const expected = tf.tensor1d(labels, 'int32');
        const logits = forward(net, tf.tensor(images, reader.shape(size))) as tf.Tensor2D;
        return [
          countCorrect(logits, expected),
          trainingLoss(logits, expected, undefined, { share: 0, temperature: 1 }),
        ];
      });
      correct += (await hits.data())[0]!;
      loss += (await cost.data())[0]! * size;
      count += size;
      hits.dispose();
      cost.dispose();
    }
    return { accuracy: (100 * correct) / count, loss: loss / count, count };
  }

  /** Logits [size, K] of images as they are: what the compiled program will say. */
  async logits(reader: BatchReader, start: number, size: number): Promise<tf.Tensor2D> {
    await this.net.evaluate();
    return tf.tidy(() => {
      const batch = reader.batch(start, size);
      return this.#setup.forward(this.net, tf.tensor(batch.images, reader.shape(batch.size))) as tf.Tensor2D;
    });
  }

  /** Writes where the training is. */
  async save(store: CheckpointStore): Promise<void> {
    this.net.settle();
    const { state, recipe, model } = this.#setup;
    const entries: TensorEntry[] = [];
    const values: Float32Array[] = [];
    const elements = await state.read();
    for (const [name, entry] of state.entries) {
      entries.push(entry);
      values.push(elements.get(name)!);
    }
    for (const [name, velocity] of this.#optimizer.velocities) {
      entries.push({ name: `${name}.velocity`, role: 'velocity', shape: velocity.shape });
      values.push((await velocity.data()) as Float32Array);
    }
    const description: CheckpointDescription = {
      format: checkpointFormat,
      step: this.#done,
      recipe,
      model,
      tensors: entries,
      window: this.#window,
      elements: `tensors-${String(this.#done).padStart(7, '0')}.bin`,
    };
    await store.save(description, writeTensors(values));
  }

  #teach(images: tf.Tensor): tf.Tensor2D | undefined {
    const { teacher } = this.#setup;
    return this.#teacher === undefined || teacher === undefined
      ? undefined
      : (teacher(this.#teacher, images) as tf.Tensor2D);
  }

  #restore(description: CheckpointDescription, bytes: Uint8Array): void {
    const { state } = this.#setup;
    const values = readTensors({ tensors: description.tensors, bytes }, 'the checkpoint');
    for (const entry of description.tensors) {
      const elements = values.get(entry.name)!;
      if (entry.role === 'velocity') {
        const variable = tf.tidy(() => tf.variable(tf.tensor(elements, [...entry.shape]), false));
        this.#optimizer.velocities.set(entry.name.slice(0, -'.velocity'.length), variable);
      } else if (state.entries.has(entry.name)) state.set(entry.name, elements);
      else state.add(entry, elements);
    }
    this.#done = description.step;
    this.#window = description.window;
  }
}

/** No step of a quantizer shrinks to nothing. */
const leastStep = 1e-12;

function countCorrect(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  return tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'int32'));
}
