/**
 * Making graphs. The builder infers every result type from the op's declaration, fills in default attributes, keeps names unique
 * and checks each node as it is added, so that a graph that leaves it verifies.
 */
import type { Attributes } from './attributes.ts';
import type { Location } from './diagnostics.ts';
import { fail } from './diagnostics.ts';
import type { Graph, Node, Value } from './graph.ts';
import { completeAttributes, inferElement } from './infer.ts';
import type { Notes } from './notes.ts';
import { opOf } from './ops/index.ts';
import type { Tensor } from './tensor.ts';
import type { Element, TensorType } from './types.ts';
import { nodeProblem } from './verify.ts';

export interface NodeOptions {
  /** Wished-for name of the result; made unique. Default: `%0`, `%1`, ... */
  readonly name?: string;
  /** Element of the result, where the op leaves it free. */
  readonly element?: Element;
  readonly location?: Location | undefined;
  readonly notes?: Notes | undefined;
}

export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: Value[] = [];
  readonly #nodes: Node[] = [];
  readonly #constants = new Map<string, Tensor>();
  readonly #types = new Map<string, TensorType>();
  #serial = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** A name not yet taken: `base`, or `base.1`, `base.2`, ... */
  unique(base: string): string {
    if (!this.#types.has(base)) return base;
    for (let i = 1; ; i++) {
      const name = `${base}.${i}`;
      if (!this.#types.has(name)) return name;
    }
  }

  typeOf(name: string): TensorType {
    const type = this.#types.get(name);
    if (type === undefined) throw new Error(`no value named ${name}`);
    return type;
  }

  has(name: string): boolean {
    return this.#types.has(name);
  }

  /** The constant of this name, if it is one. */
  constantOf(name: string): Tensor | undefined {
    return this.#constants.get(name);
  }

  input(name: string, type: TensorType, notes?: Notes): string {
    return this.addInput(notes === undefined ? { name, type } : { name, type, notes });
  }

  addInput(value: Value): string {
    if (this.#types.has(value.name)) throw new Error(`input ${value.name} is already defined`);
    this.#inputs.push(value);
    this.#types.set(value.name, value.type);
    return value.name;
  }

  constant(name: string, value: Tensor): string {
    const unique = this.unique(name);
    this.#constants.set(unique, value);
    this.#types.set(unique, value.type);
    return unique;
  }

  /** Adds a node and returns the name of its result. Throws a QcError when the node breaks a constraint of its op. */
  add(
    op: string,
    operands: readonly string[],
    attributes: Attributes = {},
    options: NodeOptions = {},
  ): string {
    const definition = opOf(op);
    const types = operands.map((operand) => this.typeOf(operand));
    const complete = completeAttributes(definition, attributes);
    let name = options.name === undefined ? undefined : this.unique(options.name);
    while (name === undefined) {
      const candidate = String(this.#serial++);
      if (!this.#types.has(candidate)) name = candidate;
    }
    const element = inferElement(definition, types, options.element);
    if (typeof element === 'string') {
      fail('verify/result-element', `%${name} = ${op}: ${element}`, locationOf(options.location));
    }
    // Constraints come first: an op's shape function may assume them.
    const draft: TensorType = { element, shape: [] };
    const problem = nodeProblem(definition, types, complete, draft, 'operands');
    if (problem !== undefined) {
      fail(problem.code, `%${name} = ${op}: ${problem.message}`, locationOf(options.location));
    }
    const type: TensorType = { element, shape: definition.shape(types, complete) };
    return this.addNode({
      op,
      operands,
      attributes: complete,
      result: options.notes === undefined ? { name, type } : { name, type, notes: options.notes },
      ...(options.location === undefined ? {} : { location: options.location }),
    });
  }

  /** Adds a finished node as it is, under its own name. */
  addNode(node: Node): string {
    if (this.#types.has(node.result.name)) throw new Error(`%${node.result.name} is already defined`);
    this.#nodes.push(node);
    this.#types.set(node.result.name, node.result.type);
    return node.result.name;
  }

  finish(outputs: readonly string[]): Graph {
    return {
      name: this.#name,
      inputs: this.#inputs,
      constants: this.#constants,
      nodes: this.#nodes,
      outputs,
    };
  }
}

function locationOf(location: Location | undefined): { location?: Location } {
  return location === undefined ? {} : { location };
}
