/**
 * How good outputs are, counted while they stream by: memory O(1), whatever the number of samples.
 *
 * - top-k: the label is among the k largest logits. Integer programs tie often, so ties have a rule: of equal logits the one with the
 *   smaller index counts as larger. NaN is smaller than everything.
 * - agreement: the largest logit is in the same place.
 * - SQNR in decibels, over all logits of all samples together, with `r` the reference:
 *
 *       sqnr = 10 * log10( sum r^2 / sum (r - x)^2 )
 *
 *   A mean common to all logits inflates it: judge by agreement, use SQNR to compare two compilations of one model.
 * - KL divergence in nats, with `p` the softmax of the reference's logits and `q` of the other's, mean over samples:
 *
 *       kl = sum_c p_c log(p_c / q_c)
 *
 *   It says smoothly what agreement says by whole samples: every sample that came nearer to tipping over counts.
 */

/** 0 for the class that the logits name first, 1 for the second, and so on. */
export function rankOf(logits: ArrayLike<number>, label: number): number {
  const own = comparable(logits[label]);
  let rank = 0;
  for (let i = 0; i < logits.length; i++) {
    const other = comparable(logits[i]);
    if (other > own || (other === own && i < label)) rank += 1;
  }
  return rank;
}

/** Indices of the `k` largest, the largest first. */
export function largest(logits: ArrayLike<number>, k: number): number[] {
  const order = Array.from({ length: logits.length }, (_, i) => i);
  order.sort((a, b) => comparable(logits[b]) - comparable(logits[a]) || a - b);
  return order.slice(0, k);
}

/** Index of the largest logit. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (comparable(logits[i]) > comparable(logits[best])) best = i;
  return best;
}

function comparable(logit: number | undefined): number {
  return logit === undefined || Number.isNaN(logit) ? -Number.MAX_VALUE : Math.max(-Number.MAX_VALUE, logit);
}

/** Percentages of labelled samples. */
export class Accuracy {
  #samples = 0;
  #first = 0;
  #firstFive = 0;

  add(logits: ArrayLike<number>, label: number): void {
    const rank = rankOf(logits, label);
    this.#samples += 1;
    if (rank < 1) this.#first += 1;
    if (rank < 5) this.#firstFive += 1;
  }

  get samples(): number {
    return this.#samples;
  }

  get top1(): number {
    return percent(this.#first, this.#samples);
  }

  get top5(): number {
    return percent(this.#firstFive, this.#samples);
  }
}

/** KL divergence between the softmaxes of two rows of logits, in nats; not below 0, whatever was rounded. */
export function divergence(reference: ArrayLike<number>, logits: ArrayLike<number>): number {
  const p = logSoftmax(reference);
  const q = logSoftmax(logits);
  return Math.max(
    0,
    p.reduce((sum, log, i) => sum + Math.exp(log) * (log - q[i]!), 0),
  );
}

function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const top = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const shift = top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return values.map((value) => value - shift);
}

/** Signal against noise of values next to their references. */
export class SignalToNoise {
  #signal = 0;
  #noise = 0;

  add(reference: ArrayLike<number>, values: ArrayLike<number>): void {
    let [signal, noise] = [0, 0];
    for (let i = 0; i < reference.length; i++) {
      const r = reference[i]!;
      const difference = r - values[i]!;
      signal += r * r;
      noise += difference * difference;
    }
    this.#signal += signal;
    this.#noise += noise;
  }

  /** Infinity for equal values. */
  get decibels(): number {
    return this.#noise === 0 ? Infinity : 10 * Math.log10(this.#signal / this.#noise);
  }
}

/** Two models on the same samples. */
export class Comparison {
  readonly #ratio = new SignalToNoise();
  #samples = 0;
  #agreeing = 0;
  #divergence = 0;

  add(reference: ArrayLike<number>, logits: ArrayLike<number>): void {
    this.#samples += 1;
    if (argmax(reference) === argmax(logits)) this.#agreeing += 1;
    this.#ratio.add(reference, logits);
    this.#divergence += divergence(reference, logits);
  }

  get samples(): number {
    return this.#samples;
  }

  /** Percent. */
  get agreement(): number {
    return percent(this.#agreeing, this.#samples);
  }

  /** Mean over samples. */
  get kl(): number {
    return this.#samples === 0 ? 0 : this.#divergence / this.#samples;
  }

  /** Infinity for equal logits. */
  get sqnr(): number {
    return this.#ratio.decibels;
  }
}

/**
 * The largest share, in percent, that is still plausible (97.5 %, one-sided) where a share of `percent` was seen in `samples` draws: the
 * upper end of the Wilson interval, which stays sensible for a handful of draws and for shares near 0 and 100.
 */
export function plausibleShare(percentSeen: number, samples: number): number {
  if (samples === 0) return 100;
  const z = 1.96;
  const share = percentSeen / 100;
  const centre = share + z ** 2 / (2 * samples);
  const margin = z * Math.sqrt((share * (1 - share)) / samples + z ** 2 / (4 * samples ** 2));
  return (100 * (centre + margin)) / (1 + z ** 2 / samples);
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : (100 * part) / whole;
}

/** The value below which `fraction` of the sorted values lie, by linear interpolation (NumPy's default). */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = fraction * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (high - low) * (place - below);
}
