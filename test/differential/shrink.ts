import { DECODE, Decoded } from '../../packages/accelerator/src/x86/decode/decoded.ts';
import { Decoder } from '../../packages/accelerator/src/x86/decode/decoder.ts';
import type { Feature } from '../../packages/accelerator/src/x86/isa/row.ts';
import { WINDOW } from './case.ts';
import type { Part } from './encoder.ts';
import { FXSAVE } from './floating-start.ts';
import type { Generated } from './generate.ts';
import type { Divergence, Runner } from './runner.ts';
import { usualFpu } from './show.ts';
import { undefinedFlags } from './undefined-flags.ts';

/** Milliseconds that one divergence may take. */
const TIME = 10_000;
const NOP = 0x90;

/** What of the FXSAVE image is made usual at once: all registers, control words, each register. */
const FPU_PARTS: readonly (readonly [at: number, size: number])[] = [
  [FXSAVE.st, 384],
  [FXSAVE.xmm, 256],
  [FXSAVE.control, 2],
  [FXSAVE.status, 2],
  [FXSAVE.tags, 1],
  [FXSAVE.mxcsr, 4],
  ...Array.from({ length: 8 + 16 }, (_, n) => [FXSAVE.st + 16 * n, 16] as const),
  ...Array.from({ length: 2 * 16 }, (_, n) => [FXSAVE.xmm + 8 * n, 8] as const),
];
const USUAL = usualFpu();

/** Makes a case a little simpler. */
type Step = (c: Generated) => Generated;

const gprStep =
  (n: number, mask: bigint): Step =>
  c => {
    const gpr = c.gpr.slice();
    gpr[n]! &= mask;
    return { ...c, gpr };
  };

/** Ways to make a case simpler. */
function* steps(c: Generated, decoder: Decoder): Generator<Step> {
  let offset = 0;
  for (const { bytes } of c.parts) {
    const at = offset;
    if (c.parts.length > 1 && bytes[0] !== NOP) yield from => without(from, at, bytes.length, decoder);
    offset += bytes.length;
  }
  for (let n = 0; n < 16; n++) {
    const value = c.gpr[n]!;
    if (value !== 0n) yield gprStep(n, 0n);
    if (value > 0xffff_ffffn) yield gprStep(n, 0xffff_ffffn);
    if (value > 0xffn) yield gprStep(n, 0xffn);
    for (let bit = 0n; bit < 64n; bit++) if ((value >> bit) & 1n) yield gprStep(n, ~(1n << bit));
  }
  for (let bit = 1; bit < 0x1000; bit <<= 1) if (c.flags & bit) yield from => ({ ...from, flags: from.flags & ~bit });
  for (const [at, size] of FPU_PARTS) {
    const usual = USUAL.subarray(at, at + size);
    if (Buffer.compare(c.fpu.subarray(at, at + size), usual) === 0) continue;
    yield from => {
      const fpu = from.fpu.slice();
      fpu.set(usual, at);
      return { ...from, fpu };
    };
  }
  for (let size = WINDOW.size; size >= 1; size /= 2)
    for (let at = 0; at < WINDOW.size; at += size) {
      if (c.window.subarray(at, at + size).every(byte => byte === 0)) continue;
      yield from => ({ ...from, window: from.window.slice().fill(0, at, at + size) });
    }
}

/** Without one instruction. The rest stays where it is, which matters to addresses relative to RIP and page ends. */
function without(c: Generated, from: number, size: number, decoder: Decoder): Generated {
  const code = c.code.slice().fill(NOP, from, from + size);
  const parts: Part[] = [];
  for (let at = 0; at < code.length; ) {
    const insn = new Decoded(c.row);
    const known = decoder.decode(code, at, code.length, c.bits, insn) === DECODE.ok;
    const length = known ? insn.length : 1;
    parts.push({ bytes: code.slice(at, at + length), insn });
    at += length;
  }
  const last = parts.findLast(({ bytes }) => bytes[0] !== NOP);
  const leftOpen = { ...c.leftOpen, flags: last ? undefinedFlags(last.insn) : 0 };
  return { ...c, code, parts, leftOpen };
}

/** Drops NOPs at both ends. */
function trimmed(c: Generated): Generated {
  let from = 0;
  let to = c.code.length;
  while (from < to - 1 && c.code[from] === NOP) from++;
  while (to > from + 1 && c.code[to - 1] === NOP) to--;
  const parts = c.parts.slice(from, c.parts.length - (c.code.length - to));
  return { ...c, code: c.code.slice(from, to), rip: c.rip + from, parts };
}

/** The simplest case found, in a time that has a bound, on which the two still disagree in the same thing. */
export function shrink(from: Divergence, runner: Runner, has: (feature: Feature) => boolean): Divergence {
  const decoder = new Decoder(has);
  const what = from.differences[0]!.what;
  const end = Date.now() + TIME;
  const tried = (cases: readonly Generated[]): (Divergence | undefined)[] =>
    runner.differing(cases, from.tier, what, end);
  let best = from;
  while (Date.now() < end) {
    const all = [...steps(best.case, decoder)];
    const each = tried(all.map(step => step(best.case)));
    const helpful = all.filter((_, n) => each[n]);
    if (helpful.length === 0) break;
    // As many of them at once as still do.
    const groups: Generated[] = [];
    for (let n = helpful.length; n >= 1; n >>= 1)
      groups.push(helpful.slice(0, n).reduce((c, step) => step(c), best.case));
    best = tried(groups).find(found => found) ?? each.find(found => found)!;
  }
  return tried([trimmed(best.case)])[0] ?? best;
}
