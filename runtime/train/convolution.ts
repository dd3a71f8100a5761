/**
 * Convolution whose two gradients are convolutions as well, so that a backend trains as quickly as it infers. TensorFlow.js has gradient
 * kernels of its own only on some backends: WASM lacks the filter's altogether, and its kernel for the input is ten times slower than
 * its forward one.
 *
 * With x [N, H, W, C], filter w [U, V, C, K], stride s, dilation d and pad p before the first row:
 *
 *     y[n, i, j, k]  = sum  x[n, s i + d u - p, s j + d v - p, c] w[u, v, c, k]
 *     dw[u, v, c, k] = sum  x[n, s i + d u - p, ..., c] dy[n, i, j, k]
 *
 * The second is a convolution of x over the batch: the images of x are its C planes, the batch is its channel axis, dy is its filter;
 * stride and dilation change places. The input's gradient at padded row r + s q, with r < s, reads only the taps u = r + s t:
 *
 *     dx[r + s q - p] = sum  dy[q - t] w[r + s t]
 *
 * so all s * s phases together are one convolution of dy with stride 1 that makes s * s * C channels, interleaved afterwards.
 */
import * as tf from '@tensorflow/tfjs-core';

/** Of a convolution or a window, rows first. */
export interface Geometry {
  readonly strides: readonly [number, number];
  /** Top, left, bottom, right, as ONNX orders them. */
  readonly pads: readonly [number, number, number, number];
  readonly dilations: readonly [number, number];
}

export const plainGeometry: Geometry = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] };

/**
 * Convolution of x [N, H, W, C] with a filter [U, V, C / groups, K]. Throws a RangeError for a stride and a dilation above 1 on one axis: no
 * convolution of TensorFlow.js has both.
 */
export function convolution(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  geometry: Partial<Geometry> = {},
  groups = 1,
): tf.Tensor4D {
  const whole: Geometry = { ...plainGeometry, ...geometry };
  if (Math.max(...whole.strides) > 1 && Math.max(...whole.dilations) > 1) {
    throw new RangeError('a convolution with both a stride and a dilation cannot be trained');
  }
  if (groups === 1) return differentiable(x, filter, whole);
  const parts = tf.split<tf.Tensor4D>(filter, groups, 3);
  const images = tf.split<tf.Tensor4D>(x, groups, 3);
  return tf.concat(
    images.map((image, g) => differentiable(image, parts[g]!, whole)),
    3,
  );
}

function differentiable(x: tf.Tensor4D, filter: tf.Tensor4D, geometry: Geometry): tf.Tensor4D {
  const op = tf.customGrad((...inputs) => {
    const [input, weights, save] = inputs as unknown as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc];
    save([input, weights]);
    const { strides, pads, dilations } = geometry;
    return {
      value: correlate(input, weights, strides, pads, dilations),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [before, used] = saved as [tf.Tensor4D, tf.Tensor4D];
        return [
          inputGradient(dy as tf.Tensor4D, used, before.shape, geometry),
          filterGradient(before, dy as tf.Tensor4D, used.shape, geometry),
        ];
      },
    };
  });
  return op(x, filter);
}

type Pair = readonly [number, number];
type Sides = readonly [top: number, left: number, bottom: number, right: number];

