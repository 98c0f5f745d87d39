/**
 * The processor under the test as the oracle: every form of every MMX and SSE instruction that has a description runs
 * on random and special operands here and there, and registers, memory, flags, MXCSR and the x87 stack's TOP and tags
 * must be equal to the bit.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ACCELERATOR_ARENA } from '@mainboard/core';
import { VECTOR } from '../fault.ts';
import { InstructionBench } from '../interpreter/instruction-bench.ts';
import type { Row } from '../isa/row.ts';
import { ROWS } from '../isa/rows.ts';
import { MXCSR } from '../mxcsr.ts';
import { CR4 } from '../registers.ts';
import { GPR, STATE, STATUS_FLAGS } from '../state.ts';
import { descriptionOf } from './index.ts';

const PROGRAM = `
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
struct record {
  uint8_t xmm[3][16], mem[32];
  uint64_t mm[2], rcx, rdx;
  uint32_t mxcsr, eflags, signal, offset;
  uint16_t top, tags, exponent[2];
  uint8_t code[8];
};
static uint8_t image[512] __attribute__((aligned(16)));
static struct record r __attribute__((aligned(16)));
static sigjmp_buf back;
static void caught(int signal, siginfo_t *info, void *context) {
  (void)info;
  r.signal = signal;
  r.mxcsr = ((ucontext_t *)context)->uc_mcontext.fpregs->mxcsr;
  siglongjmp(back, 1);
}
int main(void) {
  uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return 1;
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
  for (int i = 0; i < 4; i++) sigaction((int[]){SIGFPE, SIGSEGV, SIGBUS, SIGILL}[i], &action, 0);
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    memcpy(page, r.code, sizeof r.code);
    memset(image, 0, sizeof image);
    *(uint16_t *)image = 0x37f;
    *(uint16_t *)(image + 2) = r.top << 11;
    image[4] = r.tags;
    *(uint32_t *)(image + 24) = r.mxcsr;
    for (int i = 0; i < 2; i++) memcpy(image + 32 + 16 * ((i + 1 - r.top) & 7), &r.mm[i], 8);
    memcpy(image + 160, r.xmm, sizeof r.xmm);
    if (sigsetjmp(back, 1) == 0) {
      uint64_t flags = r.eflags, rax = r.rcx, rcx = r.rcx, rdx = r.rdx;
      __asm__ volatile("fxrstor %[image]; push %[flags]; popf; call *%[page]; pushf; pop %[flags]; fxsave %[image]"
        : [flags] "+&r"(flags), "+a"(rax), "+c"(rcx), "+d"(rdx), [image] "+m"(image) : [page] "r"(page), "D"(r.mem + r.offset)
        : "xmm0", "xmm1", "xmm2", "memory", "cc");
      r.eflags = flags;
      r.rcx = rcx;
      r.rdx = rdx;
      r.top = *(uint16_t *)(image + 2) >> 11 & 7;
      r.tags = image[4];
      r.mxcsr = *(uint32_t *)(image + 24);
      for (int i = 0; i < 2; i++) {
        uint8_t *st = image + 32 + 16 * ((i + 1 - r.top) & 7);
        memcpy(&r.mm[i], st, 8);
        memcpy(&r.exponent[i], st + 8, 2);
      }
      memcpy(r.xmm, image + 160, sizeof r.xmm);
    }
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){0x1f80}));
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
`;
/** Offsets in the C program's record. */
const AT = {
  xmm: 0,
  mem: 48,
  mm: 80,
  rcx: 96,
  rdx: 104,
  mxcsr: 112,
  eflags: 116,
  signal: 120,
  offset: 124,
  top: 128,
  tags: 130,
  exponent: 132,
  code: 136,
  size: 144,
} as const;
/** TOP and tags of the x87 stack before every instruction. */
const TOP = 3;
const TAGS = 0x81;
const SIGNALS: Readonly<Record<number, number>> = { 8: VECTOR.xm, 11: VECTOR.gp, 4: VECTOR.ud };
/** Linear address of the memory operand; the oracle's lies on 16 bytes too. */
const MEMORY = 0x1000;
/** Cases of each form. */
const CASES = 250;

