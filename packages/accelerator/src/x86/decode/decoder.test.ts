import { describe, expect, test } from '@jest/globals';
import type { Feature } from '../isa/row.ts';
import { ROWS } from '../isa/rows.ts';
import { BASE_RIP, DECODE, Decoded, OPERAND_KIND as K, SEG } from './decoded.ts';
import { Decoder } from './decoder.ts';

type Bits = 16 | 32 | 64;
const decoder = new Decoder();
const out = new Decoded(ROWS[0]!);

const parse = (hex: string) => Uint8Array.from(hex.split(' '), byte => Number.parseInt(byte, 16));

function result(bits: Bits, hex: string, by = decoder) {
  const bytes = parse(hex);
  return by.decode(bytes, 0, bytes.length, bits, out);
}

/** Decodes bytes that must be one instruction from the first to the last. */
function decode(bits: Bits, hex: string, by = decoder): Decoded {
  expect([hex, result(bits, hex, by)]).toEqual([hex, DECODE.ok]);
  expect([hex, out.length]).toEqual([hex, hex.split(' ').length]);
  return out.copy();
}

const operands = (d: Decoded) =>
  d.operands.slice(0, d.count).map(({ kind, reg, high, size }) => ({ kind, reg, high, size }));
const gpr = (reg: number, size: number, high = false) => ({ kind: K.gpr, reg, high, size });
const mem = (size: number) => ({ kind: K.mem, reg: 0, high: false, size });
const imm = (size: number) => ({ kind: K.imm, reg: 0, high: false, size });

describe('§2.1.1 prefixes', () => {
  test('operand size: 66 switches 16 and 32', () => {
    expect(decode(16, '01 c8').opsize).toBe(16);
    expect(decode(16, '66 01 c8').opsize).toBe(32);
    expect(decode(32, '01 c8').opsize).toBe(32);
    expect(decode(32, '66 01 c8').opsize).toBe(16);
    expect(decode(64, '01 c8').opsize).toBe(32);
    expect(decode(64, '66 01 c8').opsize).toBe(16);
  });

  test('address size: 67 switches 16 and 32, and 64 to 32', () => {
    expect(decode(16, '8b 07').asize).toBe(16);
    expect(decode(16, '67 8b 07').asize).toBe(32);
    expect(decode(32, '8b 07').asize).toBe(32);
    expect(decode(32, '67 8b 07').asize).toBe(16);
    expect(decode(64, '8b 07').asize).toBe(64);
    expect(decode(64, '67 8b 07').asize).toBe(32);
  });

  test('prefixes come in any order and may repeat', () => {
    const d = decode(32, 'f0 66 67 64 66 01 07');
    expect(d).toMatchObject({ opsize: 16, asize: 16, lock: true, seg: SEG.fs, segOverride: true });
  });

  test('the last segment prefix counts', () => {
    expect(decode(32, '26 64 3e 8b 00').seg).toBe(SEG.ds);
    expect(decode(32, '3e 26 8b 00').seg).toBe(SEG.es);
  });

  test('§2.2.1.2 in 64-bit mode ES, CS, SS and DS prefixes have no effect, not even on FS before them', () => {
    expect(decode(64, '26 8b 00')).toMatchObject({ seg: SEG.ds, segOverride: false });
    expect(decode(64, '64 3e 8b 00')).toMatchObject({ seg: SEG.fs, segOverride: true });
    expect(decode(64, '64 65 8b 00').seg).toBe(SEG.gs);
  });

  test('the last of F2 and F3 counts', () => {
    expect(decode(32, 'f2 f3 a6').rep).toBe(0xf3);
    expect(decode(32, 'f3 f2 a6').rep).toBe(0xf2);
    expect(decode(32, 'f3 f2 0f 10 c1').row.mnemonic).toBe('movsd');
  });

  test('F2 and F3 select a row before 66 does', () => {
    expect(decode(32, '0f 6f c1').row.mnemonic).toBe('movq');
    expect(decode(32, '66 0f 6f c1').row.mnemonic).toBe('movdqa');
    expect(decode(32, 'f3 66 0f 6f c1').row.mnemonic).toBe('movdqu');
    expect(result(32, 'f2 66 0f 6f c1')).toBe(DECODE.undefined);
  });

  test('66 sets the operand size of a row that another prefix selects', () => {
    expect(operands(decode(64, '66 f3 0f b8 c1'))).toEqual([gpr(0, 16), gpr(1, 16)]);
    expect(operands(decode(64, '66 f2 0f 38 f1 c1'))).toEqual([gpr(0, 32), gpr(1, 16)]);
  });
});

