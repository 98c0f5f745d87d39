import { afterEach, describe, expect, test as jestTest } from '@jest/globals';
import { ACCELERATOR_ARENA, type CpuState } from '@mainboard/core';
import type { KvmOptions } from './accelerator.ts';
import { FLAT, type FlatMode, SELECTOR } from './flat-modes.ts';
import { probeKvm } from './probe.ts';
import { StubMachine } from './stub-machine.ts';

const kvm = probeKvm();
const test = kvm.usable
  ? jestTest
  : (name: string, _body: () => void) => jestTest.skip(`${name} (${kvm.detail})`, () => {});

const machines: StubMachine[] = [];
const machine = (
  mode: FlatMode,
  code: readonly number[],
  change?: (state: CpuState) => void,
  options?: KvmOptions,
): StubMachine => {
  const made = new StubMachine(mode, code, change, options);
  machines.push(made);
  return made;
};
afterEach(() => {
  for (const made of machines.splice(0)) made.accelerator.dispose();
});

const HLT = 0xf4;
const STI = 0xfb;
const CLI = 0xfa;
const NOP = 0x90;
const IRET = 0xcf;
const SPIN = [0xeb, 0xfe];
const out = (port: number): number[] => [0xe6, port]; // out port, al
const SUPERVISOR: readonly FlatMode[] = ['real', 'protected', 'long'];

