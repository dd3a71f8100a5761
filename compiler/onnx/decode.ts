/**
 * Bytes of a `ModelProto` to a plain model. Bytes are untrusted: whatever the protobuf reader throws at them becomes one diagnostic, and
 * nothing is checked or allocated here beyond what the bytes themselves hold. Raw weights stay views of the given bytes.
 */
import type {
  OnnxAttribute,
  OnnxDimension,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxPayload,
  OnnxTensor,
  OnnxType,
  OnnxValue,
} from '../../backends/onnx/model.ts';
import { fail } from '../../ir/index.ts';
import * as proto from './proto.ts';

const utf8 = new TextDecoder();

/** Reads a model. Throws a QcError `onnx/not-a-model` or `onnx/no-graph`. */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  let model: proto.ModelProto;
  try {
    model = proto.ModelProto.decode(bytes);
  } catch (error) {
    return notAModel(error instanceof Error ? error.message : String(error));
  }
  const { graph } = model;
  if (graph === null || graph === undefined) {
    // Text and other formats happen to parse as a message of unknown fields; a model always says its version.
    if (proto.toNumber(model.irVersion) === 0) return notAModel('it holds no field of a model');
    return fail('onnx/no-graph', 'the model holds no graph', {
      help: 'the file may be cut short, or be a training checkpoint rather than an exported model',
    });
  }
  return {
    irVersion: proto.toNumber(model.irVersion),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    opsets: new Map(
      (model.opsetImport ?? []).map(({ domain, version }) => [domainOf(domain), proto.toNumber(version)]),
    ),
    graph: graphOf(graph),
    functions: (model.functions ?? []).map((body): OnnxFunction => ({
      name: body.name ?? '',
      domain: domainOf(body.domain),
      inputs: body.input ?? [],
      outputs: body.output ?? [],
      nodes: (body.node ?? []).map(nodeOf),
    })),
  };
}

/** Reads a `TensorProto` that stands alone in a file, as the test data of ONNX does. */
export function decodeTensor(bytes: Uint8Array): OnnxTensor {
  try {
    return tensorOf(proto.TensorProto.decode(bytes));
  } catch (error) {
    return notAModel(error instanceof Error ? error.message : String(error));
  }
}

function notAModel(reason: string): never {
  return fail('onnx/not-a-model', `the bytes are not an ONNX model: ${reason}`, {
    help: 'check that the file is complete and was saved as .onnx (a binary protobuf)',
  });
}

/** ONNX's own domain has two spellings. */
function domainOf(domain: string | null | undefined): string {
  return domain === 'ai.onnx' ? '' : (domain ?? '');
}

function graphOf(graph: proto.GraphProto): OnnxGraph {
  return {
    name: graph.name ?? '',
    inputs: (graph.input ?? []).map(valueOf),
    outputs: (graph.output ?? []).map(valueOf),
    initializers: (graph.initializer ?? []).map(tensorOf),
    sparseInitializers: (graph.sparseInitializer ?? []).map((sparse) => sparse.values?.name ?? ''),
    nodes: (graph.node ?? []).map(nodeOf),
  };
}

function nodeOf(node: proto.NodeProto): OnnxNode {
  const attributes = (node.attribute ?? []).map((attribute): [string, OnnxAttribute] => [
    attribute.name ?? '',
    attributeOf(attribute),
  ]);
  return {
    name: node.name ?? '',
    opType: node.opType ?? '',
    domain: domainOf(node.domain),
    inputs: node.input ?? [],
    outputs: node.output ?? [],
    // An object without a prototype: `__proto__` is a name like any other.
    attributes: Object.assign(
      Object.create(null) as Record<string, OnnxAttribute>,
      Object.fromEntries(attributes),
    ),
  };
}

/** `TensorProto`'s codes for attribute types. */
const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  graphs: 10,
} as const;

function attributeOf(attribute: proto.AttributeProto): OnnxAttribute {
  if (attribute.refAttrName) return { kind: 'reference', to: attribute.refAttrName };
  // Files older than IR version 2 leave the type out: it is the one field that is there.
  const written: number = attribute.type ?? 0;
  switch (written === 0 ? impliedType(attribute) : written) {
    case attributeType.float:
      return { kind: 'float', value: attribute.f ?? 0 };
    case attributeType.int:
      return { kind: 'int', value: proto.toNumber(attribute.i) };
    case attributeType.string:
      return { kind: 'string', value: utf8.decode(attribute.s ?? new Uint8Array()) };
    case attributeType.tensor:
      return { kind: 'tensor', value: tensorOf(attribute.t ?? {}) };
    case attributeType.floats:
      return { kind: 'floats', value: attribute.floats ?? [] };
    case attributeType.ints:
      return { kind: 'ints', value: proto.toNumbers(attribute.ints) };
    case attributeType.strings:
      return { kind: 'strings', value: (attribute.strings ?? []).map((text) => utf8.decode(text)) };
    case attributeType.graph:
    case attributeType.graphs:
      return { kind: 'other', what: 'a subgraph' };
    default:
      return { kind: 'other', what: `an attribute of type ${attribute.type ?? 0}` };
  }
}

function impliedType(attribute: proto.AttributeProto): number {
  const has = (field: keyof proto.AttributeProto): boolean => Object.hasOwn(attribute, field);
  if (has('f')) return attributeType.float;
  if (has('i')) return attributeType.int;
  if (has('s')) return attributeType.string;
  if (has('t')) return attributeType.tensor;
  if (has('g')) return attributeType.graph;
  if (has('floats')) return attributeType.floats;
  return has('strings') ? attributeType.strings : attributeType.ints;
}

function tensorOf(tensor: proto.TensorProto): OnnxTensor {
  return {
    name: tensor.name ?? '',
    dataType: tensor.dataType ?? 0,
    dims: proto.toNumbers(tensor.dims),
    payload: payloadOf(tensor),
  };
}

function payloadOf(tensor: proto.TensorProto): OnnxPayload {
  if (tensor.dataLocation === proto.TensorProto.DataLocation.EXTERNAL) {
    const entries = (tensor.externalData ?? []).map(({ key, value }): [string, string] => [
      key ?? '',
      value ?? '',
    ]);
    return { kind: 'external', entries: Object.fromEntries(entries) };
  }
  if (Object.hasOwn(tensor, 'rawData') && tensor.rawData) return { kind: 'raw', bytes: tensor.rawData };
  const filled = [tensor.floatData, tensor.int32Data, tensor.doubleData].find((list) => list?.length);
  if (filled) return { kind: 'typed', values: filled };
  const wide = tensor.int64Data?.length ? tensor.int64Data : tensor.uint64Data;
  return { kind: 'typed', values: proto.toNumbers(wide) };
}

function valueOf(value: proto.ValueInfoProto): OnnxValue {
  return { name: value.name ?? '', type: typeOf(value.type) };
}

function typeOf(type: proto.TypeProto | null | undefined): OnnxType {
  const tensor = type?.tensorType;
  if (!tensor) {
    const what = Object.keys(type ?? {}).find((key) => key.endsWith('Type'));
    return { kind: 'other', what: what === undefined ? 'a value without a type' : what.replace('Type', '') };
  }
  const dims = tensor.shape?.dim?.map(({ dimValue, dimParam }): OnnxDimension => {
    // An empty name says no more than no name.
    if (dimParam) return dimParam;
    return dimValue === null || dimValue === undefined ? undefined : proto.toNumber(dimValue);
  });
  return { kind: 'tensor', dataType: tensor.elemType ?? 0, ...(dims === undefined ? {} : { dims }) };
}
