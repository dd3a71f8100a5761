/**
 * ONNX to a program. One walk over the nodes that the outputs need: each operator's row in the table says what its node becomes, and
 * numbers known at compile time are computed on the way and leave no trace.
 *
 * The result is of the float level, or of the quantized level where the model quantizes. Names of values are those of the file, also
 * of outputs, so that a user finds in the program what is in the model; constants keep the names of their initializers.
 */
import type { OnnxModel } from '../../backends/onnx/model.ts';
import {
  assertVerified,
  type Diagnostic,
  fail,
  type Graph,
  isQuantized,
  type Level,
  type Location,
  type Node,
  QcError,
} from '../../ir/index.ts';
import { ImportContext } from './context.ts';
import { decodeModel } from './decode.ts';
import type { ExternalData } from './external-data.ts';
import { inlineFunctions } from './functions.ts';
import type { Imported } from './imported.ts';
import { importInputs, type InputDims } from './inputs.ts';
import { NodeScope, type OpImporter } from './node-scope.ts';
import { folders, importers, microsoftImporters, nearestForm } from './ops/index.ts';
import { type NamedNode, orderNodes } from './order.ts';
import { loadTensor } from './static-tensor.ts';

export interface ImportOptions {
  /** Numbers for open dimensions of inputs, by name or as `input:axis`. An open first axis is 1 unless named here. */
  readonly inputDims?: InputDims;
  /** Where tensors beside the model come from. Without it a model with external data is refused. */
  readonly externalData?: ExternalData;
  /** Name of the program. Default: the name of the graph. */
  readonly name?: string;
}

export interface ImportedModel {
  readonly graph: Graph;
  /** `quantized` when the model itself quantizes. */
  readonly level: Level;
  /** Version of the ONNX operators. */
  readonly opset: number;
  /** The program that wrote the file, with its version. */
  readonly producer: string;
  readonly warnings: readonly Diagnostic[];
  /** How often each operator occurs in the file, those of other domains as `domain:Op`. */
  readonly operators: ReadonlyMap<string, number>;
}

/** Oldest version of the operators that is understood; 7 brought today's broadcasting. */
const oldestOpset = 7;
/** Newest version whose operators were looked at. Later ones import with a warning. */
const newestOpset = 25;

/**
 * Imports the bytes of an `.onnx` file. Everything wrong with them is a QcError whose code begins with `onnx/` (or `verify/`, where a
 * node breaks a law of the IR), with the ONNX node as its location.
 */
export async function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Promise<ImportedModel> {
  return importModel(decodeModel(bytes), options);
}

/** Imports a model that is already data. */
export async function importModel(file: OnnxModel, options: ImportOptions = {}): Promise<ImportedModel> {
  const model = inlineFunctions(file);
  const { graph } = model;
  const opset = model.opsets.get('') ?? 0;
  if (opset < oldestOpset) {
    fail(
      'onnx/unsupported-opset',
      `the model uses ONNX operators of version ${opset}, the oldest supported is ${oldestOpset}`,
      {
        help: 'export it again, or run the version converter of ONNX on it',
      },
    );
  }
  const context = new ImportContext(options.name ?? (graph.name || 'main'));
  if (opset > newestOpset) {
    context.warn(
      'onnx/newer-opset',
      `the model uses ONNX operators of version ${opset}; those after ${newestOpset} are unknown here`,
    );
  }
  const nodes = orderNodes(graph);
  await loadInitializers(context, model, nodes, options.externalData);
  importInputs(context, graph, options.inputDims ?? {}, opset);
  for (const named of nodes) importNode(context, named, model.opsets);
  const program = finish(context, graph.outputs);
  const level: Level = isQuantizing(program) ? 'quantized' : 'float';
  assertVerified(program, level);
  return {
    graph: program,
    level,
    opset,
    producer: model.producer,
    warnings: context.warnings,
    operators: countOperators(file),
  };
}

