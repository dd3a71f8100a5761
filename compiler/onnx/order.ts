/**
 * The structure of a graph, before any op is looked at: every name has one maker, every operand a maker, and no value waits for itself.
 * Returned is what the outputs need and nothing else, each node after those it reads; where the file is already sorted, as ONNX asks,
 * its order stays.
 */
import type { OnnxGraph, OnnxNode } from '../../backends/onnx/model.ts';
import { fail, type Location } from '../../ir/index.ts';

/** A node and the name it goes by in messages: its own, or what it makes. */
export interface NamedNode {
  readonly node: OnnxNode;
  readonly label: string;
  readonly location: Location;
}

/** Throws a QcError: `onnx/duplicate-name`, `onnx/dangling-input`, `onnx/cycle` or `onnx/no-outputs`. */
export function orderNodes(graph: OnnxGraph): NamedNode[] {
  const named = graph.nodes.map((node): NamedNode => {
    const label = [node.name, ...node.outputs].find((name) => name !== '') ?? node.opType;
    return { node, label, location: { kind: 'onnx', node: label } };
  });
  const given = givenNames(graph);
  const makers = new Map<string, NamedNode>();
  for (const maker of named) {
    for (const output of maker.node.outputs) {
      if (output === '') continue;
      const other = makers.get(output);
      if (other !== undefined || given.has(output)) {
        const first =
          other === undefined
            ? 'a graph input or initializer'
            : `the output of node ${JSON.stringify(other.label)}`;
        fail('onnx/duplicate-name', `${JSON.stringify(output)} is defined twice: it is already ${first}`, {
          location: maker.location,
        });
      }
      makers.set(output, maker);
    }
  }
  for (const { node, location } of named) {
    const dangling = node.inputs.find((name) => name !== '' && !given.has(name) && !makers.has(name));
    if (dangling !== undefined) {
      fail('onnx/dangling-input', `input ${JSON.stringify(dangling)} of ${node.opType} is made by nothing`, {
        location,
        help: 'the model may have been cut apart; export it again, or name the missing value as a graph input',
      });
    }
  }
  if (graph.outputs.length === 0) fail('onnx/no-outputs', 'the graph has no outputs');
  for (const { name } of graph.outputs) {
    if (!given.has(name) && !makers.has(name)) {
      fail('onnx/dangling-input', `graph output ${JSON.stringify(name)} is made by nothing`);
    }
  }
  refuseCycles(named, makers);
  return sorted(reachable(graph, makers), makers);
}

/** Names that no node makes. An initializer may stand in the list of inputs too: old files say so of every one. */
function givenNames(graph: OnnxGraph): Set<string> {
  const inputs = new Set<string>();
  for (const { name } of graph.inputs) {
    if (inputs.has(name))
      fail('onnx/duplicate-name', `there are two graph inputs named ${JSON.stringify(name)}`);
    inputs.add(name);
  }
  const initializers = new Set<string>();
  for (const { name } of graph.initializers) {
    if (initializers.has(name))
      fail('onnx/duplicate-name', `there are two initializers named ${JSON.stringify(name)}`);
    initializers.add(name);
  }
  return new Set([...inputs, ...initializers, ...graph.sparseInitializers]);
}

/** Takes away nodes all of whose operands are made, again and again; what is left stands on a cycle or behind one. */
function refuseCycles(named: readonly NamedNode[], makers: ReadonlyMap<string, NamedNode>): void {
  const waiting = new Map<NamedNode, number>();
  const readers = new Map<NamedNode, NamedNode[]>();
  for (const reader of named) {
    const sources = new Set(
      reader.node.inputs.map((name) => makers.get(name)).filter((maker) => maker !== undefined),
    );
    waiting.set(reader, sources.size);
    for (const source of sources) {
      const list = readers.get(source);
      if (list === undefined) readers.set(source, [reader]);
      else list.push(reader);
    }
  }
  const ready = named.filter((item) => waiting.get(item) === 0);
  let done = 0;
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    done++;
    for (const reader of readers.get(next) ?? []) {
      const left = waiting.get(reader)! - 1;
      waiting.set(reader, left);
      if (left === 0) ready.push(reader);
    }
  }
  if (done === named.length) return;
  const stuck = named.find((item) => waiting.get(item)! > 0)!;
  fail(
    'onnx/cycle',
    `${named.length - done} nodes wait for each other, ${JSON.stringify(stuck.label)} among them`,
    {
      location: stuck.location,
    },
  );
}

function reachable(graph: OnnxGraph, makers: ReadonlyMap<string, NamedNode>): NamedNode[] {
  const wanted = new Set<NamedNode>();
  const names = graph.outputs.map(({ name }) => name);
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    const maker = makers.get(name);
    if (maker === undefined || wanted.has(maker)) continue;
    wanted.add(maker);
    names.push(...maker.node.inputs);
  }
  return graph.nodes.flatMap((node) => {
    const maker = makers.get(node.outputs.find((output) => output !== '') ?? '');
    return maker !== undefined && wanted.has(maker) ? [maker] : [];
  });
}

/** Depth first in file order, on a stack of its own: a chain of nodes may be longer than the call stack. */
function sorted(nodes: readonly NamedNode[], makers: ReadonlyMap<string, NamedNode>): NamedNode[] {
  const placed = new Set<NamedNode>();
  const order: NamedNode[] = [];
  for (const root of nodes) {
    const stack = [root];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const missing = placed.has(top)
        ? undefined
        : top.node.inputs
            .map((name) => makers.get(name))
            .find((maker) => maker !== undefined && !placed.has(maker));
      if (missing !== undefined) {
        stack.push(missing);
        continue;
      }
      stack.pop();
      if (!placed.has(top)) {
        placed.add(top);
        order.push(top);
      }
    }
  }
  return order;
}