describe('ports (SDM vol. 1 §19)', () => {
  for (const mode of SUPERVISOR)
    test(`§19.3 OUT and IN of a byte, ${mode}`, () => {
      const m = machine(mode, [0xb0, 0x41, ...out(0x10), 0xe4, 0x20, ...out(0x11), HLT]);
      m.bus.answers.set(0x20, 0x5a);
      expect(m.run()).toBe('halt');
      expect(m.log).toEqual(['out 10/1 41', 'in 20/1', 'out 11/1 5a']);
    });

  test('§19.3 words and doublewords, by DX', () => {
    // out dx, ax; out dx, eax; in ax, dx; in eax, dx
    const m = machine('long', [0x66, 0xef, 0xef, 0x66, 0xed, 0xed, HLT], s => {
      s.gpr[0] = 0x8765_4321n;
      s.gpr[2] = 0x1f0n;
    });
    m.bus.answers.set(0x1f0, 0xdead_beef);
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1f0/2 4321', 'out 1f0/4 87654321', 'in 1f0/2', 'in 1f0/4']);
    expect(m.vcpu.save().gpr[0]).toBe(0xdead_beefn);
  });

  for (const [size, opcode] of [
    [1, [0xf3, 0x6e]],
    [2, [0x66, 0xf3, 0x6f]],
    [4, [0xf3, 0x6f]],
  ] as const)
    test(`§19.3 REP OUTS of ${size} bytes`, () => {
      const m = machine('long', [...opcode, HLT], s => {
        s.gpr[1] = 3n;
        s.gpr[2] = 0x170n;
        s.gpr[6] = 0x9000n;
      });
      m.bus.poke(0x9000, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
      expect(m.run()).toBe('halt');
      const all = { 1: ['1', '2', '3'], 2: ['201', '403', '605'], 4: ['4030201', '8070605', 'c0b0a09'] }[size];
      expect(m.log).toEqual(all.map(value => `out 170/${size} ${value}`));
      expect(m.vcpu.save().gpr[1]).toBe(0n);
    });

  test('§19.3 REP INS fills memory', () => {
    const m = machine('long', [0x66, 0xf3, 0x6d, HLT], s => {
      s.gpr[1] = 600n; // more than KVM hands over at once
      s.gpr[2] = 0x1f0n;
      s.gpr[7] = 0x9000n;
    });
    m.bus.answers.set(0x1f0, 0xbbaa);
    expect(m.run()).toBe('halt');
    expect(m.bus.peek(0x9000, 1200)).toEqual(Array.from({ length: 600 }, () => [0xaa, 0xbb]).flat());
    expect(m.bus.peek(0x9000 + 1200, 2)).toEqual([0, 0]);
  });

  test('§19.5.1 ring 3 with IOPL 3', () => {
    const m = machine('long-user', [0xb0, 0x42, ...out(0x10), ...SPIN]);
    m.bus.onAccess = () => m.vcpu.kick();
    expect(m.vcpu.run(1e9).kind).toBe('slice');
    expect(m.log).toEqual(['out 10/1 42']);
  });
});

describe('memory', () => {
  // mov [200000h], al / ax / eax / rax
  const store = [0x04, 0x25, 0x00, 0x00, 0x20, 0x00];

  test('writes of 1, 2, 4 and 8 bytes beyond RAM', () => {
    const m = machine('long', [0x88, ...store, 0x66, 0x89, ...store, 0x89, ...store, 0x48, 0x89, ...store, HLT], s => {
      s.gpr[0] = 0x8877_6655_4433_2211n;
    });
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual([
      'write 200000/1 11',
      'write 200000/2 2211',
      'write 200000/4 44332211',
      'write 200000/4 44332211',
      'write 200004/4 88776655',
    ]);
  });

  test('reads of 8 bytes come in two halves', () => {
    const m = machine('long', [0x48, 0x8b, ...store, HLT]);
    m.bus.answers.set(0x20_0000, 0x9abc_def0).set(0x20_0004, 0x1234_5678);
    expect(m.run()).toBe('halt');
    expect(m.vcpu.save().gpr[0]).toBe(0x1234_5678_9abc_def0n);
  });

  test('a write over the end of a page comes in pieces that make up the whole', () => {
    const m = machine('long', [0x89, 0x04, 0x25, 0xfd, 0x0f, 0x20, 0x00, HLT], s => {
      s.gpr[0] = 0x4433_2211n;
    });
    expect(m.run()).toBe('halt');
    const bytes = new Map<number, number>();
    for (const entry of m.log) {
      const [, address, size, value] = /write (\w+)\/(\d) (\w+)/.exec(entry)!.map(part => Number.parseInt(part, 16));
      for (let i = 0; i < size!; i++) bytes.set(address! + i, (value! >>> (8 * i)) & 0xff);
    }
    expect([...bytes]).toEqual([
      [0x20_0ffd, 0x11],
      [0x20_0ffe, 0x22],
      [0x20_0fff, 0x33],
      [0x20_1000, 0x44],
    ]);
  });

  test('ROM reads from guest memory, and writes go to the bus', () => {
    const m = machine('long', [0x8a, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00, 0x88, ...store, HLT]);
    m.bus.poke(0x8_0000, [0x77]);
    m.bus.remap([
      ...m.bus.regions(),
      { base: 0x20_0000, size: 0x1000, kind: 'rom', offset: ACCELERATOR_ARENA + 0x8_0000 },
    ]);
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['write 200000/1 77']);
    expect(m.bus.peek(0x8_0000, 1)).toEqual([0x77]);
  });

  test('a change of the map in the middle of an access counts for the next', () => {
    // al from 200000h three times, an OUT after the first two
    const load = [0x8a, ...store];
    const m = machine('long', [...load, ...out(1), ...load, ...out(2), ...load, HLT]);
    m.bus.answers.set(0x20_0000, 0x33);
    m.bus.poke(0x8_0000, [0x11]);
    m.bus.poke(0x9_0000, [0x22]);
    const ram = m.bus.regions();
    const at = (offset: number) => ({ base: 0x20_0000, size: 0x1000, kind: 'ram', offset }) as const;
    m.bus.remap([...ram, at(ACCELERATOR_ARENA + 0x8_0000)]);
    m.bus.onAccess = entry => {
      if (entry === 'out 1/1 11') m.bus.remap([...ram, at(ACCELERATOR_ARENA + 0x9_0000)]);
      if (entry === 'out 2/1 22') m.bus.remap(ram);
    };
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1/1 11', 'out 2/1 22', 'read 200000/1']);
  });

  test('stores of the guest and of the host are seen by the other side', () => {
    // mov al, [9000h]; inc al; mov [9001h], al
    const m = machine('real', [0xa0, 0x00, 0x90, 0xfe, 0xc0, 0xa2, 0x01, 0x90, HLT]);
    m.bus.poke(0x9000, [0x10]);
    expect(m.run()).toBe('halt');
    expect(m.bus.peek(0x9001, 1)).toEqual([0x11]);
  });
});

