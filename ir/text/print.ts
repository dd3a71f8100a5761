/**
 * The printer. Law: printing what was parsed from printed text gives the same text, and parsing what was printed gives the same
 * graph, constants bit for bit (but for the payload of a NaN).
 *
 * Attributes come in the order of their op's schema and are left out where they equal their default; notes come in the order of theirs.
 * A constant whose elements are all equal is a splat; a small one is written out; a large one goes to a blob, if there is
 * one to take it. A graph that does not verify prints too: what is wrong must be visible.
 */
import type { AttributeSchema, Attributes, AttributeSpec, AttributeValue } from '../attributes.ts';
import { type Graph, type Node, typesOf, type Value } from '../graph.ts';
import { type Notes, noteSchema } from '../notes.ts';
import { isOpName, opOf } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { formatFloat, formatName, formatType } from '../types.ts';
import type { BlobWriter } from './blob.ts';
import { formatValue } from './literal.ts';
import { formatLocationText } from './location.ts';

export interface PrintOptions {
  /** Takes the elements of large constants. Without it every constant is written out. */
  readonly blobs?: BlobWriter;
  /** A constant of more elements goes to a blob. */
  readonly inlineLimit?: number;
}

export const defaultInlineLimit = 64;

export function printGraph(graph: Graph, options: PrintOptions = {}): string {
  const reference = (name: string): string => `${graph.constants.has(name) ? '@' : '%'}${formatName(name)}`;
  const types = typesOf(graph);
  const results = graph.outputs.flatMap((output) => types.get(output) ?? []);
  const lines = [...graph.constants].map(([name, constant]) => printConstant(name, constant, options));
  lines.push(
    `func @${formatName(graph.name)}(${graph.inputs.map(printInput).join(', ')}) -> (${results.map(formatType).join(', ')}) {`,
    ...graph.nodes.map((node) => `  ${printNodeWith(node, reference)}`),
    `  ${['return', graph.outputs.map(reference).join(', ')].join(' ').trimEnd()}`,
    '}',
  );
  return `${lines.join('\n')}\n`;
}

/** One node on one line, as diagnostics and explanations show it. Without the graph every operand reads as `%name`. */
export function printNode(node: Node, graph?: Graph): string {
  return printNodeWith(
    node,
    (name) => `${graph?.constants.has(name) === true ? '@' : '%'}${formatName(name)}`,
  );
}

function printConstant(name: string, constant: Tensor, options: PrintOptions): string {
  return `const @${formatName(name)} : ${formatType(constant.type)} = ${printElements(constant, options)}`;
}

function printElements(constant: Tensor, { blobs, inlineLimit = defaultInlineLimit }: PrintOptions): string {
  const { type, data } = constant;
  const format = type.element.storage === 'f32' ? formatFloat : String;
  const first = data[0];
  if (first !== undefined && data.length > 1 && data.every((value) => Object.is(value, first))) {
    return `splat<${format(first)}>`;
  }
  if (blobs !== undefined && data.length > inlineLimit) {
    return `blob(${JSON.stringify(blobs.file)}, ${blobs.place(constant)})`;
  }
  return `dense<[${Array.from(data, format).join(', ')}]>`;
}

function printInput({ name, type, notes }: Value): string {
  return [`%${formatName(name)}: ${formatType(type)}`, ...printNotes(notes)].join(' ');
}

function printNodeWith(node: Node, reference: (name: string) => string): string {
  const { name, type, notes } = node.result;
  const attributes = printAttributes(node.op, node.attributes);
  return [
    `%${formatName(name)} = ${node.op}(${node.operands.map(reference).join(', ')})`,
    ...(attributes.length === 0 ? [] : [`{${attributes.join(', ')}}`]),
    `: ${formatType(type)}`,
    ...printNotes(notes),
    ...(node.location === undefined ? [] : [`loc(${formatLocationText(node.location)})`]),
  ].join(' ');
}

function printAttributes(op: string, attributes: Attributes): string[] {
  const schema: AttributeSchema = isOpName(op) ? opOf(op).attributes : {};
  return inSchemaOrder(attributes, schema)
    .filter(([name, value]) => !sameValue(value, own(schema, name)?.default))
    .map(([name, value]) => `${name} = ${formatValue(value, own(schema, name)?.kind)}`);
}

function printNotes(notes: Notes | undefined): string[] {
  if (notes === undefined) return [];
  const entries = inSchemaOrder(notes, noteSchema).map(
    ([name, value]) => `${name} = ${formatValue(value, own(noteSchema, name)?.kind)}`,
  );
  return [`notes {${entries.join(', ')}}`];
}

/** Declared names in the order of their declaration, then the others as they come. */
function inSchemaOrder(
  values: Readonly<Record<string, AttributeValue>>,
  schema: object,
): [string, AttributeValue][] {
  const declared = Object.keys(schema);
  const rank = (name: string): number => (declared.includes(name) ? declared.indexOf(name) : declared.length);
  return Object.entries(values).sort(([a], [b]) => rank(a) - rank(b));
}

/** A property that the object has itself: a name such as `constructor` is not declared by being inherited. */
function own(schema: AttributeSchema, name: string): AttributeSpec | undefined {
  return Object.hasOwn(schema, name) ? schema[name] : undefined;
}

function sameValue(a: AttributeValue, b: AttributeValue | undefined): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => Object.is(item, b[i]));
  }
  return Object.is(a, b);
}
