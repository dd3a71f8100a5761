/**
 * The verifier: what makes a graph a program. Every law has a name, `verify/<name>`, and a negative test.
 *
 * Structure first (names, order, operand counts, attributes), then each op's own constraints, then result types, then the level:
 * `float` has no quantized value, `quantized` computes in f32 between dequantize and quantize, `integer` meets f32 only in
 * boundary ops.
 */
import { type Attributes, matchesKind } from './attributes.ts';
import { type Diagnostic, type Location, QcError } from './diagnostics.ts';
import type { Graph, Node, Value } from './graph.ts';
import { agreesWithDeclared } from './infer.ts';
import { type NoteName, noteSchema } from './notes.ts';
import type { Level, OpDefinition } from './op.ts';
import { isOpName, opOf } from './ops/index.ts';
import type { Tensor } from './tensor.ts';
import {
  elementCount,
  formatName,
  formatType,
  isF32,
  isQuantized,
  sameShape,
  storageRange,
  type TensorType,
} from './types.ts';

/** Largest number of elements of one tensor: beyond it no backend addresses bytes with 31 bits. */
export const maxElements = 2 ** 31 - 1;

export interface Problem {
  readonly code: string;
  readonly message: string;
}

/** The first law that a node breaks. `scope` says whether the shape of the result is known yet. */
export function nodeProblem(
  op: OpDefinition,
  operands: readonly TensorType[],
  attributes: Attributes,
  result: TensorType,
  scope: 'operands' | 'whole' = 'whole',
): Problem | undefined {
  const required = op.operands.filter((operand) => operand.optional !== true).length;
  const most = op.operands.at(-1)?.variadic === true ? Infinity : op.operands.length;
  if (operands.length < required || operands.length > most) {
    const expected = required === most ? String(required) : `${required} to ${most}`;
    return { code: 'verify/operand-count', message: `${operands.length} operands, expected ${expected}` };
  }
  for (const [name, value] of Object.entries(attributes)) {
    const spec = Object.hasOwn(op.attributes, name) ? op.attributes[name] : undefined;
    if (spec === undefined)
      return { code: 'verify/unknown-attribute', message: `attribute ${name} is not one of ${op.name}` };
    if (!matchesKind(value, spec.kind)) {
      return { code: 'verify/attribute-kind', message: `attribute ${name} is not of kind ${spec.kind}` };
    }
  }
  for (const [name, spec] of Object.entries(op.attributes)) {
    if (attributes[name] === undefined && spec.optional !== true) {
      return { code: 'verify/missing-attribute', message: `attribute ${name} is missing` };
    }
  }
  for (const { name, check } of op.constraints) {
    const message = check({ operands, attributes, result });
    if (message !== undefined) return { code: `verify/${name}`, message };
  }
  if (scope === 'operands') return undefined;
  const shape = op.shape(operands, attributes);
  if (!sameShape(shape, result.shape)) {
    return {
      code: 'verify/result-shape',
      message: `result of shape [${result.shape.join(', ')}], expected [${shape.join(', ')}]`,
    };
  }
  const element = agreesWithDeclared(op, operands, result.element);
  return element === undefined
    ? undefined
    : { code: 'verify/result-element', message: `result is ${element}` };
}

/** What a finding is about. Outputs are named by their list. */
type Subject = Node | Value | Tensor | Graph['outputs'];

/**
 * Every law the graph breaks, in program order; empty when it is a program (of `level`, if one is named).
 *
 * A finding points at the location of its node. `places` says better where it knows: the parser hands in where nodes, inputs,
 * constants (their tensors) and outputs (their list) stand in its text.
 */