describe('ends of a run', () => {
  test('HLT: halted until an interrupt', () => {
    const m = machine('real', [HLT, ...out(1), HLT]);
    expect(m.vcpu.run(1e9).kind).toBe('halt');
    expect(m.vcpu.run(1e9).kind).toBe('halt');
    expect(m.log).toEqual([]);
    expect(m.vcpu.save()).toMatchObject({ halted: true, rip: BigInt(FLAT.CODE + 1) });
  });

  test('SDM vol. 3 §6.15 triple fault', () => {
    const m = machine('protected', [0x0f, 0x0b], s => {
      s.idtr = { base: 0n, limit: 0 };
    });
    expect(m.vcpu.run(1e9)).toEqual({ kind: 'shutdown' });
  });

  for (const mode of [...SUPERVISOR, 'long-user'] as const)
    test(`the slice ends while the guest spins, ${mode}`, () => {
      const m = machine(mode, SPIN);
      for (let i = 0; i < 5; i++) expect(m.vcpu.run(200_000)).toEqual({ kind: 'slice' });
      expect(m.vcpu.save().rip).toBe(BigInt(FLAT.CODE));
    });

  test('kick from a device ends the run after the instruction', () => {
    const m = machine('real', [...out(1), ...out(2), HLT]);
    m.bus.onAccess = () => m.vcpu.kick();
    expect(m.vcpu.run(1e9).kind).toBe('slice');
    expect(m.log).toEqual(['out 1/1 0']);
    expect(m.vcpu.save().rip).toBe(BigInt(FLAT.CODE + 2));
    expect(m.vcpu.run(1e9).kind).toBe('slice');
    expect(m.vcpu.run(1e9).kind).toBe('halt');
  });

  test('kick finishes an IN first', () => {
    const m = machine('real', [0xe4, 0x20, ...out(1), HLT]);
    m.bus.answers.set(0x20, 0x5a);
    m.bus.onAccess = () => m.vcpu.kick();
    m.vcpu.run(1e9);
    expect(m.vcpu.save().gpr[0]).toBe(0x5an);
  });

  test('kick between runs ends the next one, also of a halted processor', () => {
    const m = machine('real', [HLT]);
    m.vcpu.kick();
    expect(m.vcpu.run(1e9).kind).toBe('slice');
    expect(m.vcpu.run(1e9).kind).toBe('halt');
    m.vcpu.kick();
    expect(m.vcpu.run(1e9).kind).toBe('slice');
    expect(m.vcpu.run(1e9).kind).toBe('halt');
  });

  test('a bus that throws leaves a processor that can go on', () => {
    const m = machine('real', [...out(1), ...out(2), HLT]);
    m.bus.onAccess = entry => {
      if (entry === 'out 1/1 0') throw new Error('broken device');
    };
    expect(() => m.vcpu.run(1e9)).toThrow('broken device');
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1/1 0', 'out 2/1 0']);
  });

  test('reset from within an access', () => {
    const m = machine('real', [...out(0x64), ...out(2), HLT]);
    m.bus.onAccess = () => m.vcpu.reset();
    expect(m.vcpu.run(1e9).kind).toBe('slice');
    expect(m.log).toEqual(['out 64/1 0']);
    expect(m.vcpu.save()).toMatchObject({ rip: 0xfff0n, halted: false });
  });

  test('save from within an access is refused', () => {
    const m = machine('real', [...out(1), HLT]);
    m.bus.onAccess = () => m.vcpu.save();
    expect(() => m.vcpu.run(1e9)).toThrow(/between runs only/);
  });
});

