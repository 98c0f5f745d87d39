import { VEX_MAPS } from '../isa/opcode.ts';
import type { Row } from '../isa/row.ts';
import { hasModrm, modOf } from './lookup.ts';

/**
 * An encoding of the row at random, for tests and fuzzers: prefixes, REX, opcode, ModRM. SIB, displacement and immediate
 * are random bytes after it; how many of them belong to the instruction, decoding tells. It may come out as a row that
 * refines this one, or name a register that does not exist.
 * @param random an integer from 0 to `n` − 1.
 */
export function sampleEncoding(row: Row, bits: 16 | 32 | 64, random: (n: number) => number): number[] {
  const out: number[] = [];
  if (random(4) === 0) out.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][random(6)]!);
  if (random(8) === 0) out.push(0x67);
  if (row.map > VEX_MAPS) return vex(row, bits, out, random);
  if (row.prefix && row.prefix !== 'np') out.push(Number.parseInt(row.prefix, 16));
  else if (row.map === 0 && random(4) === 0) out.push(0x66);
  if (bits === 64 && (row.rex === 'w1' || random(2) === 0)) {
    const rex = 0x40 | random(16);
    out.push(row.rex === 'w1' ? rex | 8 : row.rex === 'w0' ? rex & ~8 : row.rex === 'b0' ? rex & ~1 : rex);
  }
  if (row.map > 0) out.push(0x0f);
  if (row.map > 1) out.push(row.map === 2 ? 0x38 : 0x3a);
  out.push(row.byte + (row.plusR ? random(8) : 0));
  return operands(row, out, random);
}

function operands(row: Row, out: number[], random: (n: number) => number): number[] {
  if (hasModrm(row)) {
    const mod = modOf(row) === 'reg' ? 3 : modOf(row) === 'mem' ? random(3) : random(4);
    out.push((mod << 6) | ((row.ext ?? random(8)) << 3) | (row.rm ?? random(8)));
  }
  while (out.length < 24) out.push(random(256));
  return out;
}

/** The three-byte form of VEX, which can say everything. */
function vex(row: Row, bits: 16 | 32 | 64, out: number[], random: (n: number) => number): number[] {
  const registers = bits === 64 ? random(8) : 6 | random(2); // R, X and B, inverted
  const w = row.rex === 'w1' ? 1 : row.rex === 'w0' ? 0 : random(2);
  const vvvv = row.operands.some(({ addressing }) => addressing === 'B') ? random(16) : 15;
  out.push(0xc4, (registers << 5) | (row.map - VEX_MAPS));
  out.push((w << 7) | (vvvv << 3) | ['np', '66', 'f3', 'f2'].indexOf(row.prefix!), row.byte);
  return operands(row, out, random);
}
