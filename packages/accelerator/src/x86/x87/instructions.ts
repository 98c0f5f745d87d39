import { add, subtract } from './add.ts';
import type { X87Execute } from './cpu.ts';
import { divide } from './divide.ts';
import * as arithmetic from './instructions/arithmetic.ts';
import * as comparison from './instructions/compare.ts';
import * as control from './instructions/control.ts';
import * as transcendental from './instructions/transcendental.ts';
import * as transfer from './instructions/transfer.ts';
import { roundToInteger } from './integer.ts';
import { multiply } from './multiply.ts';
import { remainder } from './remainder.ts';
import { extract, scale } from './scale.ts';
import { squareRoot } from './square-root.ts';
import { FSW } from './status.ts';
import { f2xm1, fcos, fpatan, fptan, fsin, fsincos, fyl2x, fyl2xp1 } from './transcendental.ts';

const { M16INT, M32FP, M32INT, M64FP, M64INT } = arithmetic;

/** One x87 instruction in one form. */
export interface X87Instruction {
  /** As in the SDM; undocumented aliases have the names of the literature (`fstp1`, `fcom2`, `fxch4`…). */
  readonly mnemonic: string;
  /** In the manual's notation; empty without operands. */
  readonly operands: string;
  readonly execute: X87Execute;
  /** Reports a pending exception first (SDM vol. 1 §8.3.11); false for the FN… forms. */
  readonly waits: boolean;
  /** Sets FOP, FIP and FDP once it has taken effect; false for control instructions (§8.1.8). */
  readonly pointers: boolean;
}

const row = (mnemonic: string, operands: string, execute: X87Execute): X87Instruction => ({
  mnemonic,
  operands,
  execute,
  waits: true,
  pointers: true,
});
const controlRow = (mnemonic: string, operands: string, execute: X87Execute, waits = false): X87Instruction => ({
  mnemonic,
  operands,
  execute,
  waits,
  pointers: false,
});

const ST = 'ST(i)';
const ST0_ST = 'ST(0),ST(i)';
const ST_ST0 = 'ST(i),ST(0)';

/** The operation columns of D8, DA, DC and DE by the reg field; 2 and 3 are comparisons. */
const OPERATIONS = [
  ['add', add],
  ['mul', multiply],
  undefined,
  undefined,
  ['sub', subtract],
  ['subr', arithmetic.reversed(subtract)],
  ['div', divide],
  ['divr', arithmetic.reversed(divide)],
] as const;

function memoryColumn(prefix: string, operands: string, source: arithmetic.Source): X87Instruction[] {
  return OPERATIONS.map((operation, reg) => {
    if (operation !== undefined) {
      return row(prefix + operation[0], operands, arithmetic.withMemory(operation[1], source));
    }
    const pops = reg - 2;
    return row(`${prefix}com${pops ? 'p' : ''}`, operands, comparison.compareMemory(source, pops));
  });
}

type Slot = X87Instruction | undefined;
/** Eight rows of ST(i) for each reg field. */
const spread = (rows: readonly Slot[]): Slot[] => rows.flatMap(r => Array<Slot>(8).fill(r));
/** `rows` at the r/m fields given, the rest undefined. */
const sparse = (at: Readonly<Record<number, X87Instruction>>): Slot[] => Array.from({ length: 8 }, (_, rm) => at[rm]);

const fld = row('fld', ST, transfer.fldRegister);
const fxch = (name: string) => row(name, ST, transfer.fxch);
const fstp = (name: string) => row(name, ST, transfer.storeRegister(true));
const fcom = (name: string) => row(name, ST, comparison.compareRegister(false, 0));
const fcomp = (name: string) => row(name, ST, comparison.compareRegister(false, 1));
const fcmov = (name: string, execute: X87Execute) => row(name, ST0_ST, execute);
const none = undefined;

const registerOperations = (
  execute: (n: 0 | 1 | 4 | 5 | 6 | 7) => X87Instruction,
  com: Slot[],
  comp: Slot[],
): Slot[] => [
  ...spread([execute(0), execute(1)]),
  ...com,
  ...comp,
  ...spread([execute(4), execute(5), execute(6), execute(7)]),
];
const intoTop = (n: 0 | 1 | 4 | 5 | 6 | 7) => row(`f${OPERATIONS[n][0]}`, ST0_ST, arithmetic.toTop(OPERATIONS[n][1]));
/** In DC and DE the reversed forms change places: E0 is FSUBR, E8 FSUB. */
const intoRegister = (pop: boolean) => (n: 0 | 1 | 4 | 5 | 6 | 7) => {
  const [name, operation] = OPERATIONS[n < 4 ? n : ((n ^ 1) as 4)];
  return row(`f${name}${pop ? 'p' : ''}`, ST_ST0, arithmetic.toRegister(operation, pop));
};

