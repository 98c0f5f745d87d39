/**
 * The described usual cases of x87 instructions against their escapes (`x87/`, which silicon vouches for), in the
 * interpreter and in compiled regions: every form on random and edge operands, the whole state compared.
 */
import { describe, expect, test } from '@jest/globals';
import { ROWS } from '../isa/rows.ts';
import type { JitMode } from '../jit/jit-mode.ts';
import { GPR, STATE } from '../state.ts';
import { AT, VcpuBench } from '../vcpu-bench.ts';
import { X87_LAYOUT } from '../x87/state.ts';
import { descriptionOf } from './index.ts';

/** A generator of 32-bit numbers (xorshift), so that every run sees the same cases. */
class Random {
  #state = 0x2545_f491;
  word(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e37_79b1) >>> 0;
  }
  below(n: number): number {
    return (this.word() >>> 8) % n;
  }
  wide(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }
  one<T>(all: readonly T[]): T {
    return all[this.below(all.length)]!;
  }
}

const TOP = 1n << 63n;
const ALL = TOP * 2n - 1n;

/** A significand: random, short, or all ones and zeros around some place. */
function significand(random: Random): bigint {
  const place = BigInt(random.below(64));
  switch (random.below(6)) {
    case 0:
      return TOP;
    case 1:
      return ALL;
    case 2:
      return (random.wide() | TOP) & ((ALL << place) & ALL);
    case 3:
      return TOP | (1n << place) | (random.below(2) ? 1n : 0n);
    case 4:
      return ((ALL << place) & ALL) | TOP;
    default:
      return random.wide() | TOP;
  }
}

/** Significand, sign and exponent of a number; most are normal, and near each other. */
function number(random: Random): [bigint, number] {
  const sign = random.below(2) << 15;
  switch (random.below(24)) {
    case 0:
    case 1:
      return [0n, sign];
    case 2:
      return [random.wide(), sign | random.below(0x8000)];
    case 3:
      return [significand(random), sign | random.one([0, 1, 0x7ffe, 0x7fff])];
    case 4:
      return [significand(random), sign | (random.below(0x7ffe) + 1)];
    // Near the ends of the narrow formats' ranges and of the integers.
    case 5:
      return [significand(random), sign | (random.one([0x3c01, 0x43fe, 0x3f81, 0x407e]) + random.below(3) - 1)];
    case 6:
    case 7:
      return [significand(random), sign | (0x3fff + random.one([-1, 0, 14, 15, 30, 31, 62, 63, 64]))];
    default:
      return [significand(random), sign | (0x3fff + random.below(140) - 40)];
  }
}

interface Case {
  readonly code: string;
  readonly state: Uint8Array;
  readonly memory: Uint8Array;
  readonly flags: number;
}

function memoryOperand(random: Random, size: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  if (size === 80 || random.below(4) === 0) {
    const [low, high] = number(random);
    view.setBigUint64(0, low, true);
    view.setUint16(8, high, true);
  } else if (random.below(3) === 0) view.setBigInt64(0, BigInt(random.below(41) - 20), true);
  else if (random.below(2)) {
    const value = (random.word() / 2 ** 32 - 0.5) * 2 ** (random.below(80) - 20);
    if (size === 32) view.setFloat32(0, value, true);
    else view.setFloat64(0, value, true);
  } else {
    view.setBigUint64(0, random.wide(), true);
    if (random.below(3) === 0) view.setUint16(0, random.one([0x37f, 0x27f, 0x107f, 0xc7f, 0x360, 0]), true);
  }
  return bytes;
}

function stateOf(random: Random): Uint8Array {
  const state = new Uint8Array(X87_LAYOUT.size);
  const view = new DataView(state.buffer);
  for (let n = 0; n < 8; n++) {
    const [low, high] = number(random);
    view.setBigUint64(16 * n, low, true);
    view.setUint16(16 * n + 8, high, true);
  }
  const masks = random.below(12) === 0 ? random.below(64) : 0x3f;
  const precision = random.below(2) ? 3 : random.below(4);
  const rounding = random.below(2) ? 0 : random.below(4);
  view.setUint16(X87_LAYOUT.control, 0x40 | masks | (precision << 8) | (rounding << 10), true);
  const exceptions = random.below(2) ? 0 : random.word() & 0x7f & masks;
  view.setUint16(X87_LAYOUT.status, exceptions | (random.word() & 0x7f00), true);
  view.setUint8(X87_LAYOUT.tags, random.one([0xff, 0xff, 0x7f, 0x0f, 0, random.word() & 0xff]));
  return state;
}

/** One way to carry an instruction out. */
class Engine {
  readonly #bench: VcpuBench;
  readonly #escapes: boolean;

  constructor(jit: JitMode, escapes: boolean, mode: 'long' | 'protected' = 'long') {
    this.#bench = new VcpuBench(jit)[mode]();
    this.#escapes = escapes;
  }

  /** Gives a segment register a base and a selector of its own. */
  setSegment(name: 'ds' | 'fs', base: bigint): void {
    const { segments } = this.#bench.vcpu.save();
    this.#bench.set({ segments: { ...segments, [name]: { ...segments[name], base, selector: 0x10 } } });
  }