const directory = mkdtempSync(join(tmpdir(), 'sse-'));
const oracle = join(directory, 'oracle');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** @returns why there is no oracle, or undefined. */
function build(): string | undefined {
  if (process.arch !== 'x64' || process.platform !== 'linux') return 'needs Linux on x86-64';
  writeFileSync(`${oracle}.c`, PROGRAM);
  try {
    execFileSync('cc', ['-O1', '-mno-red-zone', '-o', oracle, `${oracle}.c`], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs a C compiler (cc)';
  }
}
const missing = build();

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
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Zeros, ones, limits of the integers, infinities, NaNs of both sorts, denormals, least and greatest numbers. */
const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0xffa00000, 1,
  0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x3f000000, 0x3fc00000, 0x4b000001,
];
const DOUBLES = [
  0, 0x80000000, 0x3ff00000, 0xbff00000, 0x7ff00000, 0xfff00000, 0x7ff80000, 0xfff81234, 0x7ff00001, 0xfff70000, 1,
  0x800fffff, 0x00100000, 0x7fefffff, 0x41e00000, 0xc1e00000, 0x41dfffff, 0x43e00000, 0x3fe00000, 0x3ff80000,
  0x38100000, 0x47efffff, 0x36a00000, 0x380fffff,
];

/** Sixteen bytes: any, small integers, or floating-point numbers, special or near each other. */
function operand(random: Random, view: DataView, at: number, text: boolean): void {
  const how = text ? 0 : random.below(8);
  for (let i = 0; i < 16; i += 4) view.setUint32(at + i, random.word(), true);
  if (how === 0) for (let i = 0; i < 16; i++) view.setUint8(at + i, random.pick([0, 1, 0x7f, 0x80, 0xff, 2]));
  else if (how === 1) for (let i = 0; i < 16; i += 8) view.setBigUint64(at + i, BigInt(random.below(70)), true);
  else if (how < 5)
    for (let i = 0; i < 16; i += 4) {
      const near = (0x3f000000 + (random.below(0x100) << 20)) & 0x7fffffff;
      const fraction = random.below(2) ? random.word() & 0x807fffff : random.below(16) << 19;
      view.setUint32(at + i, random.below(3) ? near ^ fraction : random.pick(SINGLES), true);
    }
  else if (how < 8)
    for (let i = 0; i < 16; i += 8) {
      const whole = random.below(2) === 0;
      if (whole) view.setUint32(at + i, 0, true);
      const near = 0x3f000000 + (random.below(0x40) << 19);
      const fraction = whole ? random.below(16) << 16 : random.word() & 0x800fffff;
      view.setUint32(at + i + 4, random.below(3) ? near ^ fraction : random.pick(DOUBLES), true);
    }
}

/** What MXCSR has: the usual, then all roundings, DAZ, FTZ, some exceptions unmasked. */
function mxcsr(random: Random): number {
  const noted = random.below(2) ? MXCSR.PE * random.below(2) : random.word() & 0x3f;
  if (random.below(2)) return 0x1f80 | noted;
  const masks = random.below(2) ? 0x1f80 : random.word() & 0x1f80;
  const modes = random.below(2) ? MXCSR.DAZ | MXCSR.FTZ : MXCSR.RC | MXCSR.DAZ | MXCSR.FTZ;
  return masks | (random.word() & modes) | noted;
}

/** Operands are strings: few different bytes, zeros among them. */
const isText = (row: Row): boolean => /^pcmp.str/.test(row.mnemonic);

interface Form {
  readonly row: Row;
  readonly name: string;
  readonly code: readonly number[];
}

/** Operands: register 1 and register 2, or memory at [rdi]. */
function formsOf(row: Row): Form[] {
  const escapes = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map]!;
  const prefix = row.prefix && row.prefix !== 'np' ? [Number.parseInt(row.prefix, 16)] : [];
  const sized = isText(row) || row.operands.some(({ type }) => type === 'y' || type === 'v');
  const forms: Form[] = [];
  for (const rexW of sized ? [false, true] : [false])
    for (const memory of [false, true]) {
      if (memory ? row.mod === 'reg' : row.mod === 'mem') continue;
      if (memory && !row.operands.some(({ addressing }) => 'EQWM'.includes(addressing))) continue;
      if (!memory && row.operands.some(({ addressing }) => addressing === 'M')) continue;
      const fixed = row.rm !== undefined || row.operands.length === 0;
      const modrm = fixed ? 0xc0 | ((row.ext ?? 0) << 3) | (row.rm ?? 0) : ((row.ext ?? 1) << 3) | (memory ? 7 : 0xc2);
      const code = [...prefix, ...(rexW ? [0x48] : []), ...escapes, row.byte, modrm];
      forms.push({ row, name: `${row.opcode}${rexW ? ' W' : ''}${memory ? ' mem' : ''}`, code });
    }
  return forms;
}

