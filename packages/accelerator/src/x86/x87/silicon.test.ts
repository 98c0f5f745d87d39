/**
 * The processor under the test as the oracle: every form of every x87 instruction runs on random states here and there,
 * and the states after it must be equal. A C program loads a state by FRSTOR, executes the bytes it is given, and
 * hands the state back by FNSAVE; no exception is ever delivered, since it executes no waiting instruction after them.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { X87Cpu } from './cpu.ts';
import { readFloat80, readState, writeFloat80, writeState } from './environment.ts';
import { Float80, KIND, kind } from './float80.ts';
import { type X87Instruction, x87Instruction } from './instructions.ts';
import { X87, X87_LAYOUT } from './state.ts';
import { FSW } from './status.ts';

const PROGRAM = `
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
struct record { uint8_t state[108], memory[112]; uint32_t eflags; uint8_t code[8]; uint32_t ax; };
int main(void) {
  static struct record r;
  static uint8_t saved[108];
  uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 1;
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    memcpy(page, r.code, sizeof r.code);
    uint64_t flags = r.eflags, ax = 0;
    __asm__ volatile(
      "frstor %[in]; pushq %[flags]; popfq; callq *%[page]; pushfq; popq %[flags]; fnsave %[out]"
      : [flags] "+&r"(flags), "+&a"(ax), [out] "=m"(saved)
      : [in] "m"(r.state), [page] "r"(page), "d"(r.memory) : "memory", "cc");
    memcpy(r.state, saved, sizeof saved);
    r.eflags = flags;
    r.ax = ax;
    if (fwrite(&r, sizeof r, 1, stdout) != 1) return 1;
  }
  return 0;
}
`;
const RECORD = { memory: 108, eflags: 220, code: 224, ax: 232, size: 236 } as const;
/** ModRM of a memory operand at [rdx]. */
const AT_RDX = 0x02;

/** Builds the program. @returns its directory, or why there is none. */
function build(): { directory: string } | { missing: string } {
  if (process.arch !== 'x64' || process.platform !== 'linux') return { missing: 'needs Linux on x86-64' };
  const directory = mkdtempSync(join(tmpdir(), 'x87-'));
  const source = join(directory, 'oracle.c');
  writeFileSync(source, PROGRAM);
  try {
    execFileSync('cc', ['-O1', '-mno-red-zone', '-o', join(directory, 'oracle'), source], { stdio: 'ignore' });
    return { directory };
  } catch {
    // At once: hooks do not run when every test is skipped.
    rmSync(directory, { recursive: true });
    return { missing: 'needs a C compiler (cc)' };
  }
}
const built = build();
const missing = 'missing' in built ? built.missing : undefined;
const oracle = 'directory' in built ? join(built.directory, 'oracle') : '';
afterAll(() => {
  if ('directory' in built) rmSync(built.directory, { recursive: true });
});

/** A generator of 32-bit numbers (xorshift), so that every run sees the same cases. */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e3779b1);
  }
  below(n: number): number {
    return (this.word() >>> 8) % n;
  }
}

function significand(random: Random, out: Float80): void {
  out.hi = random.word() | -0x80000000;
  out.lo = random.word();
  switch (random.below(9)) {
    case 0:
      out.lo = 0;
      out.hi &= -0x80000000 >> random.below(31);
      break;
    case 1:
      out.lo = 0;
      break;
    case 2:
      out.lo &= ~0x7ff | (0x400 << random.below(2));
      break;
    case 3:
      out.hi = out.lo = -1;
      if (random.below(2)) out.lo <<= random.below(14);
      break;
    case 4:
      out.hi |= 0xff;
      out.lo = -1 << random.below(31);
      break;
    case 5:
      out.lo = random.below(4);
      out.hi &= 0xffffff00 | random.below(256);
  }
}