  /** Runs the code of `at` once more. @returns all that it may have changed */
  run(at: number, { state, memory, flags }: Case): string {
    const { vcpu, view } = this.#bench;
    const { cpu } = vcpu;
    const { r } = cpu;
    r.u8.set(state, STATE.x87);
    r.flags = flags;
    r.rip = BigInt(at);
    r.setGpr64(GPR.rax, 0x1122_3344_5566_7788n);
    r.setGpr64(GPR.rdi, BigInt(AT.data));
    for (let i = 0; i < 16; i++) view.setUint8(AT.data + i, memory[i]!);
    cpu.halted = false;
    cpu.x87.control = new DataView(state.buffer).getUint16(X87_LAYOUT.control, true); // and ES and B, which follow
    cpu.updateX87();
    if (this.#escapes) r.i32[STATE.x87Unusual / 4] = 1;
    this.#bench.run();
    const bytes = (from: number, to: number): string => Buffer.from(r.u8.slice(from, to)).toString('hex');
    const data = Array.from({ length: 16 }, (_, i) => view.getUint8(AT.data + i).toString(16)).join(' ');
    return [
      ...[bytes(STATE.x87, STATE.x87 + 128), bytes(STATE.x87 + 128, STATE.x87 + X87_LAYOUT.size)],
      ...[data, r.flags.toString(16), r.gpr64(GPR.rax).toString(16), this.#bench.exception],
    ].join('\n');
  }

  /** An escape has carried an instruction out. */
  get escaped(): boolean {
    return this.#bench.vcpu.cpu.x87Bridge.insn !== undefined;
  }

  put(at: number, code: string): void {
    this.#bench.put(at, `${code}f4`);
  }
}

/** Codes of a row: with the memory operand at [rdi], or for some ST(i). */
function codesOf(opcode: string): string[] {
  const [first, second, third] = opcode.split(' ') as [string, string?, string?];
  if (second === undefined) return [first];
  const hex = (n: number): string => n.toString(16).padStart(2, '0');
  if (second.startsWith('/') && third === 'mem') return [first + hex((Number(second.slice(1)) << 3) | 7)];
  if (!second.includes('+')) return [first + second];
  return [0, 1, 3, 7].map(i => first + hex(Number.parseInt(second, 16) + i));
}

const forms = ROWS.filter(row => row.map === 0 && row.byte >> 3 === 0xd8 >> 3 && descriptionOf(row.mnemonic)).flatMap(
  row => codesOf(row.opcode).map(code => [row.mnemonic, code, row.operands[0]] as const),
);

describe('x87 instructions: the usual case and the escape agree', () => {
  const random = new Random();
  const engines = [new Engine('off', true), new Engine('off', false), new Engine('eager', false)];
  let place = AT.code;

  test('there are forms to try', () => expect(forms.length).toBeGreaterThan(150));

  test.each(forms)('%s %s', (_mnemonic, code, operand) => {
    place += 16;
    for (const engine of engines) engine.put(place, code);
    const size = operand?.type === 't' ? 80 : operand?.type === 'd' ? 32 : 64;
    for (let n = 0; n < 150; n++) {
      const one: Case = {
        code,
        state: stateOf(random),
        memory: memoryOperand(random, size),
        flags: 2 | (random.word() & 0x8d5),
      };
      const [wanted, ...got] = engines.map(engine => engine.run(place, one));
      expect(got).toEqual([wanted, wanted]);
    }
  });
});

describe('x87 instructions: FOP, FIP and FDP (SDM vol. 1 §8.1.8)', () => {
  // Code before the HLT, and what becomes of a segment.
  const places = [
    ['flat, 64 bits', 'long', 'dd4700', undefined, 0n],
    ['RIP-relative', 'long', 'dd0500010000', undefined, 0n],
    ['32-bit addresses in 64-bit mode', 'long', '67dd07', undefined, 0n],
    ['FS in 64-bit mode', 'long', '64dd4700', 'fs', 0x40n],
    ['flat, 32 bits', 'protected', 'dd4700', undefined, 0n],
    ['a segment with a base', 'protected', 'dd4708', 'ds', 0x40n],
    ['a segment whose base wraps', 'protected', 'dd4708', 'ds', 0xffff_ffc0n],
    ['16-bit addresses', 'protected', '67dd4510', 'ds', 0x40n],
    ['an operand-size prefix in front', 'protected', '66dd07', undefined, 0n],
    ['no memory operand', 'long', '90d9e8', undefined, 0n],
    ['a control instruction', 'long', 'd97f04', undefined, 0n],
  ] as const;
  test.each(places)('%s', (_name, mode, code, segment, base) => {
    const [wanted, ...got] = (
      [
        ['off', true],
        ['off', false],
        ['eager', false],
      ] as const
    ).map(([jit, escapes]) => {
      const engine = new Engine(jit, escapes, mode);
      if (segment) engine.setSegment(segment, base);
      engine.put(AT.code + 7, code);
      const state = new Uint8Array(X87_LAYOUT.size);
      new DataView(state.buffer).setUint16(X87_LAYOUT.control, 0x37f, true);
      const after = engine.run(AT.code + 7, { code, state, memory: new Uint8Array(16), flags: 2 });
      expect(engine.escaped).toBe(escapes);
      return after;
    });
    expect(wanted).toMatch(/\n$/); // no exception
    expect(got).toEqual([wanted, wanted]);
  });
});
