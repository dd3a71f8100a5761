/**
 * What ONNX Runtime on a CPU makes of a model with quantizers: which operators it replaces by integer kernels, which it runs on integers as they
 * are, and why the others are computed in float between a DequantizeLinear and a QuantizeLinear. Modelled on its QDQ selectors (release 1.32);
 * an operator becomes an integer kernel only together with
 *
 *   - a DequantizeLinear on every operand, a layer's bias among them (int32, without zero point),
 *   - weights of 8 bits, signed where the activations are,
 *   - and one QuantizeLinear, of the operands' integer type, as the only reader of its result. Gemm may return floats.
 *
 * Signed activations are left out: x86 builds take them only where they can turn them into unsigned ones.
 */
import { dataTypeCode, type OnnxModel, type OnnxNode } from './model.ts';

export interface FusedOperator {
  /** Of the node. */
  readonly name: string;
  readonly opType: string;
  /** What computes it. Float is the operator itself. */
  readonly kind: 'kernel' | 'integers' | 'float';
  /** Name of the kernel; the operator's own unless fused. */
  readonly kernel: string;
  /** Why not on integers. */
  readonly reason?: string;
}

const layers = ['Conv', 'Gemm'];
const elementwise = ['Add', 'Mul'];
const withKernel: Readonly<Record<string, string>> = {
  Conv: 'QLinearConv',
  Gemm: 'QGemm',
  Add: 'QLinearAdd',
  Mul: 'QLinearMul',
  AveragePool: 'QLinearAveragePool',
  GlobalAveragePool: 'QLinearGlobalAveragePool',
  Sigmoid: 'QLinearSigmoid',
  LeakyRelu: 'QLinearLeakyRelu',
  Concat: 'QLinearConcat',
  Softmax: 'QLinearSoftmax',
};
const isByte = (type: number | undefined): boolean =>
  type === dataTypeCode.int8 || type === dataTypeCode.uint8;

/** Operators that move or compare elements: run on the integers where both sides have one scale. */
const moving = ['MaxPool', 'Reshape', 'Transpose', 'Slice'];

/** Every operator but the quantizers and what belongs to them, in the order of the model. */
export function fusionOf(model: OnnxModel): FusedOperator[] {
  return new Selector(model).operators();
}

/** One line an operator, and a line that sums up. */
export function fusionText(operators: readonly FusedOperator[]): string[] {
  const fused = operators.filter(({ kind }) => kind !== 'float');
  return [
    ...operators.map(({ name, opType, kind, kernel, reason }) => {
      if (kind === 'kernel') return `${name}: ${opType} becomes ${kernel}`;
      if (kind === 'integers') return `${name}: ${opType} runs on the integers as they are`;
      return `${name}: ${opType} is computed in float: ${reason!}`;
    }),
    `ONNX Runtime computes ${fused.length} of ${operators.length} operators in integers`,
  ];
}

/**
 * What release 1.32 breaks on loading: a layer with 2-bit weights, or with 8-bit ones and narrower activations, counts as one of 8 bits. The
 * operand it trips over, in words, if there is one.
 */
export function brokenFusion(model: OnnxModel): string | undefined {
  const types = new Set(model.graph.initializers.map(({ dataType }) => dataType));
  if (types.has(dataTypeCode.int2) || types.has(dataTypeCode.uint2)) return 'integers of 2 bits';
  const selector = new Selector(model);
  return model.graph.nodes.some((node) => selector.multipliesBytesByLess(node))
    ? '4-bit activations of a layer with 8-bit weights'
    : undefined;
}

class Selector {
  readonly #model: OnnxModel;
  readonly #makers = new Map<string, OnnxNode>();
  readonly #readers = new Map<string, OnnxNode[]>();
  readonly #types = new Map<string, number>();
  readonly #outputs: ReadonlySet<string>;

  constructor(model: OnnxModel) {
    this.#model = model;
    const { graph } = model;
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    for (const { name, dataType } of graph.initializers) this.#types.set(name, dataType);
    for (const node of graph.nodes) {
      for (const output of node.outputs) this.#makers.set(output, node);
      for (const input of node.inputs) {
        const readers = this.#readers.get(input);
        if (readers === undefined) this.#readers.set(input, [node]);
        else readers.push(node);
      }
    }
  }