describe('§2.2.1 REX', () => {
  test('W makes the operand size 64, 66 or not', () => {
    expect(operands(decode(64, '48 01 c8'))).toEqual([gpr(0, 64), gpr(1, 64)]);
    expect(operands(decode(64, '66 48 01 c8'))).toEqual([gpr(0, 64), gpr(1, 64)]);
  });

  test('R, X and B extend reg, index and rm, base or the opcode', () => {
    expect(operands(decode(64, '45 89 c8'))).toEqual([gpr(8, 32), gpr(9, 32)]);
    expect(decode(64, '47 8b 04 0a')).toMatchObject({ reg: 8, base: 10, index: 9 });
    expect(operands(decode(64, '41 57'))).toEqual([gpr(15, 64)]);
  });

  test('it counts right before the opcode only', () => {
    expect(decode(64, '48 66 01 c8')).toMatchObject({ opsize: 16, rex: 0, hasRex: false });
    expect(decode(64, '48 41 01 c8')).toMatchObject({ opsize: 32, rex: 0x41, rm: 8 });
  });

  test('40–4F are inc and dec outside 64-bit mode', () => {
    expect(decode(32, '41').row.mnemonic).toBe('inc');
    expect(decode(16, '4f').row.mnemonic).toBe('dec');
  });

  test('§3.4.1.1 registers 4–7 of 8 bits are AH, CH, DH, BH without REX, and SPL, BPL, SIL, DIL with it', () => {
    expect(operands(decode(64, '88 e7'))).toEqual([gpr(3, 8, true), gpr(0, 8, true)]);
    expect(operands(decode(64, '40 88 e7'))).toEqual([gpr(7, 8), gpr(4, 8)]);
    expect(operands(decode(32, 'b5 01'))).toEqual([gpr(1, 8, true), imm(8)]);
    expect(operands(decode(64, '44 88 c4'))).toEqual([gpr(4, 8), gpr(8, 8)]);
  });

  test('MMX, segment and x87 registers are not extended', () => {
    expect(decode(64, '45 0f 6f c9').operands[1]).toMatchObject({ kind: K.mm, reg: 1 });
    expect(decode(64, '44 8e d8').operands[0]).toMatchObject({ kind: K.seg, reg: SEG.ds });
    expect(decode(64, '41 d8 c3').operands[1]).toMatchObject({ kind: K.st, reg: 3 });
    expect(decode(64, '45 0f 10 c9').operands[1]).toMatchObject({ kind: K.xmm, reg: 9 });
  });

  test('90 with REX.B exchanges, else it is nop', () => {
    expect(decode(64, '90').row.mnemonic).toBe('nop');
    expect(decode(64, '48 90').row.mnemonic).toBe('nop');
    expect(operands(decode(64, '41 90'))).toEqual([gpr(8, 32), gpr(0, 32)]);
    expect(decode(64, 'f3 90').row.mnemonic).toBe('pause');
    expect(decode(64, 'f3 41 90').row.mnemonic).toBe('xchg'); // as Zen 5 does
  });
});