/** Loads the initializers that are needed: a tensor that nothing reads costs nothing. */
async function loadInitializers(
  context: ImportContext,
  { graph }: OnnxModel,
  nodes: readonly NamedNode[],
  external: ExternalData | undefined,
): Promise<void> {
  const needed = new Set([
    ...nodes.flatMap(({ node }) => node.inputs),
    ...graph.outputs.map(({ name }) => name),
  ]);
  for (const name of graph.sparseInitializers) {
    context.values.set(name, {
      kind: 'refused',
      code: 'onnx/sparse',
      reason: `initializer ${JSON.stringify(name)} is a sparse tensor, which is not supported`,
    });
  }
  for (const initializer of graph.initializers) {
    if (!needed.has(initializer.name)) continue;
    const tensor = await loadTensor(initializer, external);
    context.values.set(initializer.name, { kind: 'static', tensor });
  }
}

function importNode(context: ImportContext, named: NamedNode, opsets: ReadonlyMap<string, number>): void {
  const { node } = named;
  const scope = new NodeScope(context, named, opsets.get(node.domain) ?? 1);
  const importer = importerOf(scope, context);
  let imported: Imported;
  try {
    imported = importer(scope);
  } catch (error) {
    throw located(error, named.location);
  }
  scope.checkAttributes();
  const output = node.outputs.findIndex((name) => name !== '');
  if (output > 0) scope.unsupported(`only output ${output}`, 'its first output');
  context.values.set(scope.result, imported);
}

/** Shape functions and constraints of the IR do not know where their operands came from. */
function located(error: unknown, location: Location): unknown {
  if (!(error instanceof QcError)) return error;
  return new QcError(error.diagnostics.map((diagnostic) => ({ location, ...diagnostic })));
}

function importerOf(scope: NodeScope, context: ImportContext): OpImporter {
  const { opType, domain, inputs } = scope.node;
  const known = inputs.every((name) => name === '' || context.values.get(name)?.kind === 'static');
  const table = domain === '' ? importers : domain === 'com.microsoft' ? microsoftImporters : {};
  const folder = domain === '' && known ? rowOf(folders, opType) : undefined;
  const importer = folder ?? rowOf(table, opType);
  if (importer !== undefined) return importer;
  const full = domain === '' ? opType : `${domain}:${opType}`;
  const nearest = nearestForm[opType];
  const foldable = domain === '' && rowOf(folders, opType) !== undefined;
  return scope.fail(
    'onnx/unsupported-op',
    `operator ${full} (domain ${domain === '' ? 'ai.onnx' : domain}, opset ${scope.opset}) is not supported${foldable ? ' on values computed from the input' : ''}`,
    nearest === undefined
      ? `supported operators: ${Object.keys(importers).join(', ')}`
      : `the nearest supported form is ${nearest}`,
  );
}

function rowOf(table: Readonly<Record<string, OpImporter>>, opType: string): OpImporter | undefined {
  return Object.hasOwn(table, opType) ? table[opType] : undefined;
}

/** Gives outputs the names they have in the file, where an alias (Identity, Dropout) took them away. */
function finish(context: ImportContext, outputs: readonly { readonly name: string }[]): Graph {
  const { builder } = context;
  const names = outputs.map(({ name }) => {
    const imported = context.values.get(name)!;
    // Integers stay what they are; known numbers become a constant.
    return imported.kind === 'value' ? imported.name : context.real(imported);
  });
  const graph = builder.finish(names);
  const made = new Set(graph.nodes.map((node) => node.result.name));
  const renamed = new Map<string, string>();
  for (const [i, { name }] of outputs.entries()) {
    const found = names[i]!;
    if (found !== name && made.has(found) && !builder.has(name) && !names.slice(0, i).includes(found)) {
      renamed.set(found, name);
    }
  }
  if (renamed.size === 0) return graph;
  const rename = (name: string): string => renamed.get(name) ?? name;
  return {
    ...graph,
    nodes: graph.nodes.map((node): Node => ({
      ...node,
      operands: node.operands.map(rename),
      result: { ...node.result, name: rename(node.result.name) },
    })),
    outputs: names.map(rename),
  };
}

function isQuantizing(graph: Graph): boolean {
  return (
    [...graph.inputs, ...graph.nodes.map((node) => node.result)].some(({ type }) => isQuantized(type)) ||
    [...graph.constants.values()].some(({ type }) => isQuantized(type))
  );
}

function countOperators({ graph }: OnnxModel): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { opType, domain } of graph.nodes) {
    const name = domain === '' ? opType : `${domain}:${opType}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
