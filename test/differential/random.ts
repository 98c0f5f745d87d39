/** A generator of numbers (xorshift32, multiplied), the same for every run with one seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e37_79b1) | 1;
    for (let n = 0; n < 8; n++) this.word();
  }

  /** 32 bits, signed. */
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e37_79b1);
  }

  /** An integer from 0 to `n` − 1. */
  readonly below = (n: number): number => (this.word() >>> 8) % n;

  /** True one time in `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  word64(): bigint {
    return (BigInt(this.word() >>> 0) << 32n) | BigInt(this.word() >>> 0);
  }

  /** 64 bits among which the values that break arithmetic are frequent: around 0 and the signs of every width. */
  value(): bigint {
    const edge = BigInt(this.pick([7, 8, 15, 16, 31, 32, 63, 64]));
    switch (this.below(10)) {
      case 0:
        return BigInt.asUintN(64, BigInt(this.below(5) - 2));
      case 1:
      case 2:
        return BigInt.asUintN(64, (1n << edge) + BigInt(this.below(5) - 2));
      case 3:
        return BigInt.asUintN(64, -(1n << edge) + BigInt(this.below(5) - 2));
      case 4:
        return 1n << BigInt(this.below(64));
      case 5:
        return BigInt(this.below(256));
      case 6:
        return BigInt(this.word() >>> 0);
      default:
        return this.word64();
    }
  }
}
