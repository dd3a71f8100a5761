/**
 * Functions of the model itself (IR version 8 on, written by PyTorch's dynamo exporter) are written out where they are called, so the
 * rest of the front end never meets them. Values inside a call get the name of the call in front.
 */
import type { OnnxAttribute, OnnxFunction, OnnxModel, OnnxNode } from '../../backends/onnx/model.ts';
import { fail } from '../../ir/index.ts';

/** Functions that call each other twice at every level grow without measure; no network has as many nodes. */
const mostNodes = 1_000_000;

/** The same model without functions. */
export function inlineFunctions(model: OnnxModel): OnnxModel {
  if (model.functions.length === 0) return model;
  const functions = new Map(model.functions.map((body) => [keyOf(body.domain, body.name), body]));
  const nodes: OnnxNode[] = [];
  const place = (node: OnnxNode, callers: readonly OnnxFunction[]): void => {
    const body = functions.get(keyOf(node.domain, node.opType));
    if (body === undefined) {
      if (nodes.length === mostNodes)
        fail('onnx/too-large', `the functions of the model make more than ${mostNodes} nodes`);
      nodes.push(node);
      return;
    }
    if (callers.includes(body)) {
      fail('onnx/cycle', `function ${JSON.stringify(body.name)} calls itself`, {
        location: { kind: 'onnx', node: node.name },
      });
    }
    const prefix = `${node.name || (node.outputs[0] ?? body.name)}/`;
    for (const inner of bodyNodes(body, node, prefix)) place(inner, [...callers, body]);
  };
  for (const node of model.graph.nodes) place(node, []);
  return { ...model, functions: [], graph: { ...model.graph, nodes } };
}

function keyOf(domain: string, name: string): string {
  return JSON.stringify([domain, name]);
}

function bodyNodes(body: OnnxFunction, call: OnnxNode, prefix: string): OnnxNode[] {
  const names = new Map<string, string>();
  body.inputs.forEach((name, i) => names.set(name, call.inputs[i] ?? ''));
  body.outputs.forEach((name, i) => {
    const outside = call.outputs[i] ?? '';
    if (outside !== '') names.set(name, outside);
  });
  const rename = (name: string): string => (name === '' ? '' : (names.get(name) ?? prefix + name));
  return body.nodes.map((node) => ({
    ...node,
    name: prefix + (node.name || node.opType),
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
    attributes: Object.fromEntries(
      Object.entries(node.attributes).flatMap(([name, attribute]): [string, OnnxAttribute][] => {
        if (attribute.kind !== 'reference') return [[name, attribute]];
        // An attribute that the call leaves out is left out in the body.
        const given = call.attributes[attribute.to];
        return given === undefined ? [] : [[name, given]];
      }),
    ),
  }));
}
