/**
 * What the host does at the two ends of a program, where f32 comes in and goes out: quantize before the first dispatch, dequantize and softmax
 * after the last. WGSL fixes no rounding of f32, JavaScript does; so the promise of equal bits reaches the caller.
 */
import {
  fail,
  formatName,
  type Graph,
  isF32,
  isQuantized,
  type Node,
  producersOf,
  type QuantizedElement,
  type TensorType,
} from '../../ir/index.ts';
import type { HostOutput, HostStage, HostUpload } from '../../runtime/model.ts';
import { isBoundaryStep, type Schedule } from '../plan/index.ts';
import { layoutOf, storageOf } from './stored.ts';

/** An upload before it is known where the tensor lies. */
export type PlannedUpload = Omit<HostUpload, 'buffer'>;
/** An output before it is known where its integers lie. */
export type PlannedOutput = Omit<HostOutput, 'buffer'>;

export interface Boundary {
  readonly uploads: readonly PlannedUpload[];
  readonly outputs: readonly PlannedOutput[];
}

function stepsOf(element: QuantizedElement, graph: Graph): readonly number[] {
  return typeof element.scale === 'number' ? [element.scale] : [...graph.constants.get(element.scale)!.data];
}

function refuse(name: string, why: string): never {
  return fail('wgsl/boundary', `%${formatName(name)} ${why}`, {
    help: 'the wgsl target takes programs that quantize their inputs and dequantize their outputs; run lower-to-integer',
  });
}

/** Plans both ends. */
export function planBoundary(
  graph: Graph,
  types: ReadonlyMap<string, TensorType>,
  schedule: Schedule,
): Boundary {
  const inputOf = new Map(graph.inputs.map(({ name }, i) => [name, i]));
  const uploads: PlannedUpload[] = [];
  for (const [i, { name, type }] of graph.inputs.entries()) {
    if (!isF32(type)) uploads.push(upload(i, name, type, undefined, graph));
  }
  for (const step of schedule.steps) {
    if (!isBoundaryStep(step) || step.anchor!.op !== 'quantize') continue;
    const node = step.anchor!;
    const input = inputOf.get(node.operands[0]!);
    if (input === undefined) return refuse(node.result.name, 'quantizes what is no input of the program');
    uploads.push(
      upload(input, node.result.name, node.result.type, node.result.type.element as QuantizedElement, graph),
    );
  }
  const producers = producersOf(graph);
  const outputs = graph.outputs.map((name) => {
    const stages: HostStage[] = [];
    const source = backToIntegers(name, producers, types, graph, stages);
    const type = types.get(source)!;
    const from = inputOf.get(source);
    if (isF32(type) && from === undefined)
      return refuse(name, 'is a constant, or f32 that no dequantize made');
    return {
      name,
      shape: types.get(name)!.shape,
      ...(isF32(type) ? { input: from! } : {}),
      tensor: source,
      storage: type.element.storage,
      ...(isF32(type) ? { strides: [], bits: 32, bytes: 0 } : layoutOf(type)),
      stages,
    };
  });
  return { uploads, outputs };
}

function upload(
  input: number,
  name: string,
  type: TensorType,
  element: QuantizedElement | undefined,
  graph: Graph,
): PlannedUpload {
  return {
    input,
    tensor: name,
    shape: type.shape,
    storage: storageOf(type.element),
    ...layoutOf(type),
    ...(element === undefined
      ? {}
      : {
          quantize: {
            scale: stepsOf(element, graph),
            axis: element.axis ?? 0,
            zero_point: element.zeroPoint,
          },
        }),
  };
}

/** Walks from an output back through what the host does, noting it in the order it is done. */
function backToIntegers(
  name: string,
  producers: ReadonlyMap<string, Node>,
  types: ReadonlyMap<string, TensorType>,
  graph: Graph,
  stages: HostStage[],
): string {
  const node = producers.get(name);
  if (node?.op === 'softmax') {
    const source = backToIntegers(node.operands[0]!, producers, types, graph, stages);
    stages.push({ op: 'softmax', axis: node.attributes['axis'] as number, shape: node.result.type.shape });
    return source;
  }
  if (node?.op === 'dequantize') {
    const operand = node.operands[0]!;
    const type = types.get(operand)!;
    if (!isQuantized(type) || graph.constants.has(operand)) return refuse(name, 'dequantizes a constant');
    stages.push({
      op: 'dequantize',
      scale: stepsOf(type.element, graph),
      axis: type.element.axis ?? 0,
      zero_point: type.element.zeroPoint,
      shape: type.shape,
    });
    return operand;
  }
  return name;
}