describe('§2.1.5 addressing', () => {
  test.each([
    ['00', 3, 6, 'ds'],
    ['01', 3, 7, 'ds'],
    ['02', 5, 6, 'ss'],
    ['03', 5, 7, 'ss'],
    ['04', 6, -1, 'ds'],
    ['05', 7, -1, 'ds'],
    ['07', 3, -1, 'ds'],
  ] as const)('table 2-1: 16-bit form %s', (modrm, base, index, seg) => {
    expect(decode(16, `8b ${modrm}`)).toMatchObject({ isMem: true, base, index, scale: 0, disp: 0, seg: SEG[seg] });
  });

  test('table 2-1: 16-bit displacements', () => {
    expect(decode(16, '8b 06 34 92')).toMatchObject({ base: -1, index: -1, disp: 0x9234 - 0x10000, seg: SEG.ds });
    expect(decode(16, '8b 46 80')).toMatchObject({ base: 5, index: -1, disp: -128, seg: SEG.ss });
    expect(decode(16, '8b 86 00 80')).toMatchObject({ base: 5, index: -1, disp: -32768, seg: SEG.ss });
  });

  test('table 2-2: 32-bit forms', () => {
    expect(decode(32, '8b 03')).toMatchObject({ base: 3, index: -1, disp: 0, seg: SEG.ds });
    expect(decode(32, '8b 05 78 56 34 12')).toMatchObject({ base: -1, index: -1, disp: 0x12345678, seg: SEG.ds });
    expect(decode(32, '8b 45 ff')).toMatchObject({ base: 5, disp: -1, seg: SEG.ss });
    expect(decode(32, '8b 83 00 00 00 80')).toMatchObject({ base: 3, disp: -0x80000000, seg: SEG.ds });
  });

  test('table 2-3: SIB', () => {
    expect(decode(32, '8b 04 24')).toMatchObject({ base: 4, index: -1, scale: 0, seg: SEG.ss });
    expect(decode(32, '8b 44 8c 10')).toMatchObject({ base: 4, index: 1, scale: 2, disp: 16, seg: SEG.ss });
    expect(decode(32, '8b 04 cd 01 00 00 00')).toMatchObject({ base: -1, index: 1, scale: 3, disp: 1, seg: SEG.ds });
    expect(decode(32, '8b 44 cd 01')).toMatchObject({ base: 5, index: 1, scale: 3, disp: 1, seg: SEG.ss });
    expect(decode(32, '8b 04 e3')).toMatchObject({ base: 3, index: -1, scale: 0 });
  });

  test('table 2-5: R12 needs SIB as RSP does, R13 a displacement as RBP does, R12 can be an index', () => {
    expect(decode(64, '41 8b 04 24')).toMatchObject({ base: 12, index: -1, seg: SEG.ds });
    expect(decode(64, '41 8b 45 00')).toMatchObject({ base: 13, index: -1, disp: 0, seg: SEG.ds });
    expect(decode(64, '42 8b 04 20')).toMatchObject({ base: 0, index: 12 });
    expect(decode(64, '41 8b 04 25 01 00 00 00')).toMatchObject({ base: -1, index: -1, disp: 1 });
  });

  test('§2.2.1.6 mod 0 with rm 5 is relative to RIP in 64-bit mode, with REX.B too', () => {
    expect(decode(64, '8b 05 f0 ff ff ff')).toMatchObject({ base: BASE_RIP, index: -1, disp: -16, asize: 64 });
    expect(decode(64, '41 8b 05 10 00 00 00')).toMatchObject({ base: BASE_RIP, disp: 16 });
    expect(decode(64, '67 8b 05 10 00 00 00')).toMatchObject({ base: BASE_RIP, asize: 32 });
  });

  test('no memory, no segment', () => {
    expect(decode(32, '64 01 c8')).toMatchObject({ isMem: false, seg: -1, base: -1, index: -1 });
  });

  test('string operations: the source can be overridden, the destination cannot', () => {
    expect(decode(32, 'a5')).toMatchObject({ seg: SEG.ds, count: 2 });
    expect(operands(decode(32, '64 a5')).map(o => o.kind)).toEqual([K.di, K.si]);
    expect(decode(32, '64 a5').seg).toBe(SEG.fs);
    expect(decode(32, '64 ab').seg).toBe(SEG.es);
  });

  test('memory that no operand names: xlat, maskmovdqu', () => {
    expect(decode(32, 'd7')).toMatchObject({ seg: SEG.ds, count: 0 });
    expect(decode(32, '64 66 0f f7 c1').seg).toBe(SEG.fs);
  });
});

