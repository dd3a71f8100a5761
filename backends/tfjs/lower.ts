/**
 * What each op becomes in the training graph: one row an op of the float and the quantized level, from a node to the call that computes it.
 *
 * A value keeps one of two layouts: images are channels-last, everything else is as the program has it. What a row needs otherwise it asks
 * the walk for, which writes the transpose.
 */
import {
  fail,
  type IntegerOp,
  type Node,
  type OpName,
  type QuantizedElement,
  bitWidth,
  isSigned,
} from '../../ir/index.ts';
import { type Argument, Reference } from './call.ts';
import { channelsLast, channelsLastAxis } from './layout.ts';
import type { Lowering } from './walk.ts';

export type LoweredOp = Exclude<OpName, Extract<IntegerOp, 'requantize' | 'lookup'>>;

const list = (node: Node, name: string): number[] => [...(node.attributes[name] as readonly number[])];
const number = (node: Node, name: string): number => node.attributes[name] as number;

/** A function of the operands, element by element, with numbers behind them. */
function elementwise(callee: string, ...attributes: readonly string[]): Lowering {
  return (node, walk) => {
    const [x] = node.operands;
    const last = walk.isChannelsLast(x!);
    return {
      call: {
        callee: walk.operation(callee),
        arguments: [walk.value(x!), ...attributes.map((name) => number(node, name))],
      },
      channelsLast: last,
    };
  };
}

function binary(callee: string): Lowering {
  return (node, walk) => {
    const rank = node.result.type.shape.length;
    const last = rank === 4;
    const operands = node.operands.map((operand) =>
      last ? walk.broadcastImage(operand) : walk.plain(operand),
    );
    return { call: { callee: walk.operation(callee), arguments: operands } };
  };
}

/** Options that differ from what the runtime assumes. */
function windowOptions(node: Node): Record<string, Argument | undefined> {
  const [strides, pads, dilations] = [list(node, 'strides'), list(node, 'pads'), list(node, 'dilations')];
  return {
    strides: strides.some((stride) => stride !== 1) ? strides : undefined,
    pads: pads.some((pad) => pad !== 0) ? pads : undefined,
    dilations: dilations.some((dilation) => dilation !== 1) ? dilations : undefined,
  };
}

function pool(callee: string): Lowering {
  return (node, walk) => {
    const options = windowOptions(node);
    if (options['dilations'] !== undefined) refuse(node, 'a pool with dilations');
    return {
      call: {
        callee: walk.operation(callee),
        arguments: [walk.image(node.operands[0]!), { kernel: list(node, 'kernel'), ...options }],
      },
    };
  };
}

function layer(callee: string): Lowering {
  return (node, walk) => {
    const [x, , bias] = node.operands;
    const { name, bits } = walk.weights(node);
    const convolution = node.op === 'conv2d';
    const strided = convolution && list(node, 'strides').some((stride) => stride !== 1);
    const dilated = convolution && list(node, 'dilations').some((dilation) => dilation !== 1);
    if (strided && dilated) refuse(node, 'a convolution with both a stride and a dilation');
    const groups = convolution ? number(node, 'groups') : 1;
    return {
      call: {
        callee,
        arguments: [
          convolution ? walk.image(x!) : walk.plain(x!),
          {
            weights: name,
            bias: bias === undefined ? undefined : walk.tensor(bias, 'bias'),
            bits,
            groups: groups === 1 ? undefined : groups,
            ...(convolution ? windowOptions(node) : {}),
          },
        ],
      },
    };
  };
}

/** By axis of the program, in the order of the layout that the value is kept in. */
function byAxis<T>(values: readonly T[], last: boolean): T[] {
  return last ? channelsLast.map((axis) => values[axis]!) : [...values];
}

function refuse(node: Node, what: string): never {
  return fail('tfjs/cannot-train', `%${node.result.name} is ${what}, which the tfjs target cannot train`, {
    ...(node.location === undefined ? {} : { location: node.location }),
    help: 'the c, wgsl, onnx and qir targets can hold it',
  });
}

