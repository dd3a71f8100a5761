/**
 * A float program as engines without an ONNX reader want it told: its nodes with shapes and attributes, batch norms folded, no weights. Times
 * do not depend on the weights' values, so who builds the network draws some.
 */
import { type AttributeValue, type Graph, typesOf } from '../ir/index.ts';
import { cleanFloat } from '../compiler/float-program.ts';

export interface NetworkNode {
  readonly name: string;
  readonly op: string;
  /** Names of activations, constants left out. */
  readonly inputs: readonly string[];
  /** Shapes of the constants among the operands: weight, bias. */
  readonly constants: readonly (readonly number[])[];
  readonly shape: readonly number[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface Network {
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: string;
  readonly nodes: readonly NetworkNode[];
}

/** The network of a float program of one input and one output. */
export async function networkOf(program: Graph): Promise<Network> {
  const graph = await cleanFloat(program);
  const types = typesOf(graph);
  const [input, output] = [graph.inputs[0]!, graph.outputs[0]!];
  return {
    input: { name: input.name, shape: input.type.shape },
    output,
    nodes: graph.nodes.map(({ op, operands, attributes, result }) => ({
      name: result.name,
      op,
      inputs: operands.filter((name) => !graph.constants.has(name)),
      constants: operands.filter((name) => graph.constants.has(name)).map((name) => types.get(name)!.shape),
      shape: result.type.shape,
      attributes,
    })),
  };
}
