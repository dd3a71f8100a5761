/**
 * The search: which bits for which layer, for every budget at once.
 *
 *   1. Every layer is rounded once at every choice, by the compiler's own passes (`variants.ts`). The integers are reused from here on.
 *   2. Each group of layers is changed alone, and what that adds to the KL divergence from the float model is measured, on samples held out
 *      from rounding (`measure.ts`).
 *   3. An exact knapsack gives the whole front of cost and summed loss (`knapsack.ts`).
 *   4. Losses do not add up. So points spread over that front, and the programs people know, are put together and measured as a whole;
 *      what is then dominated is left out, and more points are measured in its place.
 *
 * Law: the front is a function of model, samples and options. Stopped and resumed, it is the same, bit for bit: all that was measured comes from
 * the journal, and what is still to be measured is decided by measurements alone, never by the clock.
 */
import { fail, type Graph, type Tensor } from '../../ir/index.ts';
import {
  type Executor,
  levelOf,
  type PassContext,
  type Pipeline,
  type Samples,
  sha256,
  type WorkStore,
} from '../../passes/index.ts';
import { type Layer, layersOf } from '../../passes/layers.ts';
import { formatPrecision, type Precision } from '../../passes/selector/index.ts';
import { programFiles } from '../artifact/artifact.ts';
import { defaultCalibrationMethod, defaultPipeline, type Rounding } from '../default-pipeline.ts';
import { cleanFloat, hasIntegerWeightsOnly, multiplyOutWeights } from '../float-program.ts';
import { type BaselinePlan, baselinePlans } from './baselines.ts';
import { type CostTable, paperCosts } from './costs.ts';
import { type Divergence, divergenceOf } from './divergence.ts';
import {
  type Baseline,
  type Front,
  frontFormat,
  type FrontModel,
  type FrontPoint,
  type LayerSensitivity,
} from './front.ts';
import { tiedLayers } from './groups.ts';
import { holdOut, type SplitSamples } from './held-out.ts';
import type { Journal } from './journal.ts';
import { type KnapsackFront, paretoFront } from './knapsack.ts';
import { type LayerGroup, logitsOn, measureAlone, type MeasureOptions } from './measure.ts';
import { widest, worthwhile } from './prune.ts';
import { roundVariants } from './rounding.ts';
import { spread } from './spread.ts';
import { addVariants, assemble, type Assignment, uniform, type VariantProgram } from './variants.ts';

export interface SearchOptions {
  /** Of the model, for people. */
  readonly name: string;
  readonly samples: Samples;
  /** How many of the samples are held out to measure on. */
  readonly measured: number;
  readonly preprocess?: string;
  readonly choices: readonly Precision[];
  /** Of the layers of the float program, at these choices. */
  readonly costs: (layers: readonly Layer[], choices: readonly Precision[]) => CostTable | Promise<CostTable>;
  readonly round: Rounding;
  readonly calibrationMethod?: string;
  /** How many points the front should have. */
  readonly points: number;
  readonly executor: Executor;
  /** Opens the journal of the search that `key` identifies. */
  readonly journal: (key: string) => Promise<Journal>;
  /** Keeps what rounding did, layer by layer. */
  readonly store?: WorkStore;
  readonly report: PassContext['report'];
  readonly progress: PassContext['progress'];
  /** Called with the front so far, whenever it has become better. */
  readonly update?: (front: Front) => Promise<void> | void;
  readonly signal?: AbortSignal;
}

export interface SearchResult {
  /** Undefined where the search was stopped before anything was measured. */
  readonly front: Front | undefined;
  readonly complete: boolean;
}

/** The digest that says which program a front belongs to: of the program as imported, whatever file it came from. */
export async function modelDigest(graph: Graph): Promise<string> {
  const digests: string[] = [];
  for (const { content } of programFiles(graph)) {
    digests.push(await sha256(content));
  }
  return sha256(digests.join('\n'));
}

/** The float program whose layers are chosen for. Fails with `search/level` for a model that is quantized already. */
export async function floatModel(given: Graph): Promise<Graph> {
  const graph = hasIntegerWeightsOnly(given) ? multiplyOutWeights(given) : given;
  if (levelOf(graph) !== 'float') {
    fail('search/level', 'the model is quantized already: its bits are chosen', {
      help: 'search on the float model it was made from',
    });
  }
  return cleanFloat(graph);
}