/** DEVIATION §10.4.3: approximations are each processor's own. */
const APPROXIMATE = /^r(cp|sqrt)/;
/** Twice the error that the manual allows, 1.5 × 2^-12: two processors may differ by so much. */
const TOLERANCE = 3 / 4096;

const hosts = missing ? '' : readFileSync('/proc/cpuinfo', 'latin1');
const hostHas = (row: Row): boolean => {
  const name = row.cpuid === 'sse3' ? 'pni' : row.cpuid === 'sha' ? 'sha_ni' : row.cpuid?.replace('.', '_');
  return name === undefined || new RegExp(`^flags.* ${name}( |$)`, 'm').test(hosts);
};
const rows = ROWS.filter(
  row => (row.unit?.includes('mmx') || row.unit === 'sse' || row.mnemonic === 'crc32') && descriptionOf(row.mnemonic),
);
const mnemonics = [...new Set(rows.map(({ mnemonic }) => mnemonic))];

(missing ? describe.skip : describe)(`MMX and SSE against this processor${missing ? ` (${missing})` : ''}`, () => {
  const bench = missing ? undefined : new InstructionBench();
  const forms = rows.filter(hostHas).flatMap(formsOf);
  const starts = new Map<Form, number>();
  let before = new Uint8Array(0);
  let after = new Uint8Array(0);

  beforeAll(() => {
    const random = new Random(20_240_229);
    before = new Uint8Array(forms.length * CASES * AT.size);
    const view = new DataView(before.buffer);
    let at = 0;
    for (const form of forms) {
      starts.set(form, at);
      for (let n = 0; n < CASES; n++, at += AT.size) {
        for (let i = 0; i < AT.rcx; i += 16) operand(random, view, at + i, isText(form.row) && random.below(8) > 0);
        if (random.below(4) === 0) before.copyWithin(at + AT.xmm + 16, at + AT.xmm + 32, at + AT.xmm + 40);
        for (const gpr of [AT.rcx, AT.rdx]) {
          const small = random.below(3) === 0 ? random.below(40) - 20 : undefined;
          view.setInt32(at + gpr, small ?? random.word(), true);
          view.setInt32(at + gpr + 4, random.below(2) ? random.word() : (small ?? -random.below(2)) >> 31, true);
        }
        view.setUint32(at + AT.mxcsr, mxcsr(random), true);
        if (random.below(8) === 0) view.setUint32(at + AT.offset, random.below(16), true);
        view.setUint16(at + AT.top, TOP, true);
        view.setUint16(at + AT.tags, TAGS, true);
        view.setUint32(at + AT.eflags, 2 | (random.word() & STATUS_FLAGS), true);
        before.set([...form.code, random.word() & (random.below(2) ? 0xff : 0x1f), 0xc3], at + AT.code);
        // Without an immediate, its place holds a return.
        if (!form.row.operands.some(({ addressing }) => addressing === 'I'))
          before[at + AT.code + form.code.length] = 0xc3;
      }
    }
    after = new Uint8Array(execFileSync(oracle, { input: before, maxBuffer: before.length + 1 }));
  });

  test.each(mnemonics)('%s', mnemonic => {
    const differences: string[] = [];
    for (const form of forms.filter(({ row }) => row.mnemonic === mnemonic))
      for (let n = 0; n < CASES; n++) {
        const at = starts.get(form)! + n * AT.size;
        const input = before.subarray(at, at + AT.size);
        const [fault, got] = execute(bench!, input);
        const wanted = after.subarray(at, at + AT.size);
        const wantedFault = SIGNALS[new DataView(wanted.buffer, wanted.byteOffset).getUint32(AT.signal, true)] ?? 0;
        if (fault) expect(describeState(got, 0, false)).toBe(describeState(withMxcsr(input, got), 0, false));
        const approximate = APPROXIMATE.test(mnemonic) && !fault && isNear(got, wanted);
        const [a, b] = [describeState(got, fault, approximate), describeState(wanted, wantedFault, approximate)];
        if (a !== b) differences.push(`${form.name}\n in   ${describeState(input, 0, false)}\n ours ${a}\n want ${b}`);
      }
    expect(differences.slice(0, 3).join('\n')).toBe('');
  });
});

