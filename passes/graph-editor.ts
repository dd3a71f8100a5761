/**
 * A graph while rewrites work on it: producers and users of every value are kept exact after each replacement, so that a rewrite
 * may ask whether it holds the only use of a value and believe the answer.
 *
 * Laws of a replacement: the value that replaces another has the same type; it takes over the other's name if it is new; names of
 * graph outputs never change; nodes and constants that lose their last use with it are gone.
 */
import {
  type Attributes,
  completeAttributes,
  type Element,
  fail,
  formatType,
  type Graph,
  inferElement,
  isQuantized,
  type Node,
  nodeProblem,
  opOf,
  sameType,
  type Tensor,
  type TensorType,
  type Value,
} from '../ir/index.ts';
import { derivedLocation } from './location.ts';

/** What a rewrite may ask of the graph it looks at. */
export interface GraphView {
  /** The node that makes a value; undefined for inputs and constants. */
  readonly producer: (name: string) => Node | undefined;
  /** The nodes that read a value, once per operand. */
  readonly users: (name: string) => readonly Node[];
  readonly constant: (name: string) => Tensor | undefined;
  readonly typeOf: (name: string) => TensorType;
  readonly isOutput: (name: string) => boolean;
  /** One node reads the value, once, and the program does not return it. */
  readonly isUsedOnce: (name: string) => boolean;
  /** True when `a` comes before `b` in program order. */
  readonly precedes: (a: Node, b: Node) => boolean;
}

export interface DraftOptions {
  /** Wished-for name, made unique. The node that replaces the root takes the root's name instead. */
  readonly name?: string;
  /** Element of the result, where the op leaves it free. */
  readonly element?: Element;
  /** The nodes this one stands for, the most telling first. Default: the root of the rewrite. */
  readonly from?: readonly Node[];
}

/** What one rewrite is about to put in the place of its root. Nothing happens to the graph before it is committed. */
export class Draft {
  readonly graph: GraphView;
  readonly root: Node;
  readonly nodes: Node[] = [];
  readonly constants = new Map<string, { readonly wish: string; readonly value: Tensor }>();
  readonly #by: string;
  readonly #types = new Map<string, TensorType>();
  readonly #taken: (name: string) => boolean;

  constructor(graph: GraphView, root: Node, by: string, taken: (name: string) => boolean) {
    this.graph = graph;
    this.root = root;
    this.#by = by;
    this.#taken = taken;
  }

  typeOf(name: string): TensorType {
    return this.#types.get(name) ?? this.graph.typeOf(name);
  }

  /** Adds a node and returns the name of its result. Throws a QcError when the node breaks a constraint of its op. */
  add(
    op: string,
    operands: readonly string[],
    attributes: Attributes = {},
    options: DraftOptions = {},
  ): string {
    const definition = opOf(op);
    const types = operands.map((operand) => this.typeOf(operand));
    const complete = completeAttributes(definition, attributes);
    const name = this.#unique(options.name ?? `${this.root.result.name}.${op}`);
    const element = inferElement(definition, types, options.element);
    if (typeof element === 'string') fail('verify/result-element', `%${name} = ${op}: ${element}`);
    const problem = nodeProblem(definition, types, complete, { element, shape: [] }, 'operands');
    if (problem !== undefined) fail(problem.code, `%${name} = ${op}: ${problem.message}`);
    const type: TensorType = { element, shape: definition.shape(types, complete) };
    const location = derivedLocation(this.#by, options.from ?? [this.root]);
    this.nodes.push({
      op,
      operands,
      attributes: complete,
      result: { name, type },
      ...(location === undefined ? {} : { location }),
    });
    this.#types.set(name, type);
    return name;
  }

  /** Adds a constant. It gets the wished-for name also where the rewrite is what frees it. */
  constant(wish: string, value: Tensor): string {
    const name = this.#unique(wish);
    this.constants.set(name, { wish, value });
    this.#types.set(name, value.type);
    return name;
  }

  #unique(base: string): string {
    const taken = (name: string): boolean => this.#taken(name) || this.#types.has(name);
    if (!taken(base)) return base;
    for (let i = 1; ; i++) if (!taken(`${base}.${i}`)) return `${base}.${i}`;
  }
}

