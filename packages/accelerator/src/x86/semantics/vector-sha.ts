import type { Description, Descriptions } from './description.ts';
import type { Ops } from './ops.ts';
import { zeroVector } from './vector.ts';

/** The SHA extensions (SDM vol. 1 §12.14, vol. 2; FIPS 180-4): words of 32 bits, number 0 at the bottom of a vector. */

const xor = <V>(o: Ops<V>, ...values: V[]): V => values.reduce((a, b) => o.binary('xor', 32, a, b));
const and = <V>(o: Ops<V>, a: V, b: V): V => o.binary('and', 32, a, b);
const sum = <V>(o: Ops<V>, ...values: V[]): V => values.reduce((a, b) => o.binary('add', 32, a, b));
const right = <V>(o: Ops<V>, a: V, by: number): V => o.binary('rotr', 32, a, o.constant(32, by));
const left = <V>(o: Ops<V>, a: V, by: number): V => o.binary('rotl', 32, a, o.constant(32, by));
const shift = <V>(o: Ops<V>, a: V, by: number): V => o.binary('shr', 32, a, o.constant(32, by));

/** The four words of a vector. */
function split<V>(o: Ops<V>, v: V): [V, V, V, V] {
  const word = (n: number): V => o.lane('i32x4.extract_lane', n, v);
  return [word(0), word(1), word(2), word(3)];
}
const join = <V>(o: Ops<V>, words: readonly V[]): V =>
  words.reduce((v, word, n) => o.lane('i32x4.replace_lane', n, v, word), zeroVector(o));

const choose = <V>(o: Ops<V>, x: V, y: V, z: V): V => xor(o, and(o, x, y), and(o, o.unary('not', 32, x), z));
const majority = <V>(o: Ops<V>, x: V, y: V, z: V): V => xor(o, and(o, x, y), and(o, x, z), and(o, y, z));

// ---------------------------------------------------------------- SHA-1

/** Four rounds, of twenty that the immediate tells; the words of the message come with E added to the first. */
const sha1rnds4: Description = {
  run(o) {
    const message = split(o, o.readVector(1)).reverse();
    const stage = and(o, o.read(2), o.constant(32, 3));
    const is = (n: number): typeof stage => o.compare('eq', 32, stage, o.constant(32, n));
    const pick = (values: readonly (typeof stage)[]): typeof stage =>
      o.select(is(0), 32, values[0]!, o.select(is(1), 32, values[1]!, o.select(is(2), 32, values[2]!, values[3]!)));
    const constant = pick([0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6].map(k => o.constant(32, k)));
    let [d, c, b, a] = split(o, o.readVector(0));
    let e = o.constant(32, 0);
    for (const word of message) {
      const parity = xor(o, b, c, d);
      const f = pick([choose(o, b, c, d), parity, majority(o, b, c, d), parity]);
      const next = sum(o, f, left(o, a, 5), word, e, constant);
      [a, b, c, d, e] = [next, a, left(o, b, 30), c, d];
    }
    o.writeVector(0, join(o, [d, c, b, a]));
  },
};

const sha1nexte: Description = {
  run(o) {
    const words = split(o, o.readVector(1));
    const e = left(o, split(o, o.readVector(0))[3], 30);
    o.writeVector(0, join(o, [...words.slice(0, 3), sum(o, words[3], e)]));
  },
};

const sha1msg1: Description = {
  run(o) {
    const [, , w5, w4] = split(o, o.readVector(1));
    const [w3, w2, w1, w0] = split(o, o.readVector(0));
    o.writeVector(0, join(o, [xor(o, w5, w3), xor(o, w4, w2), xor(o, w3, w1), xor(o, w2, w0)]));
  },
};

const sha1msg2: Description = {
  run(o) {
    const source = split(o, o.readVector(1));
    const words = split(o, o.readVector(0));
    const w16 = left(o, xor(o, words[3], source[2]), 1);
    const w17 = left(o, xor(o, words[2], source[1]), 1);
    const w18 = left(o, xor(o, words[1], source[0]), 1);
    o.writeVector(0, join(o, [left(o, xor(o, words[0], w16), 1), w18, w17, w16]));
  },
};

// ---------------------------------------------------------------- SHA-256

/** Two rounds; XMM0 has the words of the message with the constants added. */
const sha256rnds2: Description = {
  run(o) {
    const words = split(o, o.xmm(0));
    const [f0, e0, b0, a0] = split(o, o.readVector(1));
    const [h0, g0, d0, c0] = split(o, o.readVector(0));
    let [a, b, c, d, e, f, g, h] = [a0, b0, c0, d0, e0, f0, g0, h0];
    for (const word of words.slice(0, 2)) {
      const t = sum(o, choose(o, e, f, g), xor(o, right(o, e, 6), right(o, e, 11), right(o, e, 25)), word, h);
      const s = sum(o, majority(o, a, b, c), xor(o, right(o, a, 2), right(o, a, 13), right(o, a, 22)));
      [a, b, c, d, e, f, g, h] = [sum(o, t, s), a, b, c, sum(o, t, d), e, f, g];
    }
    o.writeVector(0, join(o, [f, e, b, a]));
  },
};

const sha256msg1: Description = {
  run(o) {
    const [w4] = split(o, o.readVector(1));
    const words = [...split(o, o.readVector(0)), w4];
    const small = words.map(w => xor(o, right(o, w, 7), right(o, w, 18), shift(o, w, 3)));
    o.writeVector(
      0,
      join(
        o,
        [0, 1, 2, 3].map(n => sum(o, words[n]!, small[n + 1]!)),
      ),
    );
  },
};

const sha256msg2: Description = {
  run(o) {
    const [, , w14, w15] = split(o, o.readVector(1));
    const words = split(o, o.readVector(0));
    const small = (w: typeof w14): typeof w14 => xor(o, right(o, w, 17), right(o, w, 19), shift(o, w, 10));
    const w16 = sum(o, words[0], small(w14));
    const w17 = sum(o, words[1], small(w15));
    o.writeVector(0, join(o, [w16, w17, sum(o, words[2], small(w16)), sum(o, words[3], small(w17))]));
  },
};

export const vectorSha = {
  sha1rnds4,
  sha1nexte,
  sha1msg1,
  sha1msg2,
  sha256rnds2,
  sha256msg1,
  sha256msg2,
} satisfies Descriptions;
