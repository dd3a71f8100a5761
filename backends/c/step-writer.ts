/**
 * Collects one step as one C function: its statements, and the buffers they turn out to need. A buffer is a parameter of the
 * function; beside it stands the argument that the run function will pass: a stored value, packed weights, or scratch memory. The
 * function itself knows no address, so each can be read, and evaluated, alone.
 */
import {
  fail,
  type Graph,
  isSigned,
  type Node,
  type Storage,
  type Tensor,
  type TensorType,
} from '../../ir/index.ts';
import type { StoredLayout } from '../../runtime/manifest.ts';
import {
  Block,
  type Element,
  type Isa,
  type KernelArray,
  type LoopKernel,
  storageArray,
  table,
  type Team,
  variable,
} from '../kernel/index.ts';
import { prune, readsOf } from '../kernel/prune.ts';
import { verifyKernel } from '../kernel/verify.ts';
import type { Layer } from './layer.ts';
import { type Step, storedLayout } from '../plan/index.ts';

/** Where a parameter's memory comes from. Scratch offsets are in bytes, within the step's scratch of that scope. */
export type Argument =
  | { readonly kind: 'value'; readonly name: string }
  | { readonly kind: 'image' }
  | { readonly kind: 'weights'; readonly bytes: Uint8Array; readonly title: string }
  | { readonly kind: 'scratch'; readonly scope: ScratchScope; readonly offset: number };

/** Scratch memory that all threads of a run share, or that each has for itself. */
export type ScratchScope = 'shared' | 'own';

export interface Parameter {
  readonly array: KernelArray;
  readonly argument: Argument;
}

/** One step as a C function, with what to pass it. */
export interface StepCode {
  readonly step: Step;
  readonly kernel: LoopKernel;
  readonly parameters: readonly Parameter[];
  readonly scratchBytes: Readonly<Record<ScratchScope, number>>;
}

/** What steps ask about the program they belong to. */
export interface ProgramFacts {
  readonly graph: Graph;
  readonly types: ReadonlyMap<string, TensorType>;
  /** Whether some variant of the program reads this layer's weights in panels: then all do. */
  readonly readsPanels: (layer: Layer) => boolean;
}

const scratchAlignment = 64;

/** Leaves room for the number that tells apart two of one name. */
const longestTableName = 58;

/** Bytes of an element in memory; an i32 and an f32 take four. */
const elementBytes: Partial<Record<Element, number>> = { i8: 1, u8: 1, i16: 2, u16: 2, i32: 4, f32: 4 };

/** What an array holds whose tensor has this storage: a byte where it has fewer bits. */
export function elementOf(storage: Storage | 'f32'): Element {
  switch (storage) {
    case 'f32':
    case 'i32':
    case 'i16':
      return storage;
    default:
      return isSigned(storage) ? 'i8' : 'u8';
  }
}

/**
 * Stored activations take whole bytes, whatever their bits: they live for a few microseconds in a cache that has the room, and packing would cost
 * instructions at both ends. Weights, which are many and read from far, are packed.
 */
export const layoutOf = (type: TensorType): StoredLayout => storedLayout(type, 8, 8);

export class StepWriter {
  readonly block = new Block();
  readonly name: string;
  readonly #facts: ProgramFacts;
  readonly #isa: Isa | undefined;
  readonly #parameters: Parameter[] = [];
  readonly #values = new Map<string, KernelArray>();
  readonly #scratchBytes: Record<ScratchScope, number> = { shared: 0, own: 0 };
  /** The threads that call the function, for those who share its work: see `share.ts`. A function that asks for none is called by one. */
  readonly team: Team = { thread: variable('thread', 'i32'), threads: variable('threads', 'i32') };

  /** `name` is the C function's, an identifier; `isa` what it is compiled for. */
  constructor(name: string, facts: ProgramFacts, isa?: Isa) {
    this.name = name;
    this.#facts = facts;
    this.#isa = isa;
  }

  typeOf(name: string): TensorType {
    const type = this.#facts.types.get(name);
    if (type === undefined) throw new Error(`no value named ${name}`);
    return type;
  }

  /** Whether the weights of a layer are there in panels, because a kernel of this artifact wants them so. */
  sharesPanels(layer: Layer): boolean {
    return this.#facts.readsPanels(layer);
  }

  constant(name: string): Tensor | undefined {
    return this.#facts.graph.constants.get(name);
  }

  /** The constant a node's operand is; the verifier has seen to it that it is one. */
  operandConstant(node: Node, index: number): Tensor | undefined {
    const operand = node.operands[index];
    return operand === undefined ? undefined : this.constant(operand);
  }

  /** A stored value or a port of the program, to read. */
  input(name: string, label: string): KernelArray {
    return this.#value(name, label, 'read');
  }

  /** A stored value or a port of the program, to write. */
  output(name: string, label: string): KernelArray {
    return this.#value(name, label, 'read_write');
  }

  #value(name: string, label: string, access: 'read' | 'read_write'): KernelArray {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    if (this.constant(name) !== undefined) {
      fail('c/constant', `${JSON.stringify(name)} is a constant where C reads a tensor`, {
        help: 'run fold-constants before emitting',
      });
    }
    const array = storageArray(label, elementOf(this.typeOf(name).element.storage), access);
    this.#values.set(name, array);
    this.#parameters.push({ array, argument: { kind: 'value', name } });
    return array;
  }

  /** The image of the byte entry point. */
  image(): KernelArray {
    const array = storageArray('image', 'u8', 'read');
    this.#parameters.push({ array, argument: { kind: 'image' } });
    return array;
  }

  /** Weights that are too many for a table in the source: they go where the artifact keeps its weights. */
  weights(element: 'i8' | 'u8', bytes: Uint8Array, title: string): KernelArray {
    const array = storageArray('weights', element, 'read');
    this.#parameters.push({ array, argument: { kind: 'weights', bytes, title } });
    return array;
  }

  /** Memory of this step's own, of undefined content when the step begins; shared by all threads, or each thread's own. */
  scratch(scope: ScratchScope, label: string, element: Element, length: number): KernelArray {
    const array = storageArray(label, element, 'read_write');
    const bytes = length * (elementBytes[element] ?? 8);
    const offset = this.#scratchBytes[scope];
    this.#parameters.push({ array, argument: { kind: 'scratch', scope, offset } });
    this.#scratchBytes[scope] = offset + Math.ceil(bytes / scratchAlignment) * scratchAlignment;
    return array;
  }

  /** A table of constants of this step. */
  table(label: string, element: Element, values: ArrayLike<number>): KernelArray {
    const owner = this.name.slice(0, longestTableName - label.length).replace(/_+$/, '');
    return table(`${owner}_${label}`, element, Array.from(values));
  }

  /** The finished function. Parameters in the order a reader expects: what it reads, what it writes, its scratch. */
  finish(step: Step, doc: readonly string[]): StepCode {
    const rank = ({ array, argument }: Parameter): number =>
      argument.kind === 'scratch'
        ? 3
        : array.access === 'read_write'
          ? 2
          : argument.kind === 'weights'
            ? 1
            : 0;
    const parameters = [...this.#parameters].sort((a, b) => rank(a) - rank(b));
    const body = prune(this.block.statements);
    const kernel = verifyKernel<LoopKernel>({
      flavour: 'loop',
      name: this.name,
      doc,
      parameters: parameters.map(({ array }) => array),
      body,
      ...(readsOf(body).has(this.team.thread) ? { team: this.team } : {}),
      ...(this.#isa === undefined ? {} : { isa: this.#isa }),
    });
    return { step, kernel, parameters, scratchBytes: this.#scratchBytes };
  }
}