export class GraphEditor implements GraphView {
  readonly #graph: Graph;
  readonly #order: string[];
  readonly #nodes = new Map<string, Node>();
  readonly #constants: Map<string, Tensor>;
  readonly #inputs: ReadonlyMap<string, Value>;
  readonly #outputs: readonly string[];
  /** Names of the nodes that read a value, once per operand. */
  readonly #uses = new Map<string, string[]>();
  /** Constants that types name as their scales: they are never dropped here. */
  readonly #scales = new Set<string>();
  #changed = false;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#order = graph.nodes.map((node) => node.result.name);
    this.#constants = new Map(graph.constants);
    this.#inputs = new Map(graph.inputs.map((input) => [input.name, input]));
    this.#outputs = graph.outputs;
    for (const node of graph.nodes) this.#insert(node);
    for (const type of [...graph.inputs.map((input) => input.type), ...constantTypes(graph)]) {
      this.#noteScale(type);
    }
  }

  /** Names of the nodes' results, in program order. */
  get order(): readonly string[] {
    return this.#order;
  }

  readonly node = (name: string): Node => {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`no node makes %${name}`);
    return node;
  };

  readonly producer = (name: string): Node | undefined => this.#nodes.get(name);

  readonly users = (name: string): readonly Node[] =>
    (this.#uses.get(name) ?? []).map((user) => this.node(user));

  readonly constant = (name: string): Tensor | undefined => this.#constants.get(name);

  readonly typeOf = (name: string): TensorType => {
    const type =
      this.#nodes.get(name)?.result.type ?? this.#constants.get(name)?.type ?? this.#inputs.get(name)?.type;
    if (type === undefined) throw new Error(`no value named ${name}`);
    return type;
  };

  readonly isOutput = (name: string): boolean => this.#outputs.includes(name);

  readonly isUsedOnce = (name: string): boolean =>
    (this.#uses.get(name) ?? []).length === 1 && !this.isOutput(name);

  readonly precedes = (a: Node, b: Node): boolean =>
    this.#order.indexOf(a.result.name) < this.#order.indexOf(b.result.name);

  draft(root: Node, by: string): Draft {
    return new Draft(this, root, by, (name) => this.#isTaken(name));
  }

  /**
   * Puts the value `by`, of the draft or of the graph, in the place of the draft's root. Returns why not, if a graph output would
   * lose its name by it; the graph is then as it was.
   */
  commit(draft: Draft, by: string): string | undefined {
    const root = draft.root.result;
    if (!sameType(draft.typeOf(by), root.type)) {
      throw new Error(
        `%${root.name} of type ${formatType(root.type)} replaced by ${formatType(draft.typeOf(by))}`,
      );
    }
    const isNew = draft.nodes.some((node) => node.result.name === by);
    if (!isNew && this.isOutput(root.name)) {
      if (draft.constants.has(by) || this.#nodes.get(by) === undefined || this.isOutput(by)) {
        return `%${root.name} is a graph output and %${by} has a name of its own to keep`;
      }
    }
    this.#changed = true;
    for (const [name, { value }] of draft.constants) this.#constants.set(name, value);
    const at = this.#order.indexOf(root.name);
    this.#order.splice(at, 0, ...draft.nodes.map((node) => node.result.name));
    for (const node of draft.nodes) this.#insert(node);
    const outside = this.users(root.name);
    for (const user of new Set(outside)) {
      this.#swap(user, {
        ...user,
        operands: user.operands.map((operand) => (operand === root.name ? by : operand)),
      });
    }
    this.#drop(root.name, by);
    if (isNew || this.isOutput(root.name)) {
      this.#rename(by, root.name);
      const heir = this.node(root.name);
      if (isNew && root.notes !== undefined) {
        this.#swap(heir, { ...heir, result: { ...heir.result, notes: root.notes } });
      }
    }
    for (const [name, { wish }] of draft.constants) {
      if (this.#constants.has(name) && name !== wish && !this.#isTaken(wish)) this.#rename(name, wish);
    }
    return undefined;
  }

  /** The graph as it stands: the one it was made from if nothing was committed. */
  finish(): Graph {
    if (!this.#changed) return this.#graph;
    return {
      name: this.#graph.name,
      inputs: this.#graph.inputs,
      constants: this.#constants,
      nodes: this.#order.map((name) => this.node(name)),
      outputs: this.#outputs,
    };
  }

  #isTaken(name: string): boolean {
    return this.#nodes.has(name) || this.#constants.has(name) || this.#inputs.has(name);
  }

  #insert(node: Node): void {
    this.#nodes.set(node.result.name, node);
    this.#noteScale(node.result.type);
    for (const operand of node.operands) {
      const list = this.#uses.get(operand);
      if (list === undefined) this.#uses.set(operand, [node.result.name]);
      else list.push(node.result.name);
    }
  }

  #swap(old: Node, next: Node): void {
    for (const operand of old.operands) this.#forgetUse(operand, old.result.name);
    this.#nodes.delete(old.result.name);
    this.#insert(next);
  }

  /** Removes a node without users, and everything but `heir` that only it kept alive. */
  #drop(name: string, heir: string): void {
    const node = this.node(name);
    this.#order.splice(this.#order.indexOf(name), 1);
    this.#nodes.delete(name);
    for (const operand of node.operands) this.#forgetUse(operand, name);
    for (const operand of new Set(node.operands)) {
      if (operand === heir || (this.#uses.get(operand) ?? []).length > 0 || this.isOutput(operand)) continue;
      if (this.#nodes.has(operand)) this.#drop(operand, heir);
      else if (!this.#scales.has(operand)) this.#constants.delete(operand);
    }
  }

  #forgetUse(operand: string, user: string): void {
    const list = this.#uses.get(operand) ?? [];
    const at = list.indexOf(user);
    if (at >= 0) list.splice(at, 1);
  }

  #rename(from: string, to: string): void {
    if (from === to) return;
    const users = new Set(this.users(from));
    const node = this.#nodes.get(from);
    if (node !== undefined) {
      this.#order[this.#order.indexOf(from)] = to;
      this.#swap(node, { ...node, result: { ...node.result, name: to } });
    }
    const constant = this.#constants.get(from);
    if (constant !== undefined) {
      this.#constants.delete(from);
      this.#constants.set(to, constant);
    }
    for (const user of users) {
      this.#swap(user, {
        ...user,
        operands: user.operands.map((operand) => (operand === from ? to : operand)),
      });
    }
    this.#uses.delete(from);
  }

  #noteScale(type: TensorType): void {
    if (isQuantized(type) && typeof type.element.scale === 'string') this.#scales.add(type.element.scale);
  }
}

function constantTypes(graph: Graph): TensorType[] {
  return [...graph.constants.values()].map((constant) => constant.type);
}
