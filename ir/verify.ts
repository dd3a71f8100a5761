/**
 * The verifier: what makes a graph a program. Every law has a name, `verify/<name>`, and a negative test.
 *
 * Structure first (names, order, operand counts, attributes), then each op's own constraints, then result types, then the level:
 * `float` has no quantized value, `quantized` computes in f32 between dequantize and quantize, `integer` meets f32 only in
 * boundary ops.
 */
import { type Attributes, matchesKind } from './attributes.ts';
import { type Diagnostic, QcError } from './diagnostics.ts';
import type { Graph, Node, Value } from './graph.ts';
import { agreesWithDeclared } from './infer.ts';
import { noteSchema } from './notes.ts';
import type { Level, OpDefinition } from './op.ts';
import { isOpName, opOf } from './ops/index.ts';
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
    const spec = op.attributes[name];
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

/** Every law the graph breaks, in program order; empty when it is a program (of `level`, if one is named). */
export function verify(graph: Graph, level?: Level): Diagnostic[] {
  const found: Diagnostic[] = [];
  const report = (code: string, message: string, node?: Node): void => {
    found.push({
      code: `verify/${code}`,
      severity: 'error',
      message,
      ...(node?.location === undefined ? {} : { location: node.location }),
    });
  };
  const types = new Map<string, TensorType>();
  const define = (value: Value, node?: Node): void => {
    if (types.has(value.name)) report('unique-name', `%${formatName(value.name)} is defined twice`, node);
    const problem = typeProblem(value.type, graph);
    if (problem !== undefined) report('type', `%${formatName(value.name)}: ${problem}`, node);
    for (const [name, note] of Object.entries(value.notes ?? {})) {
      const spec = noteSchema[name as keyof typeof noteSchema] as { kind: 'int' | 'floats' } | undefined;
      if (spec === undefined || !matchesKind(note, spec.kind)) {
        report('note', `%${formatName(value.name)} carries a note ${name} that is not declared so`, node);
      }
    }
    types.set(value.name, value.type);
  };

  for (const [name, { type, data }] of graph.constants) {
    define({ name, type });
    if (data.length !== elementCount(type.shape))
      report('constant-size', `@${formatName(name)} has ${data.length} elements`);
  }
  for (const input of graph.inputs) define(input);

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

  if (graph.outputs.length === 0) report('outputs', 'the program returns nothing');
  for (const output of graph.outputs) {
    if (!types.has(output)) report('outputs', `output %${formatName(output)} is not defined`);
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