describe('immediates', () => {
  test('Ib zero-extends, Ibs and Iz sign-extend to the operand size', () => {
    expect(decode(32, 'c1 e0 ff')).toMatchObject({ immLo: 255, immHi: 0 });
    expect(decode(32, '83 c0 ff')).toMatchObject({ immLo: -1, immHi: -1 });
    expect(decode(64, '48 05 00 00 00 80')).toMatchObject({ immLo: -0x80000000, immHi: -1 });
    expect(decode(16, '05 00 80')).toMatchObject({ immLo: -0x8000, immHi: -1 });
    expect(decode(64, '48 83 c0 ff').operands[1]).toMatchObject({ kind: K.imm, size: 64 });
  });

  test('§2.2.1.5 mov takes 64 bits', () => {
    const d = decode(64, '48 b8 08 07 06 05 04 03 02 81');
    expect(d).toMatchObject({ immLo: 0x05060708, immHi: 0x81020304 | 0 });
    expect(operands(d)).toEqual([gpr(0, 64), imm(64)]);
  });

  test('§2.2.1.4 offsets are as wide as addresses, zero-extended', () => {
    expect(decode(64, 'a1 01 02 03 04 05 06 07 88')).toMatchObject({ immLo: 0x04030201, immHi: 0x88070605 | 0 });
    expect(decode(64, '67 a1 01 02 03 84')).toMatchObject({ immLo: 0x84030201 | 0, immHi: 0 });
    expect(decode(16, '64 a0 00 ff')).toMatchObject({ immLo: 0xff00, immHi: 0, seg: SEG.fs });
    expect(decode(32, 'a0 00 00 00 ff').operands[1]).toMatchObject({ kind: K.moffs, size: 8 });
  });

  test('enter has two', () => {
    expect(decode(32, 'c8 34 12 ff')).toMatchObject({ immLo: 0x1234, imm2: 255 });
    expect(decode(32, 'c8 34 12 1f').operands[1]!.kind).toBe(K.imm2);
  });

  test('a far pointer has the offset first', () => {
    expect(decode(32, 'ea 01 02 03 84 10 f0')).toMatchObject({ immLo: 0x84030201 | 0, imm2: 0xf010 });
    expect(decode(16, '9a 01 82 10 00')).toMatchObject({ immLo: 0x8201, imm2: 0x10 });
    expect(decode(16, '9a 01 82 10 00').operands[0]).toMatchObject({ kind: K.farptr, size: 32 });
  });

  test('branches are relative', () => {
    expect(decode(32, 'eb fe')).toMatchObject({ immLo: -2, immHi: -1 });
    expect(decode(16, 'e9 00 80')).toMatchObject({ immLo: -0x8000 });
    expect(decode(64, 'e8 fb ff ff ff').operands[0]).toMatchObject({ kind: K.rel, size: 64 });
  });
});

describe('sizes', () => {
  test.each<[Bits, string, ReturnType<typeof operands>]>([
    [32, '0f b6 00', [gpr(0, 32), mem(8)]],
    [64, '48 63 00', [gpr(0, 64), mem(32)]],
    [32, '8c 18', [mem(16), { kind: K.seg, reg: 3, high: false, size: 16 }]],
    [32, '8c d8', [gpr(0, 32), { kind: K.seg, reg: 3, high: false, size: 16 }]],
    [16, 'ff 18', [mem(32)]],
    [32, 'ff 18', [mem(48)]],
    [64, '48 ff 18', [mem(80)]],
    [32, '0f 01 10', [mem(48)]],
    [64, '66 0f 01 10', [mem(80)]],
    [32, '62 00', [gpr(0, 32), mem(64)]],
    [32, 'd9 20', [mem(224)]],
    [16, 'd9 24', [mem(112)]],
    [32, 'dd 20', [mem(864)]],
    [32, 'db 28', [mem(80)]],
    [32, '0f ae 00', [mem(4096)]],
    [32, '0f c7 08', [mem(64)]],
    [64, '48 0f c7 08', [mem(128)]],
    [64, 'e5 10', [gpr(0, 32), imm(8)]],
    [64, '48 e5 10', [gpr(0, 32), imm(8)]],
    [64, '0f 20 c1', [gpr(1, 64), { kind: K.cr, reg: 0, high: false, size: 64 }]],
    [32, '0f 21 f9', [gpr(1, 32), { kind: K.dr, reg: 7, high: false, size: 32 }]],
    [32, 'd1 e0', [gpr(0, 32), { kind: K.one, reg: 0, high: false, size: 8 }]],
  ])('%i-bit code: %s', (bits, hex, expected) => {
    expect(operands(decode(bits, hex))).toEqual(expected);
  });

  test('table A-1 d64: push and pop have 64 bits or 16', () => {
    expect(decode(64, '50').opsize).toBe(64);
    expect(decode(64, '66 50').opsize).toBe(16);
    expect(decode(64, '66 68 01 80')).toMatchObject({ opsize: 16, immLo: -0x7fff });
    expect(decode(64, '68 01 00 00 80')).toMatchObject({ opsize: 64, immLo: -0x7fffffff, immHi: -1 });
  });

  test('table A-1 f64: 66 does not shorten near branches', () => {
    expect(decode(64, '66 e8 00 00 00 00').opsize).toBe(64);
    expect(decode(64, '66 c3').opsize).toBe(64);
    expect(decode(64, '66 0f 84 00 00 00 00').opsize).toBe(64);
    expect(decode(32, '66 e8 00 00').opsize).toBe(16);
  });

  test('mov of control registers ignores mod', () => {
    expect(decode(32, '0f 22 03')).toMatchObject({ isMem: false, seg: -1, rm: 3 });
    expect(decode(32, '0f 20 44').operands[0]).toMatchObject({ kind: K.gpr, reg: 4 });
  });
});

