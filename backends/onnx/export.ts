/** A program of the float or quantized level as the model that a user asked for: in the form of a profile, under standard names. */
import { bitWidth, fail, formatElement, type Graph, isSigned, type Node } from '../../ir/index.ts';
import { emitOnnx } from './emit.ts';
import type { OnnxModel } from './model.ts';
import type { Profile } from './profile.ts';
import { withStandardNames } from './standard-names.ts';

/**
 * `outputs` are the names of the model's outputs, in order. Throws a QcError `onnx/profile` where the program holds what the profile has no
 * place for.
 */
export function exportOnnx(graph: Graph, profile: Profile, outputs: readonly string[]): OnnxModel {
  if (profile.signed) for (const node of graph.nodes) checkSigned(node, profile);
  return emitOnnx(withStandardNames(graph, outputs), { form: profile.form });
}

/** TensorRT knows no activations but int8 around 0. */
function checkSigned({ op, result }: Node, profile: Profile): void {
  const { element } = result.type;
  if (op !== 'quantize' || element.kind !== 'quantized') return;
  const { storage, zeroPoint } = element;
  if (isSigned(storage) && bitWidth(storage) === 8 && zeroPoint === 0) return;
  const narrow = bitWidth(storage) < 8;
  fail(
    'onnx/profile',
    `profile ${profile.name} stores activations in 8 bits, signed around 0, and %${result.name} is ${formatElement(element)}`,
    {
      help: narrow
        ? 'give activations 8 bits (--bits 8, --precision w4a8), or choose --profile exact or int4'
        : 'compile the float model: ranges that were chosen for another profile are kept',
    },
  );
}