/** Any encoding: near another's exponent, near the limits, integers, and all the special ones. */
function value(random: Random, near: number): Float80 {
  const out = new Float80();
  significand(random, out);
  const sign = random.below(2) << 15;
  let exponent = random.word() & 0x7fff;
  switch (random.below(24)) {
    case 0:
      out.hi = out.lo = exponent = 0;
      break;
    case 1:
      out.hi &= 0x7fffffff >> random.below(31);
      exponent = 0;
      break;
    case 2:
      exponent = 0;
      if (random.below(2)) out.hi &= 0x7fffffff;
      break;
    case 3:
      out.set(0, -0x80000000, 0);
      exponent = 0x7fff;
      break;
    case 4:
    case 5:
      exponent = 0x7fff;
      if (random.below(2)) out.hi &= ~0x40000000;
      if (random.below(4) === 0) out.hi = random.below(2) ? -0x40000000 : -0x7fffffff;
      break;
    case 6:
      out.hi &= 0x7fffffff;
      break;
    case 7:
    case 8:
      exponent = random.below(80);
      break;
    case 9:
    case 10:
      exponent = 0x7fff - random.below(80);
      break;
    case 11:
    case 12:
      exponent = 0x3fff + random.below(70);
      break;
    case 13:
      exponent = 0x3fff + random.below(20);
      out.lo = 0;
      out.hi &= -0x10000;
      break;
    case 14:
      exponent = 0x3fff - random.below(130);
      break;
    case 15:
      exponent = (random.below(2) ? 0x3fff - 127 : 0x3fff - 1023) - 60 + random.below(70);
      break;
    case 16:
      exponent = (random.below(2) ? 0x3fff + 127 : 0x3fff + 1023) - 1 + random.below(3);
      break;
    default:
      exponent = (near + random.below(140) - 70) & 0x7fff;
      if (random.below(2)) exponent = (near + random.below(5) - 2) & 0x7fff;
  }
  out.se = sign | exponent;
  return out;
}

function fill(record: DataView, random: Random): void {
  const masks = random.below(3) ? 0x3f : random.below(64);
  record.setUint32(0, 0xffff0040 | masks | (random.below(16) << 8), true);
  const flags = random.below(3) ? 0 : random.below(0x80) & (masks | FSW.SF);
  record.setUint32(4, 0xffff0000 | flags | (random.word() & 0x7f00), true);
  record.setUint32(8, 0xffff0000 | (random.below(6) ? 0 : random.word() & 0xffff), true);
  // Where the instruction pushes, most registers should be empty.
  if (random.below(2)) {
    const top = (record.getUint16(4, true) >> 11) & 7;
    record.setUint16(8, record.getUint16(8, true) | (3 << (2 * ((top + 7) & 7))), true);
  }
  let near = random.below(4) ? 0x3fff - 40 + random.below(80) : random.word() & 0x7fff;
  for (let i = 0; i < 8; i++) {
    const v = value(random, near);
    if (i === 0 && (v.se & 0x7fff) !== 0x7fff) near = v.se & 0x7fff;
    writeFloat80(record, 28 + 10 * i, v);
    if (i > 0 && random.below(16) === 0) {
      readFloat80(record, 28 + 10 * (i - 1), v);
      if (random.below(2)) v.se ^= 0x8000;
      if (random.below(2)) v.hi ^= random.below(2) << 30;
      writeFloat80(record, 28 + 10 * i, v);
    }
  }
  for (let at = 0; at < 112; at += 4) record.setInt32(RECORD.memory + at, random.word(), true);
  record.setUint32(RECORD.eflags, 0x202 | (random.word() & 0x8d5), true);
}

/** A memory operand that suits the form, as random bits seldom do. */
function fillOperand(record: DataView, random: Random, operands: string): void {
  const at = RECORD.memory;
  const special = random.below(3);
  if (operands === 'm80fp') writeFloat80(record, at, value(random, 0x3fff));
  else if (operands === 'm80dec') {
    for (let i = 0; i < 10; i++) record.setUint8(at + i, (random.below(10) << 4) | random.below(10));
    record.setUint8(at + 9, random.word());
  } else if (operands === 'm2byte') record.setUint16(at, random.word() & 0x1f7f, true);
  else if (operands.includes('byte')) {
    const image = new DataView(new ArrayBuffer(RECORD.size));
    fill(image, random);
    // As a 16-bit image its words come out differently: unmasked and pending exceptions among them, and all encodings.
    for (let n = 0; n < 108; n++) record.setUint8(at + n, image.getUint8(n));
  } else if (operands.endsWith('int') && random.below(3) === 0) {
    record.setInt32(at, random.below(3) - 1, true);
    record.setInt32(at + 4, record.getInt32(at, true) >> 31, true);
  } else if (operands === 'm32fp' && special) {
    const exponent = special === 1 ? 0 : random.below(3) ? 0x7f : 0xff;
    const fraction = random.below(4) ? random.word() & 0x7fffff : 1 << random.below(23);
    record.setInt32(at, (random.below(2) << 31) | (exponent << 23) | (random.below(4) ? fraction : 0), true);
  } else if (operands === 'm64fp' && special) {
    const exponent = special === 1 ? 0 : random.below(3) ? 0x3ff : 0x7ff;
    const keep = random.below(3);
    record.setInt32(at, keep === 2 ? random.word() : 0, true);
    record.setInt32(at + 4, (random.word() & (keep ? -0x7ff00001 : -0x80000000)) | (exponent << 20), true);
  }
}