describe('#UD', () => {
  test.each<[Bits, string]>([
    ...[
      '06',
      '27',
      '37',
      '60',
      '61',
      '62 00',
      '82 c0 00',
      '9a 00 00 00 00 00 00',
      'c4 e0 78 f2 c0', // no such map
      'c4 e2 7c f2 c0', // VEX.L
      'c5 f8 77',
      '66 c4 e2 70 f2 c0', // a prefix that VEX stands for
      'f2 c4 e2 70 f2 c0',
      'f0 c4 e2 70 f2 c0',
      '48 c4 e2 70 f2 c0',
      'c4 e3 73 f0 c0 01', // RORX has no second source
      'ce',
      'd4 0a',
      'd6',
      'ea 00',
    ].map((hex): [Bits, string] => [64, hex]),
    [32, '0f 01 f8'],
    [32, 'f3 0f ae c0'],
    [32, '8d c0'],
    [32, '0f b2 c0'],
    [32, 'c4 e0 78'],
    [32, 'ff d8'],
    [32, 'ff f8'],
    [32, 'fe d0'],
    [32, '0f 20 c8'],
    [32, '0f 22 e8'],
    [64, '44 0f 21 c0'],
    [32, '8e c8'],
    [32, '8c f0'],
    [32, '0f 0a'],
    [32, '0f c7 c8'],
    [32, 'd9 08'],
    [32, 'd9 d1'],
    [32, '66 0f 77'],
    [32, '0f 38 f6 c0'],
  ])('%i-bit code: %s', (bits, hex) => {
    expect(result(bits, hex)).toBe(DECODE.undefined);
  });

  test.each<Bits>([16, 32])('§2.3: VEX in %i-bit code, but for real and virtual-8086 mode', bits => {
    const bytes = Uint8Array.of(0xc4, 0xe2, 0x70, 0xf2, 0xc2);
    const insn = new Decoded(ROWS[0]!);
    const decoder = new Decoder();
    expect(decoder.decode(bytes, 0, bytes.length, bits, insn, true)).toBe(DECODE.ok);
    expect(insn.row.mnemonic).toBe('andn');
    expect(decoder.decode(bytes, 0, bytes.length, bits, insn, false)).toBe(DECODE.undefined);
  });

  test('valid outside 64-bit mode', () => {
    expect(decode(32, '82 c0 01').row.mnemonic).toBe('add');
    expect(decode(32, 'c4 00').row.mnemonic).toBe('les');
    expect(decode(16, '63 c8').row.mnemonic).toBe('arpl');
    expect(decode(32, 'd6').row.mnemonic).toBe('salc');
  });

  test('CR8 exists in 64-bit mode', () => {
    expect(decode(64, '44 0f 22 c0').operands[0]).toMatchObject({ kind: K.cr, reg: 8 });
  });

  test('§8.1.2.2 LOCK is for memory that is read, changed and written', () => {
    expect(decode(32, 'f0 01 00').lock).toBe(true);
    expect(decode(32, 'f0 87 00').lock).toBe(true);
    expect(decode(32, 'f0 0f c7 08').lock).toBe(true);
    expect(decode(32, 'f0 0f ba 28 01').lock).toBe(true);
    for (const hex of [
      'f0 01 c8',
      'f0 03 00',
      'f0 39 00',
      'f0 89 00',
      'f0 90',
      'f0 0f ba 20 01',
      'f0 c7 00 0 0 0 0',
      'f0 a4',
    ]) {
      expect([hex, result(32, hex)]).toEqual([hex, DECODE.undefined]);
    }
  });
});