describe('interrupts by the board (SDM vol. 3 §6)', () => {
  /** Real-mode handlers at A000h: `vector`'s says `out 30h`. */
  const handler = (m: StubMachine, vector: number): void => {
    m.bus.poke(4 * vector, [0x00, 0xa0, 0x00, 0x00]);
    m.bus.poke(0xa000, [...out(0x30), IRET]);
  };

  test('§6.8.1 an interrupt wakes HLT when IF is set', () => {
    const m = machine('real', [STI, HLT, ...out(1), CLI, HLT]);
    handler(m, 0x20);
    expect(m.run()).toBe('halt');
    m.vcpu.setIntr(true);
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['ack 20', 'out 30/1 0', 'out 1/1 0']);
  });

  test('§6.8.1 INTR does not wake HLT when IF is clear', () => {
    const m = machine('real', [CLI, HLT]);
    m.vcpu.setIntr(true);
    expect(m.run()).toBe('halt');
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual([]);
  });

  test('§6.8.3 a request waits until the instruction after STI', () => {
    const m = machine('real', [...out(1), STI, ...out(2), NOP, ...out(3), CLI, HLT]);
    handler(m, 0x20);
    m.vcpu.setIntr(true);
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1/1 0', 'out 2/1 0', 'ack 20', 'out 30/1 0', 'out 3/1 0']);
  });

  test('a request that a port access raises is taken at once', () => {
    const m = machine('real', [STI, NOP, ...out(1), NOP, ...out(2), CLI, HLT]);
    handler(m, 0x20);
    m.bus.onAccess = entry => {
      if (entry === 'out 1/1 0') m.vcpu.setIntr(true);
    };
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1/1 0', 'ack 20', 'out 30/1 0', 'out 2/1 0']);
  });

  test('a request that goes away is not acknowledged', () => {
    const m = machine('real', [...out(1), STI, NOP, NOP, CLI, HLT]);
    m.vcpu.setIntr(true);
    m.bus.onAccess = () => m.vcpu.setIntr(false);
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1/1 0']);
  });

  test('§6.7 an NMI wakes HLT, its edge counts', () => {
    const m = machine('real', [CLI, HLT, ...out(1), HLT]);
    handler(m, 2);
    expect(m.run()).toBe('halt');
    m.vcpu.setNmi(true);
    m.vcpu.setNmi(true);
    expect(m.run()).toBe('halt');
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 30/1 0', 'out 1/1 0']);
  });

  test('§6.7 an NMI that was served does not end a later HLT', () => {
    const m = machine('real', [CLI, ...out(1), NOP, HLT, ...out(2), HLT]);
    handler(m, 2);
    m.bus.onAccess = entry => {
      if (entry === 'out 1/1 0') m.vcpu.setNmi(true);
    };
    expect(m.run()).toBe('halt');
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 1/1 0', 'out 30/1 0']);
  });

  test('§6.7.1 an NMI within the handler of another waits for its IRET, HLT or not', () => {
    const m = machine('real', [CLI, HLT]);
    handler(m, 2);
    m.bus.poke(0xa000, [...out(0x30), HLT, ...out(0x31), IRET]);
    m.bus.onAccess = entry => {
      if (entry !== 'out 30/1 0') return;
      m.vcpu.setNmi(false);
      m.vcpu.setNmi(true);
    };
    m.vcpu.setNmi(true);
    expect(m.run()).toBe('halt');
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 30/1 0']);
    expect(m.vcpu.save()).toMatchObject({ nmiMasked: true, nmiPending: true });
  });

  test('§6.14 into a handler of long mode, from ring 3 over the TSS', () => {
    const m = machine('long-user', SPIN, s => {
      s.rflags |= 0x200n;
    });
    // A gate for vector 20h (§6.14.1) to A000h: the handler says out 30h and halts.
    m.bus.poke(FLAT.IDT + 16 * 0x20, [0x00, 0xa0, SELECTOR.CODE_64, 0, 0, 0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    m.bus.poke(0xa000, [...out(0x30), HLT]);
    m.vcpu.setIntr(true);
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['ack 20', 'out 30/1 0']);
    expect(m.vcpu.save().segments.cs.selector).toBe(SELECTOR.CODE_64);
  });
});

