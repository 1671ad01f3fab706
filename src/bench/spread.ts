/** All values of one metric, kept: 8 bytes each, exact percentiles. */
export class Spread {
  #values = new Float64Array(64);
  #count = 0;
  #sum = 0;
  #sorted = true;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
    this.#sum += value;
    this.#sorted = false;
  }

  get n(): number {
    return this.#count;
  }

  /** NaN without values, like every other figure here. */
  get mean(): number {
    return this.#sum / this.#count;
  }

  get min(): number {
    return this.quantile(0);
  }

  get max(): number {
    return this.quantile(1);
  }

  /**
   * Linear between the closest ranks (Hyndman and Fan's type 7: numpy's default, and so vLLM's).
   * @param p 0 to 1
   */
  quantile(p: number): number {
    const sorted = this.#sort();
    if (this.#count === 0) return Number.NaN;
    const rank = p * (this.#count - 1);
    const low = Math.floor(rank);
    const a = sorted[low]!;
    const b = sorted[Math.min(low + 1, this.#count - 1)]!;
    return a + (b - a) * (rank - low);
  }

  #sort(): Float64Array {
    if (!this.#sorted) this.#values.subarray(0, this.#count).sort();
    this.#sorted = true;
    return this.#values;
  }
}

/**
 * So many values at least, for the largest of them to lie above the true p-quantile with 95 % certainty
 * (1 - p^n >= 0.95): 299 for p99. With fewer, the figure says less than it seems to.
 */
export const neededFor = (p: number): number => Math.ceil(Math.log(0.05) / Math.log(p));
