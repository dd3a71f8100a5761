/**
 * Profiles: how a quantized program is written for the engine that is to run it. What an engine wants differs in where Q and DQ stand (which
 * the passes decide, by `placement` and `signed`) and in how integers are written (which the emitter decides, by the rest).
 *
 *   exact      after every accumulator what the integer artifacts store: the same integers, up to rare ties of rounding
 *   ort-cpu    every operand and result of every operator stored in 8 bits, so that ONNX Runtime computes all of them in integers
 *   tensorrt   signed 8 bits around 0 everywhere, biases in float, the layer that is added to a shortcut left alone
 *   int4       as exact, with 4-bit integers of ONNX's own (opset 21), 2-bit ones too (opset 25): small, and computed in float
 */
import { fail } from '../../ir/index.ts';

export const profileNames = ['exact', 'ort-cpu', 'tensorrt', 'int4'] as const;
export type ProfileName = (typeof profileNames)[number];

export interface Profile {
  readonly name: ProfileName;
  /** One sentence, shown by `qc help compile`. */
  readonly summary: string;
  /** Where values are stored: see `passes/quantization-points.ts`. */
  readonly placement: 'accumulators' | 'operators';
  /** Activations that are nowhere below zero are signed too. */
  readonly signed: boolean;
  /** Biases are int32, in the steps of the accumulator. */
  readonly integerBiases: boolean;
  /** What integers are written as: see `IntegerForm`. */
  readonly form: IntegerForm;
}

export interface IntegerForm {
  /** `bytes` holds narrow integers in 8 bits, `narrow` in types of their own. */
  readonly widths: 'bytes' | 'narrow';
  /** Signed 8-bit activations are written unsigned around 128: the same reals, and what x86 multiplies fastest by signed weights. */
  readonly offset: boolean;
}

/** As the IR has them, in bytes: what engines are handed that run a program for the compiler. */
export const plainForm: IntegerForm = { widths: 'bytes', offset: false };

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  exact: {
    name: 'exact',
    summary:
      'the integers of the C and WGSL artifacts, for any runtime; ONNX Runtime adds shortcuts in float',
    placement: 'accumulators',
    signed: false,
    integerBiases: true,
    form: { widths: 'bytes', offset: true },
  },
  'ort-cpu': {
    name: 'ort-cpu',
    summary:
      'ONNX Runtime on CPUs computes every layer, addition and pool in integers: u8 activations, s8 weights',
    placement: 'operators',
    signed: false,
    integerBiases: true,
    form: { widths: 'bytes', offset: true },
  },
  tensorrt: {
    name: 'tensorrt',
    summary: 'TensorRT: s8 around 0 for activations and weights, biases in float; activations of 8 bits',
    placement: 'accumulators',
    signed: true,
    integerBiases: false,
    form: plainForm,
  },
  int4: {
    name: 'int4',
    summary:
      'integers of 4 bits as int4 and uint4 (opset 21), of 2 as int2 and uint2 (opset 25): half the size',
    placement: 'accumulators',
    signed: false,
    integerBiases: true,
    form: { widths: 'narrow', offset: true },
  },
};

export const defaultProfile = profiles.exact;

/** The profile of a name. Fails with `onnx/profile`. */
export function profileOf(name: string): Profile {
  const known = profileNames.find((each) => each === name);
  if (known !== undefined) return profiles[known];
  return fail('onnx/profile', `there is no profile ${JSON.stringify(name)}`, {
    help: `one of ${profileNames.join(', ')}`,
  });
}
