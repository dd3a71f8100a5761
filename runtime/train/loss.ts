/**
 * What is minimised: cross entropy with the labels, and, where a teacher speaks, the divergence from what it says.
 *
 *     loss = (1 - share) * H(label, student) + share * T^2 * KL(softmax(teacher / T) || softmax(student / T))
 *
 * T^2 keeps the gradients of the second term as large as those of the first (Hinton 2015).
 */
import * as tf from '@tensorflow/tfjs-core';

export interface Distillation {
  /** Of the teacher in the loss, in [0, 1]. */
  readonly share: number;
  readonly temperature: number;
}

/** Mean over the batch of the cross entropy between labels (class indices) and logits [N, K]. */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const [n, classes] = logits.shape;
  // Cast, not asked for as float: the WASM kernel writes integers into a float tensor.
  const chosen = tf.cast(tf.oneHot(labels, classes), 'float32');
  return tf.mul(tf.sum(tf.mul(chosen, tf.logSoftmax(logits))), -1 / n);
}

/** Mean over the batch of T^2 KL(teacher || student). No gradient flows to the teacher. */
export function divergence(logits: tf.Tensor2D, teacher: tf.Tensor2D, temperature: number): tf.Scalar {
  const [n] = logits.shape;
  const said = tf.logSoftmax(tf.div<tf.Tensor2D>(teacher, temperature));
  const own = tf.logSoftmax(tf.div<tf.Tensor2D>(logits, temperature));
  return tf.mul(tf.sum(tf.mul(tf.exp(said), tf.sub(said, own))), temperature ** 2 / n);
}

/** The loss of a batch. */
export function trainingLoss(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  teacher: tf.Tensor2D | undefined,
  { share, temperature }: Distillation,
): tf.Scalar {
  if (teacher === undefined || share === 0) return crossEntropy(logits, labels);
  const taught = divergence(logits, teacher, temperature);
  if (share === 1) return taught;
  return tf.add(tf.mul(crossEntropy(logits, labels), 1 - share), tf.mul(taught, share));
}
