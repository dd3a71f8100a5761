/** A model under way: nodes and initializers in the order they came, and names that clash with none of the program's. */
import {
  type Graph,
  type Node,
  opOf,
  producersOf,
  type TensorType,
  typesOf,
  usersOf,
} from '../../ir/index.ts';
import { onnxNodeOf } from '../../passes/location.ts';
import { type Written, writtenConstant, writtenValue } from './integers.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './model.ts';
import type { IntegerForm } from './profile.ts';

export class Emission {
  readonly graph: Graph;
  readonly form: IntegerForm;
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly #types: ReadonlyMap<string, TensorType>;
  readonly #taken: Set<string>;
  readonly #shared = new Map<string, string>();
  readonly #nodeNames = new Set<string>();
  /**
   * Integers on either side of an op that only moves or selects elements. ONNX Runtime 1.32 runs such an op on them whatever their type, and
   * has no kernel for fewer than 8 bits: these are never narrow.
   */
  readonly #moved: ReadonlySet<string>;
  #node: Node | undefined;

  constructor(graph: Graph, form: IntegerForm) {
    this.graph = graph;
    this.form = form;
    this.#types = typesOf(graph);
    this.#taken = new Set(this.#types.keys());
    this.#moved = movedIntegers(graph);
  }

  typeOf(name: string): TensorType {
    const type = this.#types.get(name);
    if (type === undefined) throw new Error(`no value named ${name}`);
    return type;
  }

  /** How the integers of a value or constant are written. What the program returns keeps its type. */
  writtenAs(name: string): Written {
    const { element } = this.typeOf(name);
    const asIs = this.graph.constants.has(name) || this.graph.outputs.includes(name);
    if (asIs) return writtenConstant(element, this.form);
    return writtenValue(element, this.#moved.has(name) ? { ...this.form, widths: 'bytes' } : this.form);
  }

  /** Says which node of the program is written next. */
  begin(node: Node): void {
    this.#node = node;
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

  /** Adds a node. The one that makes a result keeps the name of the ONNX node it comes from; others, quantizers among them, are named after what they make. */
  push(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    const known =
      output === this.#node?.result.name && !/^(De)?[Qq]uantize/.test(this.#node.op)
        ? onnxNodeOf(this.#node.location)
        : undefined;
    const name = this.#nodeName(known ?? output.replace(/_Output(?=\.\d+$|$)/, ''));
    this.nodes.push({ name, opType, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  #nodeName(wish: string): string {
    let name = wish;
    for (let i = 1; this.#nodeNames.has(name); i++) name = `${wish}.${i}`;
    this.#nodeNames.add(name);
    return name;
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

function movedIntegers(graph: Graph): Set<string> {
  const makers = producersOf(graph);
  const users = usersOf(graph);
  const moved = new Set<string>();
  for (const { op, operands, result } of graph.nodes) {
    if (opOf(op).traits.transparent !== true) continue;
    for (const operand of operands) {
      const maker = makers.get(operand);
      if (maker?.op === 'dequantize') moved.add(maker.operands[0]!);
    }
    for (const user of users.get(result.name) ?? []) if (user.op === 'quantize') moved.add(user.result.name);
  }
  return moved;
}