describe('processor state', () => {
  /** Without what moves by itself: the time-stamp counter, and the header of the XSAVE area. */
  const still = ({ msrs, xsave: _, ...rest }: CpuState) => ({
    ...rest,
    msrs: [...msrs].filter(([index]) => index !== 0x10),
  });

  test('SDM vol. 3 §9.1.1 after power-on', () => {
    const m = machine('real', []);
    m.vcpu.reset();
    const state = m.vcpu.save();
    expect(state).toMatchObject({
      rip: 0xfff0n,
      rflags: 2n,
      cr0: 0x6000_0010n,
      cr3: 0n,
      cr4: 0n,
      efer: 0n,
      halted: false,
    });
    expect(state.segments.cs).toEqual({ selector: 0xf000, base: 0xffff_0000n, limit: 0xffff, rights: 0x9b });
    expect(state.segments.ds).toEqual({ selector: 0, base: 0n, limit: 0xffff, rights: 0x93 });
    expect(state.idtr).toEqual({ base: 0n, limit: 0xffff });
    expect(state.dr).toMatchObject({ 6: 0xffff_0ff0n, 7: 0x400n });
    expect(state.gpr[2]).not.toBe(0n); // EDX: the signature that CPUID.1 returns
    expect([...state.fxsave.subarray(0, 5)]).toEqual([0x40, 0, 0, 0, 0xff]); // FCW, FSW, FTW
    expect(state.msrs.get(0x277)).toBe(0x0007_0406_0007_0406n); // PAT, §11.12.4
  });

  for (const mode of ['real', 'protected', 'long', 'long-user'] as const)
    test(`restore∘save is the identity, ${mode}`, () => {
      const m = machine(mode, SPIN, s => {
        s.gpr.forEach((_, i) => {
          s.gpr[i] = (0x1111_1111n * BigInt(i + 1)) & (mode.startsWith('long') ? 0xffff_ffff_ffffn : 0xffffn);
        });
        s.cr2 = 0x1234_5000n;
        s.dr[0] = 0x7777n;
        s.msrs.set(0xc000_0081, 0x0023_0008_0000_0000n).set(0xc000_0102, 0x7f00_0000_1000n);
        for (let i = 0; i < 256; i++) s.fxsave[160 + i] = i ^ 0xa5; // XMM0–15
        s.fxsave[0] = 0x7e; // FCW
        s.nmiMasked = true;
      });
      const first = m.vcpu.save();
      expect(first.gpr[3]).not.toBe(0n);
      expect(first.fxsave[161]).toBe(1 ^ 0xa5);
      expect(first.msrs.get(0xc000_0102)).toBe(0x7f00_0000_1000n);
      expect(first.nmiMasked).toBe(true);
      const other = machine('real', SPIN);
      other.vcpu.restore(first);
      expect(still(other.vcpu.save())).toEqual(still(first));
    });

  test('a guest goes on in another machine', () => {
    // inc eax; out 10h, al; jmp back
    const code = [0xff, 0xc0, ...out(0x10), 0xeb, 0xfa];
    const [a, b] = [machine('long-user', code), machine('real', [])];
    a.bus.onAccess = () => a.vcpu.kick();
    a.vcpu.run(1e9);
    a.vcpu.run(1e9);
    b.bus.guest.bytes.set(a.bus.guest.bytes.subarray(ACCELERATOR_ARENA), ACCELERATOR_ARENA);
    b.vcpu.restore(a.vcpu.save());
    b.bus.onAccess = () => b.vcpu.kick();
    b.vcpu.run(1e9);
    expect([...a.log, ...b.log]).toEqual(['out 10/1 1', 'out 10/1 2', 'out 10/1 3']);
  });

  test('halted, and woken after a restore', () => {
    const [a, b] = [machine('real', [STI, HLT, ...out(1), CLI, HLT]), machine('real', [])];
    a.run();
    b.bus.guest.bytes.set(a.bus.guest.bytes.subarray(ACCELERATOR_ARENA), ACCELERATOR_ARENA);
    b.bus.poke(4 * 0x20, [0x00, 0xa0, 0x00, 0x00]);
    b.bus.poke(0xa000, [IRET]);
    b.vcpu.restore(a.vcpu.save());
    expect(b.run()).toBe('halt');
    b.vcpu.setIntr(true);
    expect(b.run()).toBe('halt');
    expect(b.log).toEqual(['ack 20', 'out 1/1 0']);
  });

  test('an acknowledged interrupt is not lost', () => {
    const m = machine('real', [STI, NOP, ...SPIN], s => {
      s.delivering = { kind: 'interrupt', vector: 0x20 };
    });
    m.bus.poke(4 * 0x20, [0x00, 0xa0, 0x00, 0x00]);
    m.bus.poke(0xa000, [...out(0x30), HLT]);
    expect(m.vcpu.save().delivering).toEqual({ kind: 'interrupt', vector: 0x20 });
    expect(m.run()).toBe('halt');
    expect(m.log).toEqual(['out 30/1 0']);
    expect(m.vcpu.save().delivering).toBeUndefined();
  });

  test('a state that contradicts itself is refused', () => {
    const m = machine('real', []);
    const state = m.vcpu.save();
    state.efer = 0x400n; // LMA without paging
    state.cr0 = 0x8000_0001n;
    expect(() => m.vcpu.restore(state)).toThrow(/contradict/);
  });
});
