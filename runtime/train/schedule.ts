/**
 * The learning rate over a training of T steps, after the paper: warm-up to the peak in a line, half a cosine down, and over the last
 * steps a line to zero from wherever the cosine has come to.
 *
 *     rate(t) = peak * (t + 1) / warmUp                                     t < warmUp
 *     cosine(t) = peak * (1 + cos(pi * (t - warmUp) / (T - warmUp))) / 2    otherwise
 *     rate(t) = cosine(T - coolDown) * (T - t) / coolDown                   t >= T - coolDown
 */
export interface Schedule {
  readonly peak: number;
  readonly steps: number;
  readonly warmUp: number;
  readonly coolDown: number;
}

/** Rate of step t, counted from 0. */
export function learningRate({ peak, steps, warmUp, coolDown }: Schedule, t: number): number {
  if (t < warmUp) return (peak * (t + 1)) / warmUp;
  const cosine = (at: number): number =>
    (peak * (1 + Math.cos((Math.PI * (at - warmUp)) / Math.max(steps - warmUp, 1)))) / 2;
  const end = steps - coolDown;
  return coolDown > 0 && t >= end ? (cosine(Math.max(end, warmUp)) * (steps - t)) / coolDown : cosine(t);
}
