/**
 * Stochastic gradient descent with Nesterov momentum and weight decay (L2) on tensors of rank above 1, as the paper trains:
 *
 *     g' = g + decay * w        v <- momentum * v + g'        w <- w - rate * (g' + momentum * v)
 *
 * Biases, gains and steps are not decayed. Velocities are part of a checkpoint.
 */
import * as tf from '@tensorflow/tfjs-core';

export interface Descent {
  readonly momentum: number;
  /** L2 factor of tensors of rank above 1. */
  readonly weightDecay: number;
}

export class NesterovOptimizer {
  readonly velocities = new Map<string, tf.Variable>();
  readonly #descent: Descent;

  constructor(descent: Descent) {
    this.#descent = descent;
  }

  /** One step. `gradients` are read, not disposed. A name whose gradient is absent stays as it is. */
  apply(
    parameters: ReadonlyMap<string, tf.Variable>,
    gradients: Readonly<Record<string, tf.Tensor>>,
    rateOf: (name: string) => number,
  ): void {
    const { momentum, weightDecay } = this.#descent;
    for (const [name, parameter] of parameters) {
      const gradient = gradients[name];
      if (gradient === undefined) continue;
      tf.tidy(() => {
        const velocity = this.#velocity(name, parameter);
        const whole =
          parameter.rank > 1 && weightDecay > 0 ? tf.add(gradient, tf.mul(parameter, weightDecay)) : gradient;
        const next = tf.add(tf.mul(velocity, momentum), whole);
        velocity.assign(next);
        parameter.assign(tf.sub(parameter, tf.mul(tf.add(whole, tf.mul(next, momentum)), rateOf(name))));
      });
    }
  }

  #velocity(name: string, parameter: tf.Variable): tf.Variable {
    let velocity = this.velocities.get(name);
    if (velocity === undefined) {
      velocity = tf.variable(tf.zerosLike(parameter), false);
      this.velocities.set(name, velocity);
    }
    return velocity;
  }

  dispose(): void {
    for (const velocity of this.velocities.values()) velocity.dispose();
    this.velocities.clear();
  }
}