/** Runs the instruction of a record on the software FPU; the record then holds the state after it. */
function simulate(record: DataView, fpu: X87, { instruction, narrow }: Form, i: number): void {
  const operand = new DataView(record.buffer, record.byteOffset + RECORD.memory, 112);
  const scratch = new DataView(new ArrayBuffer(128));
  const copy = (from: DataView, to: DataView, size: number) => {
    for (let at = 0; at < size; at++) to.setUint8(at, from.getUint8(at));
    return true;
  };
  const cpu: X87Cpu = {
    operand: scratch,
    load: size => copy(operand, scratch, size),
    store: size => copy(scratch, operand, size),
    probeStore: () => true,
    get eflags() {
      return record.getUint32(RECORD.eflags, true);
    },
    set eflags(v) {
      record.setUint32(RECORD.eflags, v, true);
    },
    setAx: v => record.setUint32(RECORD.ax, v, true),
    environment: narrow ? 'protected16' : 'protected32',
  };
  readState(fpu, record, 'protected32');
  instruction.execute(fpu, cpu, i);
  writeState(fpu, record, 'protected32');
}

const hex = (view: DataView, from: number, to: number): string =>
  Buffer.from(view.buffer, view.byteOffset + from, to - from).toString('hex');
const show80 = (view: DataView, at: number): string => {
  const v = new Float80();
  readFloat80(view, at, v);
  return [v.se, v.hi >>> 0, v.lo >>> 0].map((x, n) => x.toString(16).padStart(n ? 8 : 4, '0')).join(' ');
};
const show = (view: DataView): string =>
  [
    `fcw ${hex(view, 0, 2)} fsw ${view.getUint16(4, true).toString(16)} tags ${hex(view, 8, 10)}`,
    ...[0, 1, 2, 7].map(i => `st${i} ${show80(view, 28 + 10 * i)}`),
    `memory ${hex(view, RECORD.memory, RECORD.memory + 16)} eflags ${view.getUint32(RECORD.eflags, true).toString(16)}`,
  ].join('; ');

/** Distance between two numbers in units in the last place. */
function ulps(a: Float80, b: Float80): bigint {
  const order = (v: Float80) => {
    const m =
      (BigInt(v.se & 0x7fff) << 63n) +
      ((BigInt(v.hi >>> 0) << 32n) | BigInt(v.lo >>> 0)) -
      (v.se & 0x7fff ? 1n << 63n : 0n);
    return v.se & 0x8000 ? -m : m;
  };
  const d = order(a) - order(b);
  return d < 0n ? -d : d;
}

const TRANSCENDENTAL = new Set(['f2xm1', 'fyl2x', 'fyl2xp1', 'fptan', 'fpatan', 'fsin', 'fcos', 'fsincos']);
/** Per form; `X87_CASES` in the environment asks for more. All forms have passed 15,000. */
const CASES = Number(process.env.X87_CASES ?? 400);
/** Differences to print per form. */
const SHOWN = 3;

/** One form of an instruction, and the bytes that encode it. */
interface Form {
  readonly instruction: X87Instruction;
  readonly first: number;
  readonly modrm: number;
  /** With a 66 prefix: FLDENV and its kin use the 16-bit layout. */
  readonly narrow: boolean;
}
const viewOf = (records: Uint8Array, n: number): DataView =>
  new DataView(records.buffer, records.byteOffset + n * RECORD.size, RECORD.size);

