/**
 * A model that can be run, whatever it is: an `.onnx` file in float through the quick executor, a `.qir` program in the interpreter, a folder on its
 * own backend. `run`, `eval`, `verify` and `bench` see only this.
 */
import { elementCount, fail, type Graph, type Tensor, typesOf, valuesOf } from '../../ir/index.ts';
import type { Port } from '../../runtime/manifest.ts';
import type { Preprocess } from '../data/preprocess.ts';
import { parsePreprocess } from '../data/preprocess-schema.ts';
import { loadPreprocess } from '../data/load-preprocess.ts';
import { quickExecutor } from '../executor/quick.ts';
import { inputTensors, referenceRunner } from '../runners/reference.ts';
import type { Runner } from '../runners/runner.ts';
import { openArtifactRunner, type RunnerOptions } from './artifact-runner.ts';
import { loadModel, type LoadOptions, type Model } from './model.ts';
import type { Terminal } from './terminal.ts';

export interface Subject {
  readonly model: Model;
  /** On what it runs, in words. */
  readonly engine: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** As recorded in an artifact. */
  readonly preprocess: Preprocess | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly run: (inputs: readonly Float32Array[]) => Promise<readonly Float32Array[]>;
  /** Every tensor there is: of a program every value, of an artifact what it stores. */
  readonly trace: (inputs: readonly Float32Array[]) => Promise<ReadonlyMap<string, Tensor>>;
  readonly close: () => Promise<void>;
}

export async function openSubject(
  path: string,
  terminal: Terminal,
  options: LoadOptions & Partial<RunnerOptions> = {},
): Promise<Subject> {
  const model = await loadModel(path, options);
  switch (model.kind) {
    case 'onnx':
      for (const warning of model.imported.warnings) terminal.report(warning);
      return ofGraph(model, model.graph, 'float engine', floatRunner(model.graph, terminal));
    case 'qir':
      return ofGraph(model, model.graph, 'interpreter', referenceRunner(model.graph));
    case 'artifact': {
      const { manifest } = model.artifact;
      const runner = await openArtifactRunner(model.artifact, options);
      return {
        model,
        engine: manifest.target,
        inputs: manifest.inputs,
        outputs: manifest.outputs,
        preprocess: recordedPreprocess(manifest.preprocess, path),
        classNames: model.classNames,
        run: runner.run,
        trace: runner.trace,
        close: runner.close,
      };
    }
  }
}

/** The preprocessing that a manifest records. */
export function recordedPreprocess(recorded: unknown, path: string): Preprocess | undefined {
  if (recorded === null || recorded === undefined) return undefined;
  return parsePreprocess(recorded, 'recorded', `the preprocessing recorded in ${JSON.stringify(path)}`);
}

function ofGraph(
  model: Model,
  graph: Graph,
  engine: string,
  runner: Pick<Runner, 'run' | 'trace' | 'close'>,
): Subject {
  const types = typesOf(graph);
  const port = (name: string): Port => ({ name, shape: types.get(name)!.shape });
  return {
    model,
    engine,
    inputs: graph.inputs.map(({ name }) => port(name)),
    outputs: graph.outputs.map(port),
    preprocess: undefined,
    classNames: model.classNames,
    run: runner.run,
    trace: runner.trace,
    close: runner.close,
  };
}

/** The float program through the executor. A session is made when it is first needed: for the outputs, or for every value. */
function floatRunner(graph: Graph, terminal: Terminal): Pick<Runner, 'run' | 'trace' | 'close'> {
  const executor = quickExecutor(terminal.report);
  const everything = [...new Set([...valuesOf(graph).map(({ name }) => name), ...graph.outputs])];
  const sessions = new Map<readonly string[], ReturnType<typeof executor.prepare>>();
  const evaluate = async (
    wanted: readonly string[],
    inputs: readonly Float32Array[],
  ): Promise<ReadonlyMap<string, Tensor>> => {
    let session = sessions.get(wanted);
    if (session === undefined) {
      session = executor.prepare(graph, wanted);
      sessions.set(wanted, session);
    }
    return (await session).run(inputTensors(graph, inputs));
  };
  return {
    run: async (inputs) => {
      const results = await evaluate(graph.outputs, inputs);
      return graph.outputs.map((name) => Float32Array.from(results.get(name)!.data));
    },
    trace: async (inputs) => evaluate(everything, inputs),
    close: async () => {
      for (const session of sessions.values()) await (await session).close();
    },
  };
}

/** The one input of a model that data is to feed. */
export function soleInput({ inputs, model }: Pick<Subject, 'inputs' | 'model'>): Port {
  const [input] = inputs;
  if (input !== undefined && inputs.length === 1) return input;
  const names = inputs.map(({ name }) => JSON.stringify(name)).join(', ');
  return fail(
    'cli/inputs',
    `${JSON.stringify(model.path)} has ${inputs.length} inputs (${names}); data can feed one`,
  );
}

/** Values of the first output for one sample of a batch. */
export function logitsPerSample({ outputs }: Subject): number {
  return elementCount(outputs[0]!.shape.slice(1));
}

/** The preprocessing to use: what the user says, else what the artifact recorded, else none. */
export async function choosePreprocess(
  subject: Subject,
  said: string | undefined,
  fallback?: Preprocess,
): Promise<Preprocess | undefined> {
  if (said !== undefined) return loadPreprocess(said, soleInput(subject).shape);
  if (subject.preprocess !== undefined) return subject.preprocess;
  return fallback === undefined ? undefined : { ...fallback, layout: 'auto' };
}