describe('where instructions end', () => {
  test('§2.3.11 15 bytes at most', () => {
    const prefixes = (n: number) => Array(n).fill('66').join(' ');
    expect(decode(32, `${prefixes(14)} 90`).length).toBe(15);
    expect(result(32, `${prefixes(15)} 90`)).toBe(DECODE.tooLong);
    expect(result(32, `${prefixes(11)} b8 00 00 00 00`)).toBe(DECODE.ok); // mov ax, imm16 is 14 bytes
    expect(result(32, `${prefixes(13)} b8 00 00 00 00`)).toBe(DECODE.tooLong);
  });

  test('the limit is not reached by bytes that are not there', () => {
    expect(result(32, Array(14).fill('66').join(' '))).toBe(DECODE.needMore);
    expect(result(32, Array(15).fill('66').join(' '))).toBe(DECODE.tooLong);
  });

  test.each<[Bits, string]>([
    [64, '66 64 48 0f c7 8c 88 01 02 03 04'],
    [64, '48 b8 01 02 03 04 05 06 07 08'],
    [64, 'a3 01 02 03 04 05 06 07 08'],
    [32, '9a 01 02 03 04 05 06'],
    [32, 'c8 01 02 03'],
    [32, '69 84 88 01 02 03 04 05 06 07 08'],
    [32, '66 0f 3a 0f 44 88 01 02'],
    [16, '0f ae 86 01 02'],
    [16, '0f 84 01 02'],
    [32, 'd9 44 24 08'],
  ])('%i-bit code: %s needs all its bytes', (bits, hex) => {
    const bytes = parse(hex);
    for (let end = 0; end < bytes.length; end++) {
      expect([end, decoder.decode(bytes, 0, end, bits, out)]).toEqual([end, DECODE.needMore]);
    }
    expect(decoder.decode(bytes, 0, bytes.length, bits, out)).toBe(DECODE.ok);
    expect(out.length).toBe(bytes.length);
  });

  test('decoding starts at the offset given and stops before its end', () => {
    const bytes = parse('ff b8 01 02 03 04 90');
    expect(decoder.decode(bytes, 1, 6, 32, out)).toBe(DECODE.ok);
    expect(out).toMatchObject({ length: 5, immLo: 0x04030201 });
    expect(decoder.decode(bytes, 1, 5, 32, out)).toBe(DECODE.needMore);
  });
});

describe('CPUID', () => {
  const without = (...missing: Feature[]) => new Decoder(feature => !missing.includes(feature));

  test('without its feature an encoding means what it meant before', () => {
    expect(decode(32, 'f3 0f bc c1').row.mnemonic).toBe('tzcnt');
    expect(decode(32, 'f3 0f bc c1', without('bmi1')).row.mnemonic).toBe('bsf');
    expect(decode(32, 'f3 0f bd c1', without('lzcnt')).row.mnemonic).toBe('bsr');
    expect(decode(64, 'f3 0f 1e fa').row.mnemonic).toBe('endbr64');
    expect(decode(64, 'f3 0f 1e fa', without('cet')).row.mnemonic).toBe('nop');
  });

  test('or nothing', () => {
    expect(result(32, '66 0f 6f c1', without('sse2'))).toBe(DECODE.undefined);
    expect(result(64, '9f', without('lahf64'))).toBe(DECODE.undefined);
    expect(decode(32, '9f', without('lahf64')).row.mnemonic).toBe('lahf');
    expect(result(64, '48 0f c7 08', without('cx16'))).toBe(DECODE.undefined);
    expect(decode(64, '0f c7 08', without('cx16')).row.mnemonic).toBe('cmpxchg8b');
  });
});

test('a copy does not change with the next instruction', () => {
  const kept = decode(32, '88 e7');
  decode(32, '01 03');
  expect(operands(kept)).toEqual([gpr(3, 8, true), gpr(0, 8, true)]);
  expect(kept).toMatchObject({ length: 2, isMem: false, base: -1 });
  expect(kept.row.mnemonic).toBe('mov');
});

test('any bytes decode to something, within the bytes given', () => {
  let x = 1;
  const bytes = Uint8Array.from({ length: 30_000 }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x >>> 24;
  });
  for (let start = 0; start < bytes.length; start++) {
    for (const bits of [16, 32, 64] as const) {
      const end = Math.min(bytes.length, start + 1 + (start % 16));
      const got = decoder.decode(bytes, start, end, bits, out);
      if (got === DECODE.ok) {
        if (out.length < 1 || out.length > end - start || out.length > 15) throw new Error(`length ${out.length}`);
      } else if (got === DECODE.needMore && end - start >= 15)
        throw new Error(`more than 15 bytes asked for at ${start}`);
    }
  }
});
