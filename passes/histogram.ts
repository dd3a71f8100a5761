/**
 * A histogram of real values that grows with them: one pass over the data, constant memory, no range needed beforehand.
 *
 * Bins have one width, a power of two, and mirror at 0. When a value falls outside, neighbouring bins are merged and the width
 * doubles until it fits, so the result does not depend on the order of the data but through the first merge.
 * Exact zeros, half of what a ReLU makes, are counted apart: every quantizer represents them without error.
 */
export const binsPerSide = 2048;

export class Histogram {
  /** Width of one bin; 0 until the first value that is not 0. */
  width = 0;
  zeros = 0;
  /** Values counted, zeros included. NaN and infinities are not counted but remembered. */
  count = 0;
  notFinite = 0;
  min = Infinity;
  max = -Infinity;
  /** `positive[i]` counts values in [i, i + 1) * width, `negative[i]` their mirror images. */
  readonly positive = new Float64Array(binsPerSide);
  readonly negative = new Float64Array(binsPerSide);

  add(values: ArrayLike<number>): void {
    let largest = 0;
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (magnitude > largest && magnitude !== Infinity) largest = magnitude;
    }
    this.#reach(largest);
    const scale = this.width === 0 ? 0 : 1 / this.width;
    let { min, max, zeros } = this;
    let strange = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value > 0 && value !== Infinity) this.positive[(value * scale) | 0]! += 1;
      else if (value < 0 && value !== -Infinity) this.negative[(-value * scale) | 0]! += 1;
      else if (value === 0) zeros += 1;
      else {
        strange += 1;
        continue;
      }
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.min = min;
    this.max = max;
    this.zeros = zeros;
    this.notFinite += strange;
    this.count += values.length - strange;
  }

  /** Doubles the width until `magnitude` has a bin. */
  #reach(magnitude: number): void {
    if (magnitude === 0) return;
    if (this.width === 0) this.width = 2 ** (Math.ceil(Math.log2(magnitude)) + 1) / binsPerSide;
    while (magnitude >= this.width * binsPerSide) {
      for (const side of [this.positive, this.negative]) {
        for (let i = 0; i < binsPerSide / 2; i++) side[i] = side[2 * i]! + side[2 * i + 1]!;
        side.fill(0, binsPerSide / 2);
      }
      this.width *= 2;
    }
  }
}