/** Runs the instruction of a record on the bench. @returns the vector of its fault, and the record afterwards. */
function execute(bench: InstructionBench, input: Uint8Array): [number, Uint8Array] {
  const { cpu } = bench;
  const { r, x87 } = cpu;
  const view = new DataView(input.slice().buffer);
  const offset = view.getUint32(AT.offset, true);
  r.u8.set(input.subarray(AT.xmm, AT.mem), STATE.xmm);
  r.u8.set(input.subarray(AT.mem, AT.mm), ACCELERATOR_ARENA + MEMORY);
  for (const i of [0, 1]) {
    r.u64[STATE.x87 / 8 + 2 * (i + 1)] = view.getBigUint64(AT.mm + 8 * i, true);
    r.u64[STATE.x87 / 8 + 2 * (i + 1) + 1] = 0n;
  }
  x87.top = TOP;
  x87.tags = TAGS;
  r.setGpr64(GPR.rcx, view.getBigUint64(AT.rcx, true));
  r.setGpr64(GPR.rax, view.getBigUint64(AT.rcx, true));
  r.setGpr64(GPR.rdx, view.getBigUint64(AT.rdx, true));
  r.setGpr64(GPR.rdi, BigInt(MEMORY + offset));
  r.cr4 = CR4.osfxsr | CR4.osxmmexcpt;
  r.flags = view.getUint32(AT.eflags, true);
  cpu.setMxcsr(view.getUint32(AT.mxcsr, true));

  const fault = bench.execute(input.subarray(AT.code));

  view.setBigUint64(AT.rcx, r.gpr64(GPR.rcx), true);
  view.setBigUint64(AT.rdx, r.gpr64(GPR.rdx), true);
  view.setUint32(AT.mxcsr, r.u32[STATE.mxcsr / 4]!, true);
  view.setUint32(AT.eflags, r.flags, true);
  view.setUint16(AT.top, x87.top, true);
  view.setUint16(AT.tags, x87.tags, true);
  for (const i of [0, 1]) {
    view.setBigUint64(AT.mm + 8 * i, r.u64[STATE.x87 / 8 + 2 * (i + 1)]!, true);
    view.setUint16(AT.exponent + 2 * i, r.u16[STATE.x87 / 2 + 8 * (i + 1) + 4]!, true);
  }
  const got = new Uint8Array(view.buffer);
  got.set(r.u8.subarray(STATE.xmm, STATE.xmm + 48), AT.xmm);
  got.set(r.u8.subarray(ACCELERATOR_ARENA + MEMORY, ACCELERATOR_ARENA + MEMORY + 32), AT.mem);
  return [fault, got];
}

/**
 * What a fault must leave: the record as it was, but for MXCSR, and for TOP and tags, which are MMX's by then where MMX
 * registers take part (test/differential compares them). The oracle does not show the rest.
 */
function withMxcsr(input: Uint8Array, got: Uint8Array): Uint8Array {
  const record = input.slice();
  record.set(got.subarray(AT.mxcsr, AT.eflags), AT.mxcsr);
  record.set(got.subarray(AT.top, AT.exponent), AT.top);
  return record;
}

/** What must be equal, as text. */
function describeState(record: Uint8Array, fault: number, approximate: boolean): string {
  const view = new DataView(record.buffer, record.byteOffset);
  const hex = (from: number, to: number): string => Buffer.from(record.subarray(from, to)).toString('hex');
  const mxcsr = `mxcsr ${(view.getUint32(AT.mxcsr, true)).toString(16)}`;
  if (fault) return `${mxcsr} fault ${fault}`;
  const xmm = [0, 1, 2].map(n => hex(16 * n + (n === 1 && approximate ? 16 : 0), 16 * n + 16)).join(' ');
  const flags = view.getUint32(AT.eflags, true) & STATUS_FLAGS;
  const rest = `mem ${hex(AT.mem, AT.mm)} mm ${hex(AT.mm, AT.rcx)} gpr ${hex(AT.rcx, AT.mxcsr)} x87 ${hex(AT.top, AT.code)}`;
  return `xmm ${xmm} ${rest} flags ${flags.toString(16)} ${mxcsr} code ${hex(AT.code, AT.size)}`;
}

/** Whether XMM1 holds the same four numbers, or nearly; zeros, infinities and NaNs must be the same. */
function isNear(a: Uint8Array, b: Uint8Array): boolean {
  const lanes = (record: Uint8Array): Float32Array => new Float32Array(record.slice(AT.xmm + 16, AT.xmm + 32).buffer);
  const [x, y] = [lanes(a), lanes(b)];
  return [0, 1, 2, 3].every(n => x[n] === y[n] || Math.abs(x[n]! / y[n]! - 1) < TOLERANCE || sameBits(a, b, n));
}
const sameBits = (a: Uint8Array, b: Uint8Array, lane: number): boolean =>
  Buffer.compare(a.subarray(16 + 4 * lane, 20 + 4 * lane), b.subarray(16 + 4 * lane, 20 + 4 * lane)) === 0;