export const lowerings = {
  conv2d: layer('net.conv2d'),
  dense: layer('net.dense'),
  batch_norm: (node, walk) => {
    const [x, gamma, beta, mean, variance] = node.operands;
    return {
      call: {
        callee: 'net.batchNorm',
        arguments: [
          walk.value(x!),
          {
            gamma: walk.tensor(gamma!, 'gain'),
            beta: walk.tensor(beta!, 'shift'),
            mean: walk.tensor(mean!, 'statistic'),
            variance: walk.tensor(variance!, 'statistic'),
            epsilon: Number(number(node, 'epsilon').toPrecision(7)),
          },
        ],
      },
      channelsLast: walk.isChannelsLast(x!),
    };
  },
  affine: (node, walk) => {
    const [x, gain, shift] = node.operands;
    return {
      call: {
        callee: walk.operation('affine'),
        arguments: [walk.value(x!), walk.value(gain!), walk.value(shift!)],
      },
      channelsLast: walk.isChannelsLast(x!),
    };
  },
  relu: elementwise('relu'),
  sigmoid: elementwise('sigmoid'),
  leaky_relu: elementwise('leakyRelu', 'alpha'),
  hard_sigmoid: elementwise('hardSigmoid', 'alpha', 'beta'),
  hard_swish: elementwise('hardSwish'),
  clip: elementwise('clip', 'min', 'max'),
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div'),
  max_pool2d: pool('maxPool'),
  average_pool2d: pool('averagePool'),
  reduce_mean: (node, walk) => {
    const [x] = node.operands;
    const given = list(node, 'axes');
    const rank = walk.shape(x!).length;
    const axes = given.length === 0 ? walk.shape(x!).map((_, axis) => axis) : given;
    const keep = node.attributes['keepdims'] !== false;
    // Without its axes an image's rest must come out in the program's order, which it does where the width goes too or the channels do.
    const inPlace =
      walk.isChannelsLast(x!) && (keep || !axes.every((axis) => axis !== 1) || axes.includes(3));
    const operand = inPlace ? walk.value(x!) : walk.plain(x!);
    const counted = axes.map((axis) => (inPlace && rank === 4 ? channelsLastAxis[axis]! : axis));
    return {
      call: { callee: walk.operation('mean'), arguments: [operand, counted, keep] },
      channelsLast: inPlace && keep,
    };
  },
  reshape: (node, walk) => {
    const [x] = node.operands;
    const [from, to] = [walk.shape(x!), node.result.type.shape];
    const pixel = (shape: readonly number[]): boolean =>
      shape.length === 4 && shape[2] === 1 && shape[3] === 1;
    const operand = walk.isChannelsLast(x!) && pixel(from) ? walk.value(x!) : walk.plain(x!);
    const batched = from[0] === walk.batch && to[0] === walk.batch;
    if (!batched) refuse(node, 'a reshape that mixes the samples of a batch');
    const image = pixel(to);
    const shape = image ? byAxis(to, true) : [...to];
    return {
      call: { callee: walk.operation('reshape'), arguments: [operand, [0, ...shape.slice(1)]] },
      channelsLast: image,
    };
  },
  transpose: (node, walk) => {
    const [x] = node.operands;
    const perm = list(node, 'perm');
    const image = perm.length === 4;
    // Axis j of the stored result is axis target[j] of the result, which is axis perm[...] of the operand, wherever that is stored.
    const target = image ? [...channelsLast] : perm.map((_, axis) => axis);
    const source = walk.isChannelsLast(x!)
      ? (axis: number): number => channelsLastAxis[axis]!
      : (axis: number): number => axis;
    const stored = target.map((axis) => source(perm[axis]!));
    if (stored.every((axis, j) => axis === j)) {
      walk.alias(node, x!, image);
      return undefined;
    }
    return { call: { callee: walk.operation('transpose'), arguments: [walk.value(x!), stored] } };
  },
  pad: (node, walk) => {
    const [x] = node.operands;
    const rank = walk.shape(x!).length;
    const pads = list(node, 'pads');
    const sides = walk.shape(x!).map((_, axis) => [pads[axis]!, pads[axis + rank]!]);
    const value = number(node, 'value');
    const last = walk.isChannelsLast(x!);
    return {
      call: {
        callee: walk.operation('pad'),
        arguments: [walk.value(x!), byAxis(sides, last), ...(value === 0 ? [] : [value])],
      },
      channelsLast: last,
    };
  },
  slice: (node, walk) => {
    const [x] = node.operands;
    const last = walk.isChannelsLast(x!);
    const shape = walk.shape(x!);
    const ends = list(node, 'ends').map((end, axis) =>
      axis === 0 && end === shape[0] && node.result.type.shape[0] === shape[0] ? null : end,
    );
    return {
      call: {
        callee: walk.operation('slice'),
        arguments: [
          walk.value(x!),
          byAxis(list(node, 'starts'), last),
          byAxis<number | null>(ends, last),
          byAxis(list(node, 'steps'), last),
        ],
      },
      channelsLast: last,
    };
  },
  concat: (node, walk) => {
    const image = node.result.type.shape.length === 4;
    const axis = number(node, 'axis');
    return {
      call: {
        callee: walk.operation('concat'),
        arguments: [
          node.operands.map((operand) => (image ? walk.image(operand) : walk.plain(operand))),
          image ? channelsLastAxis[axis]! : axis,
        ],
      },
    };
  },
  softmax: (node, walk) => {
    const [x] = node.operands;
    if (walk.isOutput(node.result.name)) {
      walk.alias(node, x!, walk.isChannelsLast(x!));
      return undefined;
    }
    return { call: { callee: walk.operation('softmax'), arguments: [walk.plain(x!), number(node, 'axis')] } };
  },
  quantize: (node, walk) => {
    const [x] = node.operands;
    const name = walk.quantizer(node);
    const last = walk.isChannelsLast(x!);
    if (name === undefined) {
      walk.alias(node, x!, last);
      return undefined;
    }
    const { storage } = node.result.type.element as QuantizedElement;
    return {
      call: {
        callee: 'net.quantize',
        arguments: [
          walk.value(x!),
          name,
          {
            bits: bitWidth(storage),
            signed: isSigned(storage) ? true : undefined,
            fixed: walk.comesFromInput(x!) ? true : undefined,
          },
        ],
      },
      channelsLast: last,
    };
  },
  dequantize: (node, walk) => {
    const [x] = node.operands;
    if (!walk.isConstant(x!)) walk.alias(node, x!, walk.isChannelsLast(x!));
    return undefined;
  },
} as const satisfies Readonly<Record<LoweredOp, Lowering>>;

/** A name of a value in a call. */
export const reference = (name: string): Reference => new Reference(name);
