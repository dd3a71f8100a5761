/** A model under way: nodes and initializers in the order they came, and names that clash with none of the program's. */
import { type Graph, type TensorType, typesOf } from '../../ir/index.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './model.ts';

export class Emission {
  readonly graph: Graph;
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #types: ReadonlyMap<string, TensorType>;
  readonly #taken: Set<string>;
  readonly #shared = new Map<string, string>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.#types = typesOf(graph);
    this.#taken = new Set(this.#types.keys());
  }

  typeOf(name: string): TensorType {
    const type = this.#types.get(name);
    if (type === undefined) throw new Error(`no value named ${name}`);
    return type;
  }

  /** `base`, or `base.1`, `base.2`, ... */
  fresh(base: string): string {
    let name = base;
    for (let i = 1; this.#taken.has(name); i++) name = `${base}.${i}`;
    this.#taken.add(name);
    return name;
  }

  /** Adds an initializer under a fresh name. */
  initializer(tensor: OnnxTensor): string {
    const name = this.fresh(tensor.name);
    this.initializers.push({ ...tensor, name });
    return name;
  }

  /** One initializer for all who ask with the same key. */
  shared(key: string, make: () => OnnxTensor): string {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.initializer(make());
    this.#shared.set(key, name);
    return name;
  }

  /** Adds a node, named after what it makes. */
  push(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    this.nodes.push({ name: output, opType, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  /** Adds a node on the way to `result` and returns what it makes. */
  step(
    opType: string,
    inputs: readonly string[],
    result: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    return this.push(opType, inputs, this.fresh(`${result}/${opType}`), attributes);
  }
}