/** By escape byte D8–DF: eight memory forms by the reg field, then 64 register forms from ModRM C0 on. */
const ESCAPES: readonly (readonly Slot[])[] = [
  // D8
  [
    ...memoryColumn('f', 'm32fp', M32FP),
    ...registerOperations(intoTop, spread([fcom('fcom')]), spread([fcomp('fcomp')])),
  ],
  // D9
  [
    row('fld', 'm32fp', transfer.load(M32FP)),
    none,
    row('fst', 'm32fp', transfer.store(transfer.TO_M32FP, false)),
    row('fstp', 'm32fp', transfer.store(transfer.TO_M32FP, true)),
    controlRow('fldenv', 'm14/28byte', control.fldenv, true),
    controlRow('fldcw', 'm2byte', control.fldcw, true),
    controlRow('fnstenv', 'm14/28byte', control.fnstenv),
    controlRow('fnstcw', 'm2byte', control.fnstcw),
    ...spread([fld, fxch('fxch')]),
    ...sparse({ 0: row('fnop', '', control.nothing) }),
    ...spread([row('fstp1', ST, transfer.fstp1)]),
    ...sparse({
      0: row('fchs', '', arithmetic.fchs),
      1: row('fabs', '', arithmetic.fabs),
      4: row('ftst', '', comparison.ftst),
      5: row('fxam', '', comparison.fxam),
    }),
    row('fld1', '', transfer.constant(0x3fff, 0x80000000, 0, 'equal')),
    row('fldl2t', '', transfer.constant(0x4000, 0xd49a784b, 0xcd1b8afe, 'above')),
    row('fldl2e', '', transfer.constant(0x3fff, 0xb8aa3b29, 0x5c17f0bc, 'below')),
    row('fldpi', '', transfer.constant(0x4000, 0xc90fdaa2, 0x2168c235, 'below')),
    row('fldlg2', '', transfer.constant(0x3ffd, 0x9a209a84, 0xfbcff799, 'below')),
    row('fldln2', '', transfer.constant(0x3ffe, 0xb17217f7, 0xd1cf79ac, 'below')),
    row('fldz', '', transfer.constant(0, 0, 0, 'equal')),
    none,
    row('f2xm1', '', arithmetic.unary(f2xm1)),
    row('fyl2x', '', transcendental.intoSecond(fyl2x)),
    row('fptan', '', arithmetic.pushing(fptan, FSW.C1 | FSW.C2)),
    row('fpatan', '', transcendental.intoSecond(fpatan)),
    row(
      'fxtract',
      '',
      arithmetic.pushing((c, a) => extract(c, a, c.result, c.pushed), FSW.C1),
    ),
    row(
      'fprem1',
      '',
      arithmetic.withSecond((c, a, b, out) => remainder(c, a, b, true, out), FSW.C1 | FSW.C2),
    ),
    row('fdecstp', '', control.fdecstp),
    row('fincstp', '', control.fincstp),
    row(
      'fprem',
      '',
      arithmetic.withSecond((c, a, b, out) => remainder(c, a, b, false, out), FSW.C1 | FSW.C2),
    ),
    row('fyl2xp1', '', transcendental.intoSecond(fyl2xp1)),
    row('fsqrt', '', arithmetic.unary(squareRoot)),
    row('fsincos', '', arithmetic.pushing(fsincos, FSW.C1 | FSW.C2)),
    row('frndint', '', arithmetic.unary(roundToInteger)),
    row('fscale', '', arithmetic.withSecond(scale, FSW.C1)),
    row('fsin', '', transcendental.ranged(fsin)),
    row('fcos', '', transcendental.ranged(fcos)),
  ],
  // DA
  [
    ...memoryColumn('fi', 'm32int', M32INT),
    ...spread([
      fcmov('fcmovb', transfer.fcmovb),
      fcmov('fcmove', transfer.fcmove),
      fcmov('fcmovbe', transfer.fcmovbe),
      fcmov('fcmovu', transfer.fcmovu),
      none,
    ]),
    ...sparse({ 1: row('fucompp', '', (fpu, cpu) => comparison.compareRegister(true, 2)(fpu, cpu, 1)) }),
    ...spread([none, none]),
  ],
  // DB
  [
    row('fild', 'm32int', transfer.load(M32INT)),
    row('fisttp', 'm32int', transfer.store(transfer.CHOP_M32INT, true)),
    row('fist', 'm32int', transfer.store(transfer.TO_M32INT, false)),
    row('fistp', 'm32int', transfer.store(transfer.TO_M32INT, true)),
    none,
    row('fld', 'm80fp', transfer.fldM80),
    none,
    row('fstp', 'm80fp', transfer.store(transfer.TO_M80FP, true)),
    ...spread([
      fcmov('fcmovnb', transfer.fcmovnb),
      fcmov('fcmovne', transfer.fcmovne),
      fcmov('fcmovnbe', transfer.fcmovnbe),
      fcmov('fcmovnu', transfer.fcmovnu),
    ]),
    ...sparse({
      0: controlRow('fneni', '', control.nothing),
      1: controlRow('fndisi', '', control.nothing),
      2: controlRow('fnclex', '', control.fnclex),
      3: controlRow('fninit', '', control.fninit),
      4: controlRow('fnsetpm', '', control.nothing),
    }),
    ...spread([
      row('fucomi', ST0_ST, comparison.compareToEflags(true, 0)),
      row('fcomi', ST0_ST, comparison.compareToEflags(false, 0)),
      none,
    ]),
  ],
  // DC
  [
    ...memoryColumn('f', 'm64fp', M64FP),
    ...registerOperations(intoRegister(false), spread([fcom('fcom2')]), spread([fcomp('fcomp3')])),
  ],
  // DD
  [
    row('fld', 'm64fp', transfer.load(M64FP)),
    row('fisttp', 'm64int', transfer.store(transfer.CHOP_M64INT, true)),
    row('fst', 'm64fp', transfer.store(transfer.TO_M64FP, false)),
    row('fstp', 'm64fp', transfer.store(transfer.TO_M64FP, true)),
    controlRow('frstor', 'm94/108byte', control.frstor, true),
    none,
    controlRow('fnsave', 'm94/108byte', control.fnsave),
    controlRow('fnstsw', 'm2byte', control.fnstsw),
    ...spread([
      row('ffree', ST, control.ffree),
      fxch('fxch4'),
      row('fst', ST, transfer.storeRegister(false)),
      fstp('fstp'),
      row('fucom', ST, comparison.compareRegister(true, 0)),
      row('fucomp', ST, comparison.compareRegister(true, 1)),
      none,
      none,
    ]),
  ],
  // DE
  [
    ...memoryColumn('fi', 'm16int', M16INT),
    ...registerOperations(
      intoRegister(true),
      spread([fcomp('fcomp5')]),
      sparse({ 1: row('fcompp', '', comparison.compareRegister(false, 2)) }),
    ),
  ],
  // DF
  [
    row('fild', 'm16int', transfer.load(M16INT)),
    row('fisttp', 'm16int', transfer.store(transfer.CHOP_M16INT, true)),
    row('fist', 'm16int', transfer.store(transfer.TO_M16INT, false)),
    row('fistp', 'm16int', transfer.store(transfer.TO_M16INT, true)),
    row('fbld', 'm80dec', transfer.fbld),
    row('fild', 'm64int', transfer.load(M64INT)),
    row('fbstp', 'm80bcd', transfer.store(transfer.TO_BCD, true)),
    row('fistp', 'm64int', transfer.store(transfer.TO_M64INT, true)),
    ...spread([row('ffreep', ST, control.ffreep), fxch('fxch7'), fstp('fstp8'), fstp('fstp9')]),
    ...sparse({ 0: controlRow('fnstsw', 'AX', control.fnstswAx) }),
    ...spread([
      row('fucomip', ST0_ST, comparison.compareToEflags(true, 1)),
      row('fcomip', ST0_ST, comparison.compareToEflags(false, 1)),
      none,
    ]),
  ],
];

/**
 * The instruction that an escape byte and a ModRM byte name; undefined stands for #UD. Its register operand is the
 * r/m field.
 * @param first D8–DF, or its low three bits.
 */
export const x87Instruction = (first: number, modrm: number): X87Instruction | undefined =>
  ESCAPES[first & 7]![modrm < 0xc0 ? (modrm >> 3) & 7 : modrm - 0xc0 + 8];