/** Searches. Stops at the next measurement when the signal is given, with what is known by then. */
export async function search(given: Graph, options: SearchOptions): Promise<SearchResult> {
  const float = await floatModel(given);
  const model: FrontModel = {
    name: options.name,
    digest: await modelDigest(given),
    layers: layersOf(float).map(({ name, op, macs, weights }) => ({ name, op, macs, weights })),
  };
  const costs = await options.costs(layersOf(float), options.choices);
  const state: { run?: SearchRun } = {};
  try {
    const split = await holdOut(options.samples, options.measured, () => {
      stopIfAsked(options.signal);
    });
    state.run = await SearchRun.prepare(float, model, costs, split, options);
    await state.run.measure();
    return { front: state.run.front(true), complete: true };
  } catch (error) {
    if (!wasStopped(error)) throw error;
    return { front: state.run?.front(false), complete: false };
  }
}

/** Thrown where the signal is noticed, caught where the search began. */
class Stopped extends Error {}

/** Where a pass noticed it, the runner of passes tells of the pass. */
function wasStopped(error: unknown): boolean {
  return error instanceof Stopped || (error instanceof Error && wasStopped(error.cause));
}

function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new Stopped('stopped');
}

/** A point of the front before it has a name. */
interface Candidate {
  readonly assignment: Assignment;
  readonly cost: number;
  /** Undefined where the loss of some layer alone is not known. */
  readonly predicted: number | undefined;
  readonly measured: Divergence | undefined;
}

/** As measured, else as predicted. */
function lossOf({ measured, predicted }: Candidate): number {
  return measured?.kl ?? predicted ?? Infinity;
}

class SearchRun {
  readonly #program: VariantProgram;
  readonly #float: Graph;
  readonly #model: FrontModel;
  readonly #costs: CostTable;
  readonly #split: SplitSamples;
  readonly #options: SearchOptions;
  readonly #journal: Journal;
  readonly #groups: readonly LayerGroup[];
  /** For each group the choices that are worth considering. */
  readonly #worth: readonly (readonly number[])[];
  readonly #baselines: readonly BaselinePlan[];
  /** What was asked to be measured as a whole in this search, in order. */
  readonly #asked: Assignment[] = [];
  #reference: Tensor[] = [];
  #ticks = 0;

  private constructor(
    program: VariantProgram,
    float: Graph,
    model: FrontModel,
    costs: CostTable,
    split: SplitSamples,
    options: SearchOptions,
    journal: Journal,
  ) {
    this.#program = program;
    this.#float = float;
    this.#model = model;
    this.#costs = costs;
    this.#split = split;
    this.#options = options;
    this.#journal = journal;
    this.#groups = tiedLayers(program.layers);
    this.#worth = this.#groups.map((group) =>
      worthwhile(
        program.choices,
        program.choices.map((_, choice) => this.#groupCost(group, choice)),
        program.base,
      ),
    );
    this.#baselines = baselinePlans(program.layers, program.choices);
  }

  /** Rounds every layer at every choice, or takes the rounded program from the journal. */
  static async prepare(
    float: Graph,
    model: FrontModel,
    costs: CostTable,
    split: SplitSamples,
    options: SearchOptions,
  ): Promise<SearchRun> {
    const { choices, round, calibrationMethod = defaultCalibrationMethod } = options;
    const base = widest(choices);
    const pipeline = roundingPipeline(round, calibrationMethod);
    const identity = [
      model.digest,
      split.digest,
      split.measured.count,
      choices.map(formatPrecision),
      pipeline,
    ];
    const key = await sha256(JSON.stringify(identity));
    const journal = await options.journal(key);
    const kept = await journal.program();
    if (kept !== undefined) {
      const program = { ...addVariants(float, choices, base), graph: kept };
      return new SearchRun(program, float, model, costs, split, options, journal);
    }
    const program = await roundVariants(float, choices, base, pipeline, {
      executor: options.executor,
      samples: split.rounding,
      ...(options.store === undefined ? {} : { store: options.store }),
      report: options.report,
      explain: () => undefined,
      progress: (label, done, total) => {
        stopIfAsked(options.signal);
        options.progress(label, done, total);
      },
    });
    await journal.keepProgram(program.graph);
    return new SearchRun(program, float, model, costs, split, options, journal);
  }