/** A forward convolution; a negative pad leaves rows or columns of x out. */
function correlate(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  strides: Pair,
  pads: Sides,
  dilations: Pair,
): tf.Tensor4D {
  const [top, left, bottom, right] = pads.map((pad) => Math.max(pad, 0)) as [number, number, number, number];
  const cropped = crop(x, pads);
  return tf.conv2d(
    cropped,
    filter,
    [...strides],
    [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    'NHWC',
    [...dilations],
  );
}

/** x without the rows and columns that negative pads count. */
function crop(x: tf.Tensor4D, pads: Sides): tf.Tensor4D {
  const [top, left, bottom, right] = pads.map((pad) => Math.max(-pad, 0)) as [number, number, number, number];
  if (top + left + bottom + right === 0) return x;
  const [n, h, w, c] = x.shape;
  return tf.slice(x, [0, top, left, 0], [n, h - top - bottom, w - left - right, c]);
}

function filterGradient(
  x: tf.Tensor4D,
  dy: tf.Tensor4D,
  [u, v]: readonly [number, number, number, number],
  { strides, pads, dilations }: Geometry,
): tf.Tensor4D {
  const [, h, w] = x.shape;
  const [, rows, columns] = dy.shape;
  // The last rows that no window reaches would add taps to the result.
  const reach = (extent: number, taps: number, steps: number, axis: 0 | 1): number =>
    (steps - 1) * strides[axis] + (taps - 1) * dilations[axis] + 1 - extent;
  const bottom = reach(h + pads[0], u, rows, 0);
  const right = reach(w + pads[1], v, columns, 1);
  const planes = tf.transpose(x, [3, 1, 2, 0]);
  const filter = tf.transpose(dy, [1, 2, 0, 3]);
  const gradient = correlate(planes, filter, dilations, [pads[0], pads[1], bottom, right], strides);
  return tf.transpose(gradient, [1, 2, 0, 3]);
}

function inputGradient(
  dy: tf.Tensor4D,
  filter: tf.Tensor4D,
  [n, h, w, c]: readonly [number, number, number, number],
  { strides: [sy, sx], pads, dilations }: Geometry,
): tf.Tensor4D {
  const [u, v, , k] = filter.shape;
  const [, rows, columns] = dy.shape;
  if (sy === 1 && sx === 1) {
    const turned = tf.transpose<tf.Tensor4D>(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
    const [high, wide] = [(u - 1) * dilations[0], (v - 1) * dilations[1]];
    // y has one row a position of the window: what is left of the padded input is what the last window reaches.
    const sides: Sides = [high - pads[0], wide - pads[1], h + pads[0] - rows, w + pads[1] - columns];
    return correlate(dy, turned, [1, 1], sides, dilations);
  }
  const [ty, tx] = [Math.ceil(u / sy), Math.ceil(v / sx)];
  // [t, r] over rows and columns, taps turned round: filter of the phases, [ty, tx, K, sy * sx * C].
  const padded = tf.pad(filter, [
    [0, ty * sy - u],
    [0, tx * sx - v],
    [0, 0],
    [0, 0],
  ]);
  const phases = tf.reshape(
    tf.transpose(tf.reverse(tf.reshape(padded, [ty, sy, tx, sx, c * k]), [0, 2]), [0, 2, 1, 3, 4]),
    [ty * tx * sy * sx, c, k],
  );
  const turned = tf.reshape<tf.Rank.R4>(
    tf.transpose(tf.reshape(phases, [ty * tx, sy * sx * c, k]), [0, 2, 1]),
    [ty, tx, k, sy * sx * c],
  );
  const [qy, qx] = [rows + ty - 1, columns + tx - 1];
  const all = correlate(dy, turned, [1, 1], [ty - 1, tx - 1, ty - 1, tx - 1], [1, 1]);
  const interleaved = tf.reshape<tf.Rank.R4>(
    tf.transpose(tf.reshape(all, [n * qy, qx, sy, sx * c]), [0, 2, 1, 3]),
    [n, qy * sy, qx * sx, c],
  );
  const [missingRows, missingColumns] = [pads[0] + h - qy * sy, pads[1] + w - qx * sx];
  const kept = crop(interleaved, [-pads[0], -pads[1], missingRows, missingColumns]);
  return missingRows <= 0 && missingColumns <= 0
    ? kept
    : tf.pad(kept, [
        [0, 0],
        [0, Math.max(missingRows, 0)],
        [0, Math.max(missingColumns, 0)],
        [0, 0],
      ]);
}