  operators(): FusedOperator[] {
    return this.#model.graph.nodes
      .filter((node) => !this.#belongsToQuantizer(node))
      .map((node) => {
        const { name, opType } = node;
        const reason = this.#objection(node);
        if (reason !== undefined) return { name, opType, kind: 'float', kernel: opType, reason };
        const kernel = withKernel[opType];
        return kernel === undefined
          ? { name, opType, kind: 'integers', kernel: opType }
          : { name, opType, kind: 'kernel', kernel };
      });
  }

  multipliesBytesByLess({ opType, inputs }: OnnxNode): boolean {
    if (!layers.includes(opType)) return false;
    const [x, w] = inputs.map((input) => this.#integerType(input));
    return isByte(w) && x !== undefined && !isByte(x);
  }

  /** Quantizers, the clamps of narrow integers, and shape work on constants. */
  #belongsToQuantizer({ opType, inputs }: OnnxNode): boolean {
    if (opType === 'QuantizeLinear' || opType === 'DequantizeLinear') return true;
    const maker = this.#makers.get(inputs[0]!);
    if (opType === 'Clip') return maker?.opType === 'QuantizeLinear';
    return inputs.every((input) => this.#types.has(input));
  }

  /** Why the operator stays in float, or undefined. */
  #objection(node: OnnxNode): string | undefined {
    const { opType, inputs, outputs } = node;
    const isMoving = moving.includes(opType);
    if (!isMoving && !Object.hasOwn(withKernel, opType)) return `it has no kernel for ${opType} on integers`;
    const operands = isMoving ? inputs.slice(0, 1) : inputs;
    const types = operands.map((input) => this.#integerType(input));
    const real = types.findIndex((type) => type === undefined);
    if (real >= 0) return this.#whyReal(operands[real]!, opType, real);
    const [x, w] = types as [number, number];
    if (layers.includes(opType)) {
      if (![dataTypeCode.int8, dataTypeCode.uint8].includes(w as 2))
        return 'its weights have fewer than 8 bits';
      if (x === dataTypeCode.int8 && w !== dataTypeCode.int8) return 'signed activations need signed weights';
    }
    if (elementwise.includes(opType) && x !== w) return 'its operands are of different integer types';
    if (!isByte(x)) return 'its operand has not 8 bits';
    return this.#whyNotStored(outputs[0]!, opType, x, isMoving ? inputs[0]! : undefined);
  }

  /** The integer type behind a DequantizeLinear. */
  #integerType(name: string): number | undefined {
    const maker = this.#makers.get(name);
    if (maker?.opType !== 'DequantizeLinear') return undefined;
    const zeroPoint = maker.inputs[2];
    return (
      this.#types.get(maker.inputs[0]!) ?? (zeroPoint === undefined ? undefined : this.#types.get(zeroPoint))
    );
  }

  #whyReal(name: string, opType: string, index: number): string {
    const maker = this.#makers.get(name);
    if (maker !== undefined) return `its operand from ${maker.name} is not quantized`;
    if (!layers.includes(opType) || index === 0) return `its operand ${name} is not quantized`;
    return index === 1
      ? 'its weights are not quantized'
      : 'its bias is not an int32 behind a DequantizeLinear';
  }

  #whyNotStored(name: string, opType: string, type: number, source: string | undefined): string | undefined {
    const readers = this.#readers.get(name) ?? [];
    const [reader] = readers;
    const returned = this.#outputs.has(name);
    if (opType === 'Gemm' && readers.every((other) => other.opType !== 'QuantizeLinear')) return undefined;
    if (returned) return 'it makes an output of the model, in float';
    if (readers.length !== 1)
      return `its result is read ${readers.length} times, and a kernel returns it once`;
    if (reader!.opType !== 'QuantizeLinear')
      return `its result flows into ${reader!.name} (${reader!.opType}) without being quantized`;
    const zeroPoint = this.#types.get(reader!.inputs[2]!);
    if (zeroPoint !== type) return 'its operand and its result are of different integer types';
    if (source !== undefined && !this.#sameQuantization(this.#makers.get(source)!, reader!))
      return 'its operand and its result have different scales';
    return undefined;
  }

  #sameQuantization(a: OnnxNode, b: OnnxNode): boolean {
    const bytes = (name: string | undefined): string | undefined => {
      const found = this.#model.graph.initializers.find((initializer) => initializer.name === name);
      return found?.payload.kind === 'raw' ? found.payload.bytes.join() : undefined;
    };
    return bytes(a.inputs[1]) === bytes(b.inputs[1]) && bytes(a.inputs[2]) === bytes(b.inputs[2]);
  }
}
