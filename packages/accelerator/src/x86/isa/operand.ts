/** Where an operand lies: the capital letter of the manual's operand codes (SDM vol. 2 §A.2.1), or a fixed register. */
export type Addressing =
  | 'A' // far pointer in the instruction
  | 'B' // general register by VEX.vvvv
  | 'C' // control register by ModRM.reg
  | 'D' // debug register by ModRM.reg
  | 'E' // general register or memory by ModRM.rm
  | 'G' // general register by ModRM.reg
  | 'I' // immediate
  | 'J' // relative branch target
  | 'M' // memory by ModRM.rm; the register form is undefined
  | 'N' // MMX register by ModRM.rm
  | 'O' // memory at an offset in the instruction
  | 'P' // MMX register by ModRM.reg
  | 'Q' // MMX register or memory by ModRM.rm
  | 'R' // general register by ModRM.rm; the memory form is undefined
  | 'S' // segment register by ModRM.reg
  | 'U' // XMM register by ModRM.rm
  | 'V' // XMM register by ModRM.reg
  | 'W' // XMM register or memory by ModRM.rm
  | 'X' // memory at DS:rSI
  | 'Y' // memory at ES:rDI
  | 'Z' // general register by the low bits of the opcode
  | 'gpr' // a general register named by the row
  | 'seg' // a segment register named by the row
  | 'st' // ST(0)
  | 'sti' // x87 register by ModRM.rm
  | 'xmm0' // XMM0
  | 'one'; // the constant 1

/** What an operand is: the small letters of the manual's operand codes (SDM vol. 2 §A.2.2), and a few of our own. */
export type OperandType = keyof typeof TYPES;

/** Bits by operand size 16, 32 and 64. */
type Sizes = readonly [o16: number, o32: number, o64: number];
const fixed = (bits: number): Sizes => [bits, bits, bits];

export const TYPES = {
  a: [32, 64, 64], // two words or doublewords (bound)
  b: fixed(8),
  bs: [16, 32, 64], // byte, sign-extended to the operand size; ours
  d: fixed(32),
  dq: fixed(128),
  env: [112, 224, 224], // x87 environment; ours
  fx: fixed(4096), // FXSAVE image; ours
  none: fixed(0), // an address only (lea, invlpg), or an area whose size the state decides (xsave); ours
  p: [32, 48, 80], // far pointer in memory or instruction
  pd: fixed(128),
  pi: fixed(64),
  ps: fixed(128),
  q: fixed(64),
  s: [48, 48, 80], // GDTR or IDTR image
  sd: fixed(64),
  ss: fixed(32),
  state: [752, 864, 864], // FSAVE image; ours
  t: fixed(80), // extended real or packed BCD; ours
  v: [16, 32, 64],
  w: fixed(16),
  y: [32, 32, 64],
  z: [16, 32, 32],
  zs: [16, 32, 64], // 16 or 32 bits, sign-extended to the operand size; ours, written z
} as const satisfies Record<string, Sizes>;

/** An operand of a row, parsed. */
export interface OperandSpec {
  /** As in the table: `Ev`, `Iz`, `rAX`, `Rd/Mb`. */
  readonly code: string;
  readonly addressing: Addressing;
  /** Of the register, or of register and memory alike. */
  readonly type: OperandType;
  /** Of memory, where the code tells both (`Rd/Mb`); else equal to {@link type}. */
  readonly memoryType: OperandType;
  /** The register, when the row names it: gpr 0–7 (AL is 0, DX is 2, CL is 1), segment 0–5. */
  readonly reg: number;
}

const spec = (code: string, addressing: Addressing, type: OperandType, memoryType = type, reg = 0): OperandSpec => ({
  code,
  addressing,
  type,
  memoryType,
  reg,
});

/** Codes that are no letter and type. rAX follows the operand size, eAX ends at 32 bits (SDM vol. 2 §A.2.3). */
const FIXED: Readonly<Record<string, OperandSpec>> = {
  AL: spec('AL', 'gpr', 'b'),
  AX: spec('AX', 'gpr', 'w'),
  eAX: spec('eAX', 'gpr', 'z'),
  rAX: spec('rAX', 'gpr', 'v'),
  CL: spec('CL', 'gpr', 'b', 'b', 1),
  DX: spec('DX', 'gpr', 'w', 'w', 2),
  ES: spec('ES', 'seg', 'w', 'w', 0),
  CS: spec('CS', 'seg', 'w', 'w', 1),
  SS: spec('SS', 'seg', 'w', 'w', 2),
  DS: spec('DS', 'seg', 'w', 'w', 3),
  FS: spec('FS', 'seg', 'w', 'w', 4),
  GS: spec('GS', 'seg', 'w', 'w', 5),
  ST: spec('ST', 'st', 't'),
  STi: spec('STi', 'sti', 't'),
  XMM0: spec('XMM0', 'xmm0', 'dq'),
  '1': spec('1', 'one', 'b'),
};

/** Where the manual writes another type than it means: immediates and displacements grow to the operand size. */
const WRITTEN: Readonly<Record<string, OperandType>> = { M: 'none', Iz: 'zs', Jz: 'zs', Jb: 'bs' };

const LETTERS = 'ABCDEGIJMNOPQRSUVWXYZ';
const isType = (text: string): text is OperandType => Object.hasOwn(TYPES, text);

function parseOperand(code: string): OperandSpec {
  const named = FIXED[code];
  if (named) return named;
  // `Rd/Mb`: a register of one type or memory of another, which is E (or, of XMM registers, W) with two types.
  const split = /^([RUN])([a-z]+)\/M([a-z]+)$/.exec(code);
  if (split && isType(split[2]!) && isType(split[3]!)) {
    const addressing = split[1] === 'R' ? 'E' : split[1] === 'U' ? 'W' : 'Q';
    return spec(code, addressing, split[2], split[3]);
  }
  const letter = code[0] ?? '';
  const type = WRITTEN[code] ?? code.slice(1);
  if (!LETTERS.includes(letter) || !isType(type)) throw new Error(`operand code '${code}' is not in isa/operand.ts`);
  return spec(code, letter as Addressing, type);
}

/** Parses an operand column such as `Gv,Ev,Iz`; empty for none. Throws on a code that is not in the manual's scheme. */
export function parseOperands(text: string): readonly OperandSpec[] {
  return text === '' ? [] : text.split(',').map(parseOperand);
}