/** Makes the states to start from. @returns the register operands. */
function prepare({ instruction, first, modrm, narrow }: Form, records: Uint8Array): number[] {
  const random = new Random(first * 65536 + modrm * 256 + 12345);
  const registers: number[] = [];
  for (let n = 0; n < CASES; n++) {
    const record = viewOf(records, n);
    fill(record, random);
    fillOperand(record, random, instruction.operands);
    const i = modrm >= 0xc0 && instruction.operands.includes('(i)') ? random.below(8) : modrm & 7;
    registers.push(i);
    const byte = modrm < 0xc0 ? modrm : (modrm & 0xf8) | i;
    const code = narrow ? [0x66, first, byte, 0xc3] : [first, byte, 0xc3];
    code.forEach((b, at) => {
      record.setUint8(RECORD.code + at, b);
    });
  }
  return registers;
}

/** Clears the pointers, which are another program's, in the state and in an environment in memory. */
function dropPointers(record: DataView, { instruction, narrow }: Form): void {
  const clear = (from: number, to: number) => {
    for (let at = from; at < to; at++) record.setUint8(at, 0);
  };
  clear(12, 28);
  if (!instruction.operands.endsWith('8byte')) return;
  if (narrow) clear(RECORD.memory + 6, RECORD.memory + 14);
  else clear(RECORD.memory + 12, RECORD.memory + 28);
}

/** Takes silicon's value for a finite result that is within one unit of it, and its C1 for one that it rounded. */
function forgive(record: DataView, silicon: DataView): void {
  if ((silicon.getUint16(4, true) & FSW.PE) === 0) return;
  const a = new Float80();
  const b = new Float80();
  for (let at = 28; at <= 38; at += 10) {
    readFloat80(record, at, a);
    readFloat80(silicon, at, b);
    if (ulps(a, b) <= 1n && kind(b) <= KIND.denormal) writeFloat80(record, at, b);
  }
  const c1 = silicon.getUint16(4, true) & FSW.C1;
  record.setUint16(4, (record.getUint16(4, true) & ~FSW.C1) | c1, true);
}

/** Runs a form here and there. @returns a description of every case that differs. */
function differences(form: Form): string[] {
  const records = new Uint8Array(RECORD.size * CASES);
  const registers = prepare(form, records);
  const expected = new Uint8Array(execFileSync(oracle, { input: records, maxBuffer: 1 << 28 }));
  const fpu = new X87(new DataView(new ArrayBuffer(X87_LAYOUT.size)), 0);
  const found: string[] = [];
  registers.forEach((i, n) => {
    const record = viewOf(records, n);
    const silicon = viewOf(expected, n);
    const before = show(record);
    simulate(record, fpu, form, i);
    for (const side of [record, silicon]) dropPointers(side, form);
    if (TRANSCENDENTAL.has(form.instruction.mnemonic)) forgive(record, silicon);
    if (hex(record, 0, RECORD.size) !== hex(silicon, 0, RECORD.size)) {
      found.push(`#${n} i=${i}\n before  ${before}\n silicon ${show(silicon)}\n here    ${show(record)}`);
    }
  });
  return found;
}

/** Every form once, those with an environment in memory twice. */
function* forms(): Generator<Form> {
  for (let first = 0xd8; first <= 0xdf; first++) {
    for (let modrm = AT_RDX; modrm < 0x100; modrm += modrm < 0xc0 ? 8 : 1) {
      if (modrm === AT_RDX + 0x40) modrm = 0xc0;
      const instruction = x87Instruction(first, modrm);
      if (instruction === undefined) continue;
      if (modrm > 0xc0 && x87Instruction(first, modrm - 1) === instruction) continue;
      yield { instruction, first, modrm, narrow: false };
      if (instruction.operands.endsWith('8byte')) yield { instruction, first, modrm, narrow: true };
    }
  }
}

describe('the processor as the oracle', () => {
  if (missing !== undefined) {
    test.skip(`every x87 instruction: ${missing}`, () => {});
    return;
  }
  for (const form of forms()) {
    const { instruction, first, modrm, narrow } = form;
    const code = `${narrow ? '66 ' : ''}${first.toString(16)} ${modrm.toString(16).padStart(2, '0')}`;
    test(`${code} ${instruction.mnemonic} ${instruction.operands}`, () => {
      const found = differences(form);
      expect([`${found.length} differ`, ...found.slice(0, SHOWN)].join('\n')).toBe('0 differ');
    });
  }
});