export function verify(graph: Graph, level?: Level, places?: ReadonlyMap<object, Location>): Diagnostic[] {
  const found: Diagnostic[] = [];
  const report = (code: string, message: string, subject: Subject): void => {
    const location = places?.get(subject) ?? ('location' in subject ? subject.location : undefined);
    found.push({
      code: `verify/${code}`,
      severity: 'error',
      message,
      ...(location === undefined ? {} : { location }),
    });
  };
  const types = new Map<string, TensorType>();
  const define = (value: Value, subject: Subject): void => {
    const label = `${graph.constants.has(value.name) ? '@' : '%'}${formatName(value.name)}`;
    if (types.has(value.name)) report('unique-name', `${label} is defined twice`, subject);
    const problem = typeProblem(value.type, graph);
    if (problem !== undefined) report('type', `${label}: ${problem}`, subject);
    for (const [name, note] of Object.entries(value.notes ?? {})) {
      const kind = Object.hasOwn(noteSchema, name) ? noteSchema[name as NoteName].kind : undefined;
      if (kind === undefined || !matchesKind(note, kind)) {
        report('note', `${label} carries a note ${name} that is not declared so`, subject);
      }
    }
    types.set(value.name, value.type);
  };

  for (const [name, constant] of graph.constants) {
    const { type, data } = constant;
    define({ name, type }, constant);
    if (data.length !== elementCount(type.shape))
      report('constant-size', `@${formatName(name)} has ${data.length} elements`, constant);
  }
  for (const input of graph.inputs) define(input, input);

  for (const node of graph.nodes) {
    const label = `%${formatName(node.result.name)} = ${node.op}`;
    if (!isOpName(node.op)) {
      report('known-op', `${label}: there is no op of this name`, node);
      define(node.result, node);
      continue;
    }
    const missing = node.operands.find((operand) => !types.has(operand));
    if (missing !== undefined) {
      report(
        'defined-before-use',
        `${label}: %${formatName(missing)} is not defined before it is used`,
        node,
      );
      define(node.result, node);
      continue;
    }
    const op = opOf(node.op);
    const operands = node.operands.map((operand) => types.get(operand)!);
    const problem =
      nodeProblem(op, operands, node.attributes, node.result.type) ??
      constantProblem(op, node, graph) ??
      (level === undefined ? undefined : levelProblem(op, operands, node.result.type, level));
    if (problem !== undefined)
      report(problem.code.slice('verify/'.length), `${label}: ${problem.message}`, node);
    define(node.result, node);
  }

  if (graph.outputs.length === 0) report('outputs', 'the program returns nothing', graph.outputs);
  for (const output of graph.outputs) {
    if (!types.has(output)) report('outputs', `output %${formatName(output)} is not defined`, graph.outputs);
  }
  return found;
}

/** Throws a QcError with everything that `verify` finds. */
export function assertVerified(graph: Graph, level?: Level): void {
  const found = verify(graph, level);
  if (found.length > 0) throw new QcError(found);
}

function typeProblem(type: TensorType, graph: Graph): string | undefined {
  if (type.shape.some((extent) => !Number.isSafeInteger(extent) || extent < 1)) {
    return `shape [${type.shape.join(', ')}] has an extent that is not positive`;
  }
  if (elementCount(type.shape) > maxElements)
    return `shape [${type.shape.join(', ')}] has more than 2^31 - 1 elements`;
  if (!isQuantized(type)) return undefined;
  const { scale, zeroPoint, storage, axis } = type.element;
  const [min, max] = storageRange(storage);
  if (!Number.isInteger(zeroPoint) || zeroPoint < min || zeroPoint > max) {
    return `zero point ${zeroPoint} does not fit ${storage}`;
  }
  // Accumulators and biases are sums of centred products: 0 stands for 0, and nothing is subtracted that could leave int32.
  if (storage === 'i32' && zeroPoint !== 0) return `zero point ${zeroPoint} of an i32, expected 0`;
  if (typeof scale === 'number') {
    if (axis !== undefined) return 'a per-tensor scale takes no axis';
    return scale > 0 && Number.isFinite(scale) ? undefined : `scale ${scale} is not positive and finite`;
  }
  if (axis === undefined || axis < 0 || axis >= type.shape.length)
    return `axis ${axis ?? 'missing'} of ${formatType(type)}`;
  const constant = graph.constants.get(scale);
  if (constant === undefined) return `scale @${formatName(scale)} is not a constant`;
  if (
    !isF32(constant.type) ||
    constant.type.shape.length !== 1 ||
    constant.type.shape[0] !== type.shape[axis]
  ) {
    return `scale @${formatName(scale)} is ${formatType(constant.type)}, expected f32[${type.shape[axis]!}]`;
  }
  return constant.data.every((value) => value > 0 && Number.isFinite(value))
    ? undefined
    : `scale @${formatName(scale)} has a step that is not positive and finite`;
}

function constantProblem(op: OpDefinition, node: Node, graph: Graph): Problem | undefined {
  for (const [i, spec] of op.operands.entries()) {
    const operand = node.operands[i];
    if (spec.constant === true && operand !== undefined && !graph.constants.has(operand)) {
      return { code: 'verify/constant-operand', message: `${spec.name} is not a constant` };
    }
  }
  const constants = node.operands.map((operand) => graph.constants.get(operand));
  for (const { name, check } of op.constantLaws ?? []) {
    const message = check(constants);
    if (message !== undefined) return { code: `verify/${name}`, message };
  }
  return undefined;
}

function levelProblem(
  op: OpDefinition,
  operands: readonly TensorType[],
  result: TensorType,
  level: Level,
): Problem | undefined {
  if (!op.levels.includes(level)) {
    return { code: 'verify/level', message: `not an op of the ${level} level` };
  }
  const bridge = op.traits.boundary === true;
  const types = [...operands, result];
  if (level === 'integer') {
    return bridge || types.every((type) => !isF32(type))
      ? undefined
      : { code: 'verify/level', message: 'computes in f32, which the integer level does not' };
  }
  return bridge || types.every(isF32)
    ? undefined
    : { code: 'verify/level', message: `computes on integers, which the ${level} level does not` };
}
