/** Opcode maps, by escape bytes: none, 0F, 0F 38, 0F 3A; and the last three by VEX. */
export type OpcodeMap = 0 | 1 | 2 | 3 | 4 | 5 | 6;
/** What VEX.mmmmm is added to, to make an {@link OpcodeMap}. */
export const VEX_MAPS = 3;

/** A mandatory prefix; `np`: none of the three may be there. */
export type MandatoryPrefix = 'np' | '66' | 'f3' | 'f2';

/** What an opcode in the manual's notation claims. */
export interface Opcode {
  readonly map: OpcodeMap;
  /** The opcode byte after the escapes. */
  readonly byte: number;
  /** `+r`: the form also takes the seven opcodes that follow. */
  readonly plusR: boolean;
  /** Absent: prefixes do not select this form. */
  readonly prefix?: MandatoryPrefix;
  /** Asked for in REX: W set or clear, or B clear (`90` is `nop`, with REX.B it is `xchg`). */
  readonly rex?: 'w0' | 'w1' | 'b0';
  /** ModRM.reg as an opcode extension (`/digit`), 0–7. */
  readonly ext?: number;
  /** ModRM.rm as an opcode extension (`0f 01 d0`), 0–7; with `mod` `'reg'`. */
  readonly rm?: number;
  /** The form with memory or with a register only. */
  readonly mod?: 'mem' | 'reg';
}

const MANDATORY: readonly string[] = ['np', '66', 'f3', 'f2'];
const REX: readonly string[] = ['w0', 'w1', 'b0'];

/**
 * Parses `[vex] [np|66|f3|f2] [w0|w1|b0] [0f [38|3a]] byte[+r] [/digit | modrm | modrm+i] [mem|reg]`. A ModRM byte is written
 * as such (`d9 e8`); with `+i` its low three bits are an operand (`d8 c0+i`). With `vex`, prefix, W and escapes are those
 * that VEX stands for; VEX.L is 0.
 */
export function parseOpcode(text: string): Opcode {
  const words = text.split(' ');
  const fail = (): never => {
    throw new Error(`opcode '${text}' is not in the notation of isa/README.md`);
  };
  const hex = (word: string | undefined): number =>
    word !== undefined && /^[0-9a-f]{2}$/.test(word) ? Number.parseInt(word, 16) : fail();
  const out: { -readonly [K in keyof Opcode]: Opcode[K] } = { map: 0, byte: 0, plusR: false };

  const vex = words[0] === 'vex';
  if (vex) words.shift();
  // 66, F3 and F2 are prefixes here only if something follows; none of them is an opcode.
  if (MANDATORY.includes(words[0]!)) out.prefix = words.shift() as MandatoryPrefix;
  if (REX.includes(words[0]!)) out.rex = words.shift() as 'w0' | 'w1' | 'b0';
  let word = words.shift() ?? fail();
  if (word === '0f') {
    word = words.shift() ?? fail();
    out.map = word === '38' ? 2 : word === '3a' ? 3 : 1;
    if (out.map > 1) word = words.shift() ?? fail();
  }
  if (vex) {
    if (out.map === 0 || out.prefix === undefined) fail();
    out.map = (out.map + VEX_MAPS) as OpcodeMap;
  }
  if (word.endsWith('+r')) {
    out.plusR = true;
    word = word.slice(0, -2);
  }
  out.byte = hex(word);
  if (out.plusR && out.byte & 7) fail();

  for (const extra of words) {
    if (extra === 'mem' || extra === 'reg') out.mod = extra;
    else if (/^\/[0-7]$/.test(extra)) out.ext = Number(extra[1]);
    else {
      const modrm = hex(extra.replace(/\+i$/, ''));
      if (modrm < 0xc0) fail();
      out.mod = 'reg';
      out.ext = (modrm >> 3) & 7;
      if (!extra.endsWith('+i')) out.rm = modrm & 7;
      else if (modrm & 7) fail();
    }
  }
  return out;
}