  async measure(): Promise<void> {
    const { base } = this.#program;
    const samples = this.#split.measured.count;
    this.#reference = await logitsOn(this.#float, this.#measuring('running the float model', samples));
    await this.#measureWhole(uniform(this.#program, base), 'measuring the base');
    await this.#measureGroups();
    await this.#tell();
    for (const { assignment } of this.#baselines) await this.#measureWhole(assignment, 'measuring baselines');
    await this.#measureFront();
  }

  /** Where the knapsack's front is measured: until as many points hold as were asked for, or there is nothing left to try. */
  async #measureFront(): Promise<void> {
    const { points } = this.#options;
    const predicted = this.#predictedFront();
    const taken: number[] = [];
    // As many again: points that turn out dominated are replaced, but not for ever.
    const most = 2 * points;
    while (taken.length < most) {
      const missing = points - this.#frontOf(this.#candidates()).length;
      if (missing <= 0) break;
      const batch = spread(predicted, Math.min(missing, most - taken.length), taken);
      if (batch.length === 0) break;
      for (const [i, position] of batch.entries()) {
        const label = `measuring points (${taken.length + 1} of ${taken.length + batch.length - i})`;
        await this.#measureWhole(this.#assignmentOf(predicted, position), label);
        taken.push(position);
        await this.#tell();
      }
    }
  }

