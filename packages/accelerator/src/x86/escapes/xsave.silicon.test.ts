/**
 * The processor under the test as the oracle for XSAVE, XSAVEOPT and XRSTOR with the components x87 and SSE: areas and
 * registers must be equal to the byte, for components in use, initial, asked for, present and not.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { VECTOR } from '../fault.ts';
import { CR4 } from '../registers.ts';
import { GPR, STATE } from '../state.ts';
import { AT as BENCH, TestBench } from '../test-bench.ts';
import { FXSAVE_LAYOUT, readFxsave, writeFxsave } from '../x87/fxsave.ts';

const PROGRAM = `
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
struct record {
  uint8_t area[576], image[512];
  uint32_t asked, instruction, initial, signal;
};
static struct record r __attribute__((aligned(64)));
/* An area of its own for XRSTOR, so that XSAVEOPT never finds what it restored from. */
static uint8_t source[576] __attribute__((aligned(64))), blank[576] __attribute__((aligned(64)));
static sigjmp_buf back;
static void caught(int signal) {
  r.signal = signal;
  siglongjmp(back, 1);
}
int main(void) {
  signal(SIGSEGV, caught);
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    memcpy(source, r.area, sizeof source);
    memcpy(blank + 24, r.image + 24, 4);
    if (sigsetjmp(back, 1) == 0)
      __asm__ volatile(
        "fxrstor64 %[image]; xor %%edx, %%edx; mov %[initial], %%eax; test %%eax, %%eax; jz 1f; xrstor64 %[blank]\\n"
        "1: mov %[asked], %%eax; cmpl $1, %[instruction]; ja 3f; je 2f; xsave64 %[area]; jmp 4f\\n"
        "2: xsaveopt64 %[area]; jmp 4f\\n"
        "3: xrstor64 %[source]\\n"
        "4: fxsave64 %[image]"
        : [image] "+m"(r.image), [area] "+m"(r.area)
        : [initial] "m"(r.initial), [asked] "m"(r.asked), [instruction] "m"(r.instruction), [blank] "m"(blank), [source] "m"(source)
        : "eax", "edx", "memory", "cc");
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){0x1f80}));
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
`;
/** Offsets in the C program's record; `image` is the state before, and after, in FXSAVE's format. */
const AT = { area: 0, image: 576, asked: 1088, instruction: 1092, initial: 1096, signal: 1100, size: 1104 } as const;
const HEADER = 512;
const CODE = { xsave: '480fae27', xsaveopt: '480fae37', xrstor: '480fae2f' } as const;
const INSTRUCTIONS = Object.keys(CODE) as (keyof typeof CODE)[];
const CASES = 1000;

const directory = mkdtempSync(join(tmpdir(), 'xsave-'));
const oracle = join(directory, 'oracle');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** @returns why there is no oracle, or undefined. */
function build(): string | undefined {
  if (process.arch !== 'x64' || process.platform !== 'linux') return 'needs Linux on x86-64';
  if (!/^flags.* xsaveopt( |$)/m.test(readFileSync('/proc/cpuinfo', 'latin1'))) return 'needs XSAVEOPT';
  writeFileSync(`${oracle}.c`, PROGRAM);
  try {
    execFileSync('cc', ['-O1', '-o', oracle, `${oracle}.c`], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs a C compiler (cc)';
  }
}
const missing = build();

let seed = 1;
const below = (n: number): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return (seed >>> 8) % n;
};
const oneIn = (n: number): boolean => below(n) === 0;

/** A state as FXSAVE64 has it, all x87 exceptions masked; reserved bytes are random. */
function randomImage(view: DataView, at: number): void {
  for (let i = 0; i < 512; i++) view.setUint8(at + i, below(256));
  view.setUint16(at, 0x7f | (below(16) << 8), true);
  view.setUint16(at + 2, (below(8) << 11) | below(0x40) | (below(2) << 14), true);
  // AMD's processors keep pointers to instruction and operand only while an exception waits.
  for (let i = 6; i < FXSAVE_LAYOUT.mxcsr; i++) view.setUint8(at + i, 0);
  view.setUint32(at + FXSAVE_LAYOUT.mxcsr, 0x1f80 | (below(0x10000) & 0xe07f), true);
  if (oneIn(4)) for (let i = FXSAVE_LAYOUT.xmm; i < 416; i++) view.setUint8(at + i, 0);
}

function randomRecord(view: DataView, at: number, instruction: number): void {
  randomImage(view, at + AT.area);
  randomImage(view, at + AT.image);
  for (let i = HEADER; i < AT.image; i++) view.setUint8(at + AT.area + i, oneIn(2) ? below(256) : 0);
  view.setUint32(at + AT.asked, below(4) | (oneIn(8) ? 0x4000_0000 : 0), true);
  view.setUint32(at + AT.instruction, instruction, true);
  view.setUint32(at + AT.initial, below(4), true);
  if (INSTRUCTIONS[instruction] !== 'xrstor') return;
  // Mostly a header that is in order; what lies behind the reserved bytes that count is anything.
  const header = at + AT.area + HEADER;
  view.setBigUint64(header, BigInt(below(4)) | (oneIn(8) ? 1n << BigInt(40 + below(24)) : 0n), true);
  view.setBigUint64(header + 8, oneIn(12) ? 1n << BigInt(below(64)) : 0n, true);
  view.setBigUint64(header + 16, oneIn(12) ? 1n << BigInt(below(64)) : 0n, true);
  // A reserved bit; 17 is one on Intel's processors only.
  if (oneIn(10)) view.setUint32(at + AT.area + FXSAVE_LAYOUT.mxcsr, 1 << (18 + below(14)), true);
}

const bench = new TestBench();

interface Outcome {
  readonly fault: number;
  readonly area: string;
  readonly image: string;
}

/** What an instruction makes of a record: its fault, then the area and the state after. */
function execute(record: Uint8Array): Outcome {
  const { cpu } = bench.long();
  const { r, x87 } = cpu;
  const view = new DataView(record.buffer, record.byteOffset);
  const image = new DataView(record.slice(AT.image, AT.asked).buffer);
  const initial = view.getUint32(AT.initial, true);
  r.cr4 |= CR4.osxsave;
  r.u64[STATE.xcr0 / 8] = 3n;
  r.setGpr64(GPR.rdi, BigInt(BENCH.data));
  r.setGpr64(GPR.rax, BigInt(view.getUint32(AT.asked, true)));
  r.setGpr64(GPR.rdx, 0n);
  readFxsave(x87, image, true);
  if (initial & 1) x87.clear();
  cpu.setMxcsr(image.getUint32(FXSAVE_LAYOUT.mxcsr, true));
  for (let i = 0; i < 256; i++) r.u8[STATE.xmm + i] = initial & 2 ? 0 : image.getUint8(FXSAVE_LAYOUT.xmm + i);
  for (let i = 0; i < AT.image; i++) bench.set8(BENCH.data + i, record[i]!);
  const outcome = bench.run(CODE[INSTRUCTIONS[view.getUint32(AT.instruction, true)]!]);
  const after = Uint8Array.from({ length: AT.image }, (_, i) => bench.get8(BENCH.data + i));
  writeFxsave(x87, image, true);
  image.setUint32(FXSAVE_LAYOUT.mxcsr, r.u32[STATE.mxcsr / 4]!, true);
  for (let i = 0; i < 256; i++) image.setUint8(FXSAVE_LAYOUT.xmm + i, r.u8[STATE.xmm + i]!);
  return { fault: outcome?.vector ?? 0, area: hex(after), image: hex(new Uint8Array(image.buffer)) };
}
/** Up to where a processor writes; MXCSR_MASK apart, which is its own. */
const hex = (bytes: Uint8Array): string => {
  const shown = bytes.slice();
  shown.fill(0, FXSAVE_LAYOUT.mxcsrMask, FXSAVE_LAYOUT.mxcsrMask + 4);
  if (shown.length === 512) shown.fill(0, 416);
  return Buffer.from(shown).toString('hex');
};

/** What the processor makes of records. */
const ask = (records: Uint8Array): Uint8Array =>
  new Uint8Array(execFileSync(oracle, { input: records, maxBuffer: records.length + 1 }));

/** The same as {@link execute}. What the state was at a fault, the program does not see. */
function answer(record: Uint8Array, { image }: Outcome): Outcome {
  const fault = new DataView(record.buffer, record.byteOffset).getUint32(AT.signal, true) ? VECTOR.gp : 0;
  return {
    fault,
    area: hex(record.slice(AT.area, AT.image)),
    image: fault ? image : hex(record.slice(AT.image, AT.asked)),
  };
}

(missing ? describe.skip : describe)(`XSAVE against this processor${missing ? ` (${missing})` : ''}`, () => {
  const before = new Uint8Array(INSTRUCTIONS.length * CASES * AT.size);
  let after: Uint8Array = new Uint8Array();
  beforeAll(() => {
    const view = new DataView(before.buffer);
    for (let n = 0; n < INSTRUCTIONS.length * CASES; n++) randomRecord(view, n * AT.size, Math.floor(n / CASES));
    after = ask(before);
  });

  test.each([...INSTRUCTIONS.entries()])('%i %s', instruction => {
    const faults = new Set<number>();
    for (let n = instruction * CASES; n < (instruction + 1) * CASES; n++) {
      const input = before.subarray(n * AT.size, (n + 1) * AT.size);
      const got = execute(input);
      faults.add(got.fault);
      const wanted = answer(after.subarray(n * AT.size, (n + 1) * AT.size), got);
      // Whoever takes the processor away between loading and saving may change what it takes for initial: asked again.
      if (!isDeepStrictEqual(got, wanted)) expect({ case: n, ...got }).toEqual({ case: n, ...answer(ask(input), got) });
    }
    expect(faults.has(VECTOR.gp)).toBe(INSTRUCTIONS[instruction] === 'xrstor');
  });
});
