import { DECODE, Decoded } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import { Decoder } from '../../packages/accelerator/src/x86/decode/decoder.ts';
import type { Feature } from '../../packages/accelerator/src/x86/isa/row.ts';
import { WINDOW } from './case.ts';
import type { Part } from './encoder.ts';
import type { Generated } from './generate.ts';
import type { Divergence, Runner } from './runner.ts';
import { undefinedFlags } from './undefined-flags.ts';

/** Rounds in which something must have become smaller. */
const ROUNDS = 40;

const withGpr = (c: Generated, n: number, value: bigint): Generated => {
  const gpr = c.gpr.slice();
  gpr[n] = value;
  return { ...c, gpr };
};

/** Cases that are a little simpler. */
function* simpler(c: Generated, decoder: Decoder): Generator<Generated> {
  for (let n = 0; n < c.parts.length && c.parts.length > 1; n++) yield withoutPart(c, n, decoder);
  for (let n = 0; n < 16; n++) {
    const value = c.gpr[n]!;
    if (value !== 0n) yield withGpr(c, n, 0n);
    if (value > 0xffff_ffffn) yield withGpr(c, n, value & 0xffff_ffffn);
    if (value > 0xffn) yield withGpr(c, n, value & 0xffn);
    if (value > 1n) yield withGpr(c, n, value & (value - 1n)); // one bit less
  }
  for (let bit = 1; bit < 0x1000; bit <<= 1) if (c.flags & bit) yield { ...c, flags: c.flags & ~bit };
  for (let size = WINDOW.size; size >= 1; size /= 2)
    for (let at = 0; at < WINDOW.size; at += size) {
      if (c.window.subarray(at, at + size).every(byte => byte === 0)) continue;
      yield { ...c, window: c.window.slice().fill(0, at, at + size) };
    }
}

/** Without one instruction. The rest stays where it is, which matters to addresses relative to RIP and page ends. */
function withoutPart(c: Generated, without: number, decoder: Decoder): Generated {
  const code = c.code.slice();
  let at = 0;
  for (const [n, { bytes }] of c.parts.entries()) {
    if (n === without) code.fill(0x90, at, at + bytes.length);
    at += bytes.length;
  }
  const parts: Part[] = [];
  for (at = 0; at < code.length; ) {
    const insn = new Decoded(c.row);
    const known = decoder.decode(code, at, code.length, c.bits, insn) === DECODE.ok;
    const length = known ? insn.length : 1;
    parts.push({ bytes: code.slice(at, at + length), insn });
    at += length;
  }
  const last = parts.findLast(({ bytes }) => bytes[0] !== 0x90);
  return { ...c, code, parts, undefinedFlags: last ? undefinedFlags(last.insn) : 0 };
}

/** The simplest case found on which the two still disagree in the same thing. */
export function shrink(from: Divergence, runner: Runner, has: (feature: Feature) => boolean): Divergence {
  const decoder = new Decoder(has);
  const what = from.differences[0]!.what;
  let best = from;
  for (let round = 0; round < ROUNDS; round++) {
    const candidates = [...simpler(best.case, decoder)];
    const next = runner.run(candidates).find(({ differences }) => differences[0]!.what === what);
    if (!next) break;
    best = next;
  }
  return best;
}
