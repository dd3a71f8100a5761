/** A plain model to the bytes of a `ModelProto`. What it writes, `decode.ts` reads back equal. */
import {
  dataTypeCode,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from '../../backends/onnx/model.ts';
import * as proto from './proto.ts';

const utf8 = new TextEncoder();

/** Bytes of an `.onnx` file. Tensors are written as they are: raw bytes raw, external data by reference. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const [producerName, ...producerVersion] = model.producer.split(' ');
  return proto.ModelProto.encode({
    irVersion: model.irVersion,
    producerName: producerName ?? '',
    producerVersion: producerVersion.join(' '),
    opsetImport: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    graph: {
      name: model.graph.name,
      input: model.graph.inputs.map(valueProto),
      output: model.graph.outputs.map(valueProto),
      initializer: model.graph.initializers.map(tensorProto),
      node: model.graph.nodes.map(nodeProto),
    },
    functions: model.functions.map(({ name, domain, inputs, outputs, nodes }) => ({
      name,
      domain,
      input: [...inputs],
      output: [...outputs],
      node: nodes.map(nodeProto),
    })),
  }).finish();
}

function nodeProto(node: OnnxNode): proto.NodeProto {
  return {
    name: node.name,
    opType: node.opType,
    domain: node.domain,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Object.entries(node.attributes).map(([name, attribute]) => ({
      name,
      ...attributeProto(name, attribute),
    })),
  };
}

function attributeProto(name: string, attribute: OnnxAttribute): proto.AttributeProto {
  const { AttributeType } = proto.AttributeProto;
  switch (attribute.kind) {
    case 'float':
      return { type: AttributeType.FLOAT, f: attribute.value };
    case 'int':
      return { type: AttributeType.INT, i: attribute.value };
    case 'string':
      return { type: AttributeType.STRING, s: utf8.encode(attribute.value) };
    case 'tensor':
      return { type: AttributeType.TENSOR, t: tensorProto(attribute.value) };
    case 'floats':
      return { type: AttributeType.FLOATS, floats: [...attribute.value] };
    case 'ints':
      return { type: AttributeType.INTS, ints: [...attribute.value] };
    case 'strings':
      return { type: AttributeType.STRINGS, strings: attribute.value.map((text) => utf8.encode(text)) };
    case 'reference':
      return { refAttrName: attribute.to };
    case 'other':
      throw new Error(`attribute ${name} is ${attribute.what}, which is read but never written`);
  }
}

function tensorProto(tensor: OnnxTensor): proto.TensorProto {
  const { name, dataType, payload } = tensor;
  const base = { name, dataType, dims: [...tensor.dims] };
  switch (payload.kind) {
    case 'raw':
      return { ...base, rawData: payload.bytes };
    case 'external':
      return {
        ...base,
        dataLocation: proto.TensorProto.DataLocation.EXTERNAL,
        externalData: Object.entries(payload.entries).map(([key, value]) => ({ key, value })),
      };
    case 'typed': {
      const values = Array.from(payload.values);
      switch (dataType) {
        case dataTypeCode.float:
          return { ...base, floatData: values };
        case dataTypeCode.double:
          return { ...base, doubleData: values };
        case dataTypeCode.int64:
          return { ...base, int64Data: values };
        case dataTypeCode.uint32:
        case dataTypeCode.uint64:
          return { ...base, uint64Data: values };
        default:
          return { ...base, int32Data: values };
      }
    }
  }
}

function valueProto({ name, type }: OnnxValue): proto.ValueInfoProto {
  if (type.kind === 'other')
    throw new Error(`value ${name} is ${type.what}, which is read but never written`);
  const tensorType = {
    elemType: type.dataType,
    ...(type.dims === undefined
      ? {}
      : {
          shape: {
            dim: type.dims.map((extent) => {
              if (extent === undefined) return {};
              return typeof extent === 'number' ? { dimValue: extent } : { dimParam: extent };
            }),
          },
        }),
  };
  return { name, type: { tensorType } };
}
