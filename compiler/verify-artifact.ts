/**
 * The promise, checked: every tensor that an artifact stores is what the interpreter computes, bit for bit, f32 included. Softmax alone is
 * outside it (exp differs between machines), with whatever reads it: such tensors are compared within a tolerance and not counted.
 */
import { type Graph, interpret, type Tensor } from '../ir/index.ts';
import { inputTensors } from './runners/reference.ts';

export interface Mismatch {
  readonly tensor: string;
  /** Position in the tensor, row-major. */
  readonly index: number;
  readonly expected: number;
  readonly got: number;
  /** The sample it was found on. */
  readonly sample: number;
  readonly shape: readonly number[];
}

/** Largest difference that results of softmax, which lie in 0..1, may have. */
const softmaxTolerance = 1e-5;

/** Compares traces with the interpreter, sample by sample. */
export class Verification {
  readonly #graph: Graph;
  readonly #outside: ReadonlySet<string>;
  readonly #compared = new Set<string>();
  readonly #outsideSeen = new Set<string>();
  #samples = 0;
  #values = 0;
  #mismatches = 0;
  #first: Mismatch | undefined;
  #largestOutside = 0;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#outside = outsideOf(graph);
  }

  /** Compares what an artifact stored on these inputs. A tensor that the program does not have is a bug of the runner. */
  add(inputs: readonly Float32Array[], trace: ReadonlyMap<string, Tensor>): void {
    const waiting = new Set(trace.keys());
    interpret(this.#graph, inputTensors(this.#graph, inputs), {
      observe: (name, expected) => {
        const got = trace.get(name);
        if (got === undefined) return;
        waiting.delete(name);
        if (this.#outside.has(name)) this.#compareNear(name, expected, got);
        else this.#compare(name, expected, got);
      },
    });
    if (waiting.size > 0) throw new Error(`the program has no value named ${[...waiting].join(', ')}`);
    this.#samples += 1;
  }

  #compare(name: string, expected: Tensor, got: Tensor): void {
    this.#compared.add(name);
    this.#values += expected.data.length;
    if (got.data.length !== expected.data.length) {
      throw new Error(`%${name} has ${got.data.length} values, expected ${expected.data.length}`);
    }
    for (let i = 0; i < expected.data.length; i++) {
      const [a, b] = [expected.data[i]!, got.data[i]!];
      if (Object.is(a, b)) continue;
      this.#mismatches += 1;
      this.#first ??= {
        tensor: name,
        index: i,
        expected: a,
        got: b,
        sample: this.#samples,
        shape: expected.type.shape,
      };
    }
  }

  #compareNear(name: string, expected: Tensor, got: Tensor): void {
    this.#outsideSeen.add(name);
    for (let i = 0; i < expected.data.length; i++) {
      this.#largestOutside = Math.max(this.#largestOutside, Math.abs(expected.data[i]! - got.data[i]!));
    }
  }

  get samples(): number {
    return this.#samples;
  }

  /** How many tensors were compared bit for bit, each counted once. */
  get tensors(): number {
    return this.#compared.size;
  }

  get values(): number {
    return this.#values;
  }

  get mismatches(): number {
    return this.#mismatches;
  }

  /** The first value that differs, in program order. */
  get firstMismatch(): Mismatch | undefined {
    return this.#first;
  }

  /** What was compared within a tolerance only. */
  get outside(): {
    readonly tensors: readonly string[];
    readonly largestDifference: number;
    readonly near: boolean;
  } {
    return {
      tensors: [...this.#outsideSeen],
      largestDifference: this.#largestOutside,
      near: this.#largestOutside <= softmaxTolerance,
    };
  }
}

/** Results of softmax and everything computed from them. */
function outsideOf(graph: Graph): ReadonlySet<string> {
  const outside = new Set<string>();
  for (const { op, operands, result } of graph.nodes) {
    if (op === 'softmax' || operands.some((operand) => outside.has(operand))) outside.add(result.name);
  }
  return outside;
}

/** The position of a row-major index: `[n, c, h, w]`. */
export function positionOf(index: number, shape: readonly number[]): number[] {
  const position: number[] = [];
  let rest = index;
  for (const extent of [...shape].reverse()) {
    position.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return position;
}
