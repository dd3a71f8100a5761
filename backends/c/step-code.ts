/** From a step to its C function. One table maps each op that can open a step to its emitter; the compiler names an op that is missing. */
import { formatLocation, formatType, type IntegerOp, type Node } from '../../ir/index.ts';
import { toIdentifier } from '../kernel/index.ts';
import type { elementwiseOps, Step } from '../plan/index.ts';
import type { AnchorEmitter } from './anchor.ts';
import { emitDequantize, emitSoftmax, type ImagePort, quantize, quantizeImage } from './boundary.ts';
import { layer as plainLayer } from './convolution.ts';
import { epilogue } from './elementwise.ts';
import { concat, pad, reshape, slice, transpose } from './movement.ts';
import { averagePool, maxPool } from './pool.ts';
import { placeOf, plainPlace, rowSpace } from './rows.ts';
import type { VectorMachine } from './isa/machine.ts';
import { type KernelRow, type SelectKernel, selectKernel } from './kernels/catalogue.ts';
import { type Refusal, type VectorEpilogue, vectorEpilogue } from './kernels/vector-epilogue.ts';
import { type Layer, layerOf } from './layer.ts';
import { shareStep } from './share.ts';
import { type ProgramFacts, type StepCode, StepWriter } from './step-writer.ts';

/** An op that makes floats stores them itself; the others hand rows to the epilogue. */
type Emitter =
  | { readonly kind: 'rows'; readonly emit: AnchorEmitter }
  | { readonly kind: 'floats'; readonly emit: (writer: StepWriter, node: Node) => void };

type AnchorOp = Exclude<IntegerOp, (typeof elementwiseOps)[number]>;

const rows = (emit: AnchorEmitter): Emitter => ({ kind: 'rows', emit });

const emitters = {
  conv2d: rows(plainLayer),
  dense: rows(plainLayer),
  max_pool2d: rows(maxPool),
  average_pool2d: rows(averagePool),
  reshape: rows(reshape),
  transpose: rows(transpose),
  pad: rows(pad),
  slice: rows(slice),
  concat: rows(concat),
  quantize: rows(quantize),
  dequantize: {
    kind: 'floats',
    emit: (writer, node) => {
      emitDequantize(writer, node.operands[0]!, node.result.name);
    },
  },
  softmax: {
    kind: 'floats',
    emit: (writer, node) => {
      emitSoftmax(writer, node.operands[0]!, node.result.name, node.attributes['axis'] as number);
    },
  },
} as const satisfies Record<AnchorOp, Emitter>;

/** What a step is called in C: the op that opens it and the layer's name. */
function functionName(step: Step, suffix: string): string {
  const op = step.anchor?.op ?? step.body[0]!.op;
  return toIdentifier(`${op}${suffix} ${step.name}`);
}

/** A row of the catalogue for a step, and what follows its sums: in registers, or, as the reason says, a row at a time. */
interface Choice {
  readonly kernel: KernelRow;
  readonly layer: Layer;
  readonly end: VectorEpilogue | Refusal;
}

/** The kernel that does a step on a machine; undefined where none does. Of the step nothing is written but what its end reads. */
function chooseKernel(
  writer: StepWriter,
  step: Step,
  machine: VectorMachine,
  select: SelectKernel,
): Choice | undefined {
  const { anchor } = step;
  if (anchor?.op !== 'conv2d' && anchor?.op !== 'dense') return undefined;
  const layer = layerOf(writer, anchor);
  const end = vectorEpilogue(writer, step, machine, layer);
  const kernel = select(layer, machine, typeof end === 'string' ? 'rows' : 'vector');
  return kernel === undefined ? undefined : { kernel, layer, end };
}

function emitKernel(writer: StepWriter, step: Step, { kernel, layer, end }: Choice): void {
  if (typeof end !== 'string') {
    kernel.emit(writer, layer, { kind: 'vector', epilogue: end });
    return;
  }
  const { block } = writer;
  const space = rowSpace(step.space.shape);
  const { row: emitRow, needsPosition } = epilogue(writer, step, space);
  block.comment(`elementwise work a row at a time: ${end}`);
  kernel.emit(writer, layer, {
    kind: 'rows',
    emitRow: (row, value) => {
      emitRow(needsPosition ? placeOf(block, space, row) : plainPlace(row), value);
    },
  });
}

/** The comment above a step: every node it computes, with its origin and its type. */
function stepDoc(step: Step, facts: ProgramFacts): string[] {
  const nodes = step.anchor === undefined ? step.body : [step.anchor, ...step.body];
  return nodes.map((node) => {
    const operands = node.operands
      .filter((operand) => !facts.graph.constants.has(operand))
      .map((operand) => formatType(facts.types.get(operand)!));
    const weight = node.operands[1];
    const weights =
      weight !== undefined && (node.op === 'conv2d' || node.op === 'dense')
        ? ` * ${formatType(facts.types.get(weight)!)}`
        : '';
    const origin = node.location === undefined ? '' : ` (${formatLocation(node.location)})`;
    return `${node.result.name} = ${node.op} ${operands.join(', ')}${weights} -> ${formatType(node.result.type)}${origin}`;
  });
}

export interface StepOptions {
  /** Hands out C names. */
  readonly nameOf: (wish: string) => string;
  /** The machine the step is compiled for; none is any. */
  readonly machine: VectorMachine | undefined;
  readonly select?: SelectKernel | undefined;
  /** Makes the quantize step of the input read bytes. */
  readonly image?: ImagePort;
}

/** The row of the catalogue that does a step on a machine; undefined where none does. */
export function kernelOf(
  step: Step,
  facts: ProgramFacts,
  machine: VectorMachine,
  select: SelectKernel = selectKernel,
): KernelRow | undefined {
  return chooseKernel(new StepWriter('unwritten', facts, machine.isa), step, machine, select)?.kernel;
}

/** Writes one step. */
export function stepCode(
  step: Step,
  facts: ProgramFacts,
  { nameOf, machine, image, select = selectKernel }: StepOptions,
): StepCode {
  const wish = functionName(step, image === undefined ? '' : ' image');
  const isa = machine?.isa;
  const writer = new StepWriter(nameOf(isa === undefined ? wish : `${wish}_${isa.name}`), facts, isa);
  const { anchor } = step;
  const choice = machine === undefined ? undefined : chooseKernel(writer, step, machine, select);
  if (choice !== undefined) {
    emitKernel(writer, step, choice);
    const { name, summary } = choice.kernel;
    return writer.finish(step, [...stepDoc(step, facts), `${name}: ${summary}`]);
  }
  const emitter: Emitter | undefined =
    image !== undefined
      ? rows(quantizeImage(image))
      : anchor === undefined
        ? undefined
        : emitters[anchor.op as AnchorOp];
  if (emitter?.kind === 'floats') {
    emitter.emit(writer, anchor!);
  } else {
    const { block } = writer;
    const space = rowSpace(step.space.shape);
    const end = epilogue(writer, step, space);
    if (emitter === undefined) {
      const { from, to } = shareStep(writer, { items: space.rows });
      block.for('row', from, to, (row) => {
        end.row(end.needsPosition ? placeOf(block, space, row) : plainPlace(row), undefined);
      });
    } else {
      emitter.emit(writer, anchor!, space, (row, value) => {
        end.row(end.needsPosition ? placeOf(block, space, row) : plainPlace(row), value);
      });
    }
  }
  return writer.finish(step, stepDoc(step, facts));
}
