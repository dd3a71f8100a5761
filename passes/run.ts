/**
 * The runner: takes a graph through a pipeline, one pass after another, and holds every pass to what it declares.
 *
 * - Before a pass the graph is at the level that the pass requires; a user can get this wrong, so it is a diagnostic.
 * - After it, with `verifyEach`, the graph verifies, at the level the pass ensures or else at the one the graph was at.
 * - `repeat(...)` runs its body until a round returns the graph it was given: that passes return the same object when they
 *   changed nothing is what this rests on. It gives up after a bound, and says so.
 * - Whatever goes wrong names the pass, and hands out what reproduces it: the graph before the pass, and the pipeline from there on.
 *
 * What is observed (printing, timing, reproducers) comes in as hooks; the runner itself touches neither clock nor files.
 */
import {
  type Attributes,
  type Diagnostic,
  fail,
  formatDiagnostic,
  type Graph,
  type Level,
  levels,
  QcError,
  verify,
} from '../ir/index.ts';
import type { PassContext } from './pass.ts';
import type { Pipeline, PipelineStep } from './pipeline/pipeline.ts';
import type { PassRegistry } from './registry.ts';
import { type ResolvedPass, resolvePipeline, type ResolvedPipeline } from './resolve.ts';

/** What a pass did, told after it ran and was verified. */
export interface PassReport {
  readonly pass: string;
  readonly options: Attributes;
  /** How many passes ran before it. */
  readonly index: number;
  readonly before: Graph;
  readonly after: Graph;
  readonly changed: boolean;
  /** By the clock of the run; 0 without one. */
  readonly milliseconds: number;
}

/** What it takes to see a failure again. */
export interface PipelineFailure {
  readonly pass: string;
  readonly graph: Graph;
  /** The failing pass and everything that would have come after it. */
  readonly rest: Pipeline;
  readonly error: unknown;
}

export interface RunOptions {
  /** Verify after every pass. Default: true. */
  readonly verifyEach?: boolean;
  readonly afterPass?: (report: PassReport) => void;
  readonly onFailure?: (failure: PipelineFailure) => void;
  /** Milliseconds since any fixed moment. */
  readonly clock?: () => number;
  /** Rounds after which a `repeat` is stopped. Default: 64. */
  readonly rounds?: number;
}

/**
 * Runs `pipeline` on `graph`. Throws a QcError for what a user can change: unknown passes and options, a pass at the wrong level, what a
 * pass itself reports; and an Error that names the pass for a bug in one.
 */
export async function runPipeline(
  graph: Graph,
  pipeline: Pipeline,
  registry: PassRegistry,
  context: PassContext,
  options: RunOptions = {},
): Promise<Graph> {
  const resolved = resolvePipeline(pipeline, registry);
  const runner = new Runner(graph, context, options);
  await runner.runSteps(resolved, []);
  return runner.graph;
}

/** The first level at which the graph is a program, if it is one. */
export function levelOf(graph: Graph): Level | undefined {
  return levels.find((level) => verify(graph, level).length === 0);
}

class Runner {
  graph: Graph;
  #level: Level | undefined;
  #index = 0;
  readonly #context: PassContext;
  readonly #options: RunOptions;

  constructor(graph: Graph, context: PassContext, options: RunOptions) {
    this.graph = graph;
    this.#level = levelOf(graph);
    this.#context = context;
    this.#options = options;
  }

  /** `rest` is what comes after these steps. */
  async runSteps(steps: ResolvedPipeline, rest: Pipeline): Promise<void> {
    for (const [i, step] of steps.entries()) {
      const following = [...steps.slice(i + 1).map(asWritten), ...rest];
      if (step.kind === 'pass') await this.#runPass(step, following);
      else await this.#repeat(step.body, [asWritten(step), ...following]);
    }
  }

  async #repeat(body: ResolvedPipeline, rest: Pipeline): Promise<void> {
    const rounds = this.#options.rounds ?? 64;
    for (let round = 0; round < rounds; round++) {
      const before = this.graph;
      await this.runSteps(body, rest);
      if (this.graph === before) return;
    }
    this.#context.report({
      code: 'pipeline/no-fixpoint',
      severity: 'warning',
      message: `a repeated part of the pipeline still changed the program after ${rounds} rounds and was stopped`,
    });
  }

  async #runPass(step: ResolvedPass, following: Pipeline): Promise<void> {
    const { pass, options } = step;
    const before = this.graph;
    try {
      if (pass.requires !== undefined) this.#require(pass.name, pass.requires);
      const start = this.#options.clock?.() ?? 0;
      const after = await pass.run(before, options, this.#context);
      const milliseconds = (this.#options.clock?.() ?? 0) - start;
      const level = pass.ensures ?? this.#level;
      if (this.#options.verifyEach !== false && (after !== before || level !== this.#level)) {
        const found = verify(after, level);
        if (found.length > 0) broken(pass.name, found);
      }
      this.graph = after;
      this.#level = level;
      this.#options.afterPass?.({
        pass: pass.name,
        options,
        index: this.#index++,
        before,
        after,
        changed: after !== before,
        milliseconds,
      });
    } catch (error) {
      const named = inPass(pass.name, error);
      this.#options.onFailure?.({
        pass: pass.name,
        graph: before,
        rest: [step.step, ...following],
        error: named,
      });
      throw named;
    }
  }

  #require(pass: string, level: Level): void {
    const found = verify(this.graph, level);
    if (found.length === 0) return;
    fail('pipeline/requires-level', `${pass} works on the ${level} level, which the program is not at`, {
      notes: excerpt(found),
      help:
        this.#level === undefined
          ? `the program does not verify at any level`
          : `the program is at the ${this.#level} level: run the passes that lead to ${level} first`,
    });
  }
}

function asWritten(step: ResolvedPipeline[number]): PipelineStep {
  return step.kind === 'pass' ? step.step : { kind: 'repeat', body: step.body.map(asWritten) };
}

function broken(pass: string, found: readonly Diagnostic[]): never {
  fail('pipeline/broken-program', `${pass} made a program that does not verify`, {
    notes: excerpt(found),
    help: 'this is a bug of the pass',
  });
}

/** The first few of many findings. */
function excerpt(found: readonly Diagnostic[]): string[] {
  const shown = found.slice(0, 5).map((diagnostic) => formatDiagnostic(diagnostic));
  return found.length > shown.length ? [...shown, `and ${found.length - shown.length} more`] : shown;
}

function inPass(pass: string, error: unknown): Error {
  if (error instanceof QcError) {
    return new QcError(
      error.diagnostics.map((diagnostic) => ({
        ...diagnostic,
        notes: [...(diagnostic.notes ?? []), `while running ${pass}`],
      })),
    );
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(`${pass}: ${reason}`, { cause: error });
}