  /** Hands out the front so far: whoever stops the search without asking keeps that. */
  async #tell(): Promise<void> {
    const front = this.front(false);
    if (front !== undefined) await this.#options.update?.(front);
  }

  async #measureGroups(): Promise<void> {
    const { base, choices } = this.#program;
    const wanted = (group: number, choice: number): boolean =>
      choice !== base &&
      this.#worth[group]!.includes(choice) &&
      this.#journal.measured(this.#aloneKey(group, choice)) === undefined;
    const count = this.#groups.reduce(
      (sum, _, group) => sum + choices.filter((__, choice) => wanted(group, choice)).length,
      0,
    );
    if (count === 0) return;
    const total = (count + this.#groups.length) * this.#split.measured.count;
    await measureAlone(
      this.#program,
      this.#groups,
      this.#reference,
      this.#measuring('measuring layers', total),
      {
        wanted,
        found: async (group, choice, divergence) => {
          await this.#journal.keep(this.#aloneKey(group, choice), divergence);
        },
      },
    );
  }

  async #measureWhole(assignment: Assignment, label: string): Promise<void> {
    this.#asked.push(assignment);
    if (this.#whole(assignment) !== undefined) return;
    const options = this.#measuring(label, this.#split.measured.count);
    const logits = await logitsOn(assemble(this.#program, assignment), options);
    await this.#journal.keep(this.#wholeKey(assignment), divergenceOf(this.#reference, logits));
  }

  #measuring(label: string, total: number): MeasureOptions {
    this.#ticks = 0;
    return {
      executor: this.#options.executor,
      samples: this.#split.measured,
      tick: () => {
        stopIfAsked(this.#options.signal);
        this.#ticks += 1;
        this.#options.progress(label, Math.min(this.#ticks, total), total);
      },
    };
  }

  #aloneKey(group: number, choice: number): string {
    return `alone ${this.#groups[group]!.join('+')} ${formatPrecision(this.#program.choices[choice]!)}`;
  }

  #wholeKey(assignment: Assignment): string {
    return `whole ${assignment.map((choice) => formatPrecision(this.#program.choices[choice]!)).join(' ')}`;
  }

  #whole(assignment: Assignment): Divergence | undefined {
    return this.#journal.measured(this.#wholeKey(assignment));
  }

  /** What a choice adds to the loss of the base; undefined where that is not known. Chance may make it negative: it counts as nothing. */
  #addedLoss(group: number, choice: number): number | undefined {
    if (choice === this.#program.base) return 0;
    if (!this.#worth[group]!.includes(choice)) return undefined;
    const base = this.#whole(uniform(this.#program, this.#program.base));
    const alone = this.#journal.measured(this.#aloneKey(group, choice));
    return base === undefined || alone === undefined ? undefined : Math.max(0, alone.kl - base.kl);
  }

  #groupCost(group: LayerGroup, choice: number): number {
    return group.reduce((sum, layer) => sum + this.#costs.costs[layer]![choice]!, 0);
  }

  /** Over what is known: a choice that was not measured is not chosen. */
  #predictedFront(): KnapsackFront & { readonly options: readonly (readonly number[])[] } {
    const options = this.#worth.map((choices, group) =>
      choices.filter((choice) => this.#addedLoss(group, choice) !== undefined),
    );
    const front = paretoFront(
      options.map((choices, group) =>
        choices.map((choice) => ({
          cost: this.#groupCost(this.#groups[group]!, choice),
          loss: this.#addedLoss(group, choice)!,
        })),
      ),
    );
    return { ...front, options };
  }

  #assignmentOf(
    front: KnapsackFront & { readonly options: readonly (readonly number[])[] },
    state: number,
  ): Assignment {
    const { picks } = front.point(state);
    const assignment = this.#program.layers.map(() => this.#program.base);
    for (const [group, pick] of picks.entries()) {
      for (const layer of this.#groups[group]!) assignment[layer] = front.options[group]![pick]!;
    }
    return assignment;
  }

  #cost(assignment: Assignment): number {
    return assignment.reduce(
      (sum, choice, layer) => sum + this.#costs.costs[layer]![choice]!,
      this.#costs.fixed,
    );
  }

  /** The base's loss and what every group adds; a group whose layers differ, as a baseline may have, by its layer that adds most. */
  #predicted(assignment: Assignment): number | undefined {
    let sum = this.#whole(uniform(this.#program, this.#program.base))?.kl;
    for (const [index, group] of this.#groups.entries()) {
      const added = group.map((layer) => this.#addedLoss(index, assignment[layer]!));
      if (sum === undefined || added.includes(undefined)) return undefined;
      sum += Math.max(...(added as number[]));
    }
    return sum;
  }

  /** Everything asked for in this search that is measured. */
  #candidates(): Candidate[] {
    const seen = new Set<string>();
    return this.#asked.flatMap((assignment) => {
      const key = this.#wholeKey(assignment);
      const measured = this.#whole(assignment);
      if (seen.has(key) || measured === undefined) return [];
      seen.add(key);
      return [{ assignment, cost: this.#cost(assignment), predicted: this.#predicted(assignment), measured }];
    });
  }

  /** Those that none of the others dominates, cheapest first. */
  #frontOf(candidates: readonly Candidate[]): Candidate[] {
    const ordered = [...candidates].sort((a, b) => a.cost - b.cost || lossOf(a) - lossOf(b));
    let least = Infinity;
    return ordered.filter((candidate) => {
      if (!(lossOf(candidate) < least)) return false;
      least = lossOf(candidate);
      return true;
    });
  }

  /** What is known: measured points where there are some, predicted ones where the search was stopped before. */
  front(complete: boolean): Front | undefined {
    const { choices, base, layers } = this.#program;
    if (this.#whole(uniform(this.#program, base)) === undefined) return undefined;
    const predictedFront = this.#predictedFront();
    const measured = this.#candidates();
    const planned = complete
      ? []
      : spread(predictedFront, this.#options.points).map((state): Candidate => {
          const assignment = this.#assignmentOf(predictedFront, state);
          const found = this.#whole(assignment);
          return {
            assignment,
            cost: this.#cost(assignment),
            predicted: this.#predicted(assignment),
            measured: found,
          };
        });
    const known = new Set(measured.map(({ assignment }) => this.#wholeKey(assignment)));
    const candidates = [
      ...measured,
      ...planned.filter(({ assignment }) => !known.has(this.#wholeKey(assignment))),
    ];
    const chosen = this.#frontOf(candidates);
    const digits = String(chosen.length).length;
    const points = chosen.map((candidate, i) =>
      this.#point(`p${String(i + 1).padStart(digits, '0')}`, candidate),
    );
    const named = new Set(this.#baselines.map(({ assignment }) => this.#wholeKey(assignment)));
    const left = candidates
      .filter(
        (candidate) =>
          !chosen.includes(candidate) &&
          candidate.measured !== undefined &&
          !named.has(this.#wholeKey(candidate.assignment)),
      )
      .sort((a, b) => a.cost - b.cost);
    const baselines = this.#baselines.flatMap(({ id, title, assignment }): Baseline[] => {
      const candidate = {
        assignment,
        cost: this.#cost(assignment),
        predicted: this.#predicted(assignment),
        measured: this.#whole(assignment),
      };
      if (!Number.isFinite(lossOf(candidate))) return [];
      const point = this.#point(id, candidate);
      const beaten = points.some(
        ({ cost, loss }) =>
          cost <= point.cost && loss <= point.loss && (cost < point.cost || loss < point.loss),
      );
      return [{ ...point, title, on_front: !beaten }];
    });
    const split = this.#split;
    return {
      format: frontFormat,
      model: this.#model,
      cost_model: this.#costs.model,
      cost_unit: this.#costs.unit,
      cost_source: this.#costs.source,
      bfloat16_cost: this.#costs.bfloat16,
      loss: 'kl',
      choices: choices.map(formatPrecision),
      round: this.#options.round,
      calibration: {
        source: this.#options.samples.description,
        method: this.#options.calibrationMethod ?? defaultCalibrationMethod,
        preprocess: this.#options.preprocess ?? null,
        samples: split.rounding.count,
        measured_on: split.measured.count,
        digest: split.digest,
      },
      complete,
      knapsack_gap: predictedFront.gap,
      points,
      dominated: left.map((candidate, i) => this.#point(`d${i + 1}`, candidate)),
      baselines,
      sensitivities: this.#groups.flatMap((group, index) =>
        choices.flatMap((choice, c): LayerSensitivity[] => {
          const alone = this.#journal.measured(this.#aloneKey(index, c));
          const added = this.#addedLoss(index, c);
          if (alone === undefined || added === undefined || c === base) return [];
          return [
            {
              layers: group.map((layer) => layers[layer]!.name),
              precision: formatPrecision(choice),
              added_loss: added,
              kl: alone.kl,
              agreement: alone.agreement,
            },
          ];
        }),
      ),
      predicted_front: this.#predictedLine(predictedFront),
    };
  }

  #predictedLine(front: KnapsackFront): Front['predicted_front'] {
    const base = this.#whole(uniform(this.#program, this.#program.base))!.kl;
    const states = spread(front, 120).sort((a, b) => a - b);
    return {
      costs: states.map((state) => front.costs[state]! + this.#costs.fixed),
      losses: states.map((state) => front.losses[state]! + base),
    };
  }

  #point(id: string, candidate: Candidate): FrontPoint {
    const { assignment, cost, predicted, measured } = candidate;
    const { choices, layers, base } = this.#program;
    const bits = assignment.map((choice) => choices[choice]!);
    const paper = paperCosts(layers, bits);
    const { bfloat16 } = this.#costs;
    return {
      id,
      cost,
      loss: lossOf(candidate),
      loss_is: measured === undefined ? 'predicted' : 'measured',
      predicted_loss: predicted ?? null,
      measured_loss: measured?.kl ?? null,
      agreement: measured?.agreement ?? null,
      sqnr_db: measured?.sqnr_db ?? null,
      cost_ratio_to_bfloat16: bfloat16 === null ? null : cost / bfloat16,
      cost_ratio_to_widest: cost / this.#cost(uniform(this.#program, base)),
      compute_cost: paper.compute_cost,
      compute_cost_linear: paper.compute_cost_linear,
      memory_cost: paper.memory_cost,
      layers: layers.map(({ name, op }, i) => ({
        name,
        op,
        weight_bits: bits[i]!.weightBits,
        activation_bits: bits[i]!.activationBits,
      })),
    };
  }
}

/** The compiler's own passes between noted bits and rounded weights. */
export function roundingPipeline(
  round: Rounding,
  calibrationMethod: string = defaultCalibrationMethod,
): Pipeline {
  const steps = defaultPipeline('float', 'quantized', { round, calibrationMethod });
  const bits = steps.findIndex((step) => step.kind === 'pass' && step.name === 'assign-bits');
  return steps.slice(bits + 1);
}
