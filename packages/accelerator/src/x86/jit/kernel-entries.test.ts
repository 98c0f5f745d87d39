import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  al,
  dword,
  eax,
  ebp,
  ebx,
  ecx,
  edx,
  esi,
  esp,
  m,
  qword,
  r8,
  r9,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdx,
  rsi,
  rsp,
} from '@mainboard/guests/assembler';
import { MSR } from '../msr.ts';
import { SEGREG } from '../registers.ts';
import { FLAG, SEGMENT, STATE } from '../state.ts';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOLE, HOT, onAllTiers, type Scenario, TSS } from './tiers.fixture.ts';

const { if: IF, tf: TF, ac: AC, rf: RF, df: DF, iopl: IOPL } = FLAG;
const KERNEL = { cs: 8, ss: 0x10 } as const;
const USER = { cs: 0x23, ss: 0x1b } as const;
/** STAR: SYSCALL's CS, and what SYSRET counts from. */
const STAR = (BigInt(KERNEL.cs) << 32n) | (0x10n << 48n);
const SMAP = 1n << 21n;
/** An area that GS leads to at level 0, and one at level 3. */
const PER_CPU = AT.data + 0x100;
const THREAD = AT.data + 0x200;
const USER_STACK = AT.data + 0x800;
const COUNTER = AT.data + 0x300;

/** ADD RBX, GS:[0] */
const addGs = (a: Assembler): void => a.db(0x65, 0x48, 0x03, 0x1c, 0x25, 0, 0, 0, 0);

/** Descriptors, system calls to `entry`, and pages that level 3 may use: code, data. */
function system(guest: Guest, { fmask = IF | TF | DF, entry = 'entry' } = {}): void {
  guest.view.setBigUint64(AT.gdt + 0x18, 0x00cf_f300_0000_ffffn, true);
  guest.view.setBigUint64(AT.gdt + 0x20, 0x00af_fb00_0000_ffffn, true);
  guest.view.setBigUint64(PER_CPU, 1n, true);
  guest.view.setBigUint64(THREAD, 1000n, true);
  for (const page of [AT.code, AT.data]) guest.map(page, page, 7n);
  const { msrs, segments, efer } = guest.vcpu.save();
  const more: [number, bigint][] = [
    [MSR.star, STAR],
    [MSR.lstar, BigInt(guest.at(entry))],
    [MSR.fmask, BigInt(fmask)],
    [MSR.kernelGsBase, BigInt(THREAD)],
  ];
  guest.set({
    efer: efer | 1n,
    gdtr: { base: BigInt(AT.gdt), limit: 0x27 },
    msrs: new Map([...msrs, ...more]),
    segments: { ...segments, gs: { ...segments.gs, base: BigInt(PER_CPU) } },
  });
}

/** Goes to `user` at level 3 by SYSRET; R14 adds flags. */
function toUser(a: Assembler): void {
  a.label('start');
  a.lea(rcx, m('user'));
  a.lea(r11, m(r14, 2));
  a.swapgs();
  a.sysretq();
}

/** A program at level 3 that makes RBP system calls, then UD2. */
function program(a: Assembler, body: () => void): void {
  a.align(16);
  a.label('user');
  a.mov(rsp, USER_STACK);
  a.label('again');
  body();
  a.dec(rbp);
  a.jnz('again');
  a.ud2();
}

const frame = (guest: Guest, error = false): number[] => [0, 1, 2, 3, 4].map(n => guest.stack(n + (error ? 1 : 0)));

describe('system calls (SDM vol. 2 SYSCALL, SYSRET, SWAPGS)', () => {
  const calls: Pick<Scenario, 'code' | 'prepare' | 'heat'> = {
    code(a) {
      toUser(a);
      program(a, () => {
        a.push(r12);
        a.add(rbx, rbp);
        a.syscall();
        a.pop(r12);
      });
      a.align(16);
      a.label('entry');
      a.swapgs();
      addGs(a);
      a.mov(r8, rsp);
      a.mov(rsp, AT.stack);
      a.push(rcx);
      a.inc(r12);
      a.add(r13, r11);
      a.pop(rcx);
      a.mov(rsp, r8);
      a.swapgs();
      a.sysretq();
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT },
  };

  onAllTiers('there and back: levels, flags, GS and the stack', {
    ...calls,
    run(guest) {
      guest.call('start', { rbp: 10, r14: IF });
      expect(guest.registers('rbx', 'r12', 'rbp')).toEqual([55 + 10, 0, 0]);
      // UD2 at level 3
      const [, ...pushed] = frame(guest);
      expect([guest.exception, ...pushed]).toEqual([6, USER.cs, IF | RF | 0x46, USER_STACK, USER.ss]);
      const { cs, gs } = guest.vcpu.save().segments;
      expect([cs.rights, Number(gs.base)]).toEqual([0xa09b, THREAD]);
    },
  });

  onAllTiers('a level is what loading the segments would have made of it', {
    code(a) {
      toUser(a);
      program(a, () => {
        a.inc(rbx);
        a.out(0x30, al);
        a.syscall();
      });
      a.align(16);
      a.label('entry');
      a.inc(r12);
      a.out(0x30, al);
      a.sysretq();
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT, r14: IOPL },
    run(guest) {
      const { cpu } = guest.vcpu;
      const words = (): unknown => [
        cpu.cpl,
        ...[STATE.tlb, STATE.codeKey, STATE.mayChangeIf].map(at => cpu.r.i32[at / 4]),
        ...cpu.r.u8.slice(STATE.segments + SEGMENT.size, STATE.segments + 3 * SEGMENT.size),
      ];
      const levels: number[] = [];
      guest.onOut = () => {
        const before = words();
        levels.push(cpu.cpl);
        for (const n of [SEGREG.cs, SEGREG.ss])
          cpu.r.setSegment(n, cpu.r.selector(n), cpu.r.base(n), cpu.r.limit(n), cpu.r.rights(n));
        cpu.updateMode();
        expect(before).toEqual(words());
      };
      guest.call('start', { rbp: 2, r14: IOPL });
      guest.call('start', { rbp: 1, r14: IOPL | AC });
      expect(levels).toEqual([3, 0, 3, 0, 3, 0]);
    },
  });

  onAllTiers('another IA32_LSTAR, IA32_FMASK and EFER.SCE by WRMSR between two calls', {
    code(a) {
      toUser(a);
      program(a, () => {
        a.mov(rax, rbp);
        a.label('inner');
        a.add(rbx, rax);
        a.sub(rax, 3);
        a.ja('inner');
        a.syscall();
      });
      a.align(16);
      a.label('entry');
      a.mov(r8, rcx);
      a.inc(r12);
      a.mov(ecx, MSR.lstar);
      a.lea(eax, m('second'));
      a.xor(rdx, rdx);
      a.wrmsr();
      a.mov(ecx, MSR.fmask);
      a.mov(eax, DF);
      a.wrmsr();
      a.mov(rcx, r8);
      a.sysretq();
      a.align(16);
      a.label('second');
      a.mov(r8, rcx);
      a.inc(r13);
      a.mov(ecx, MSR.lstar);
      a.lea(eax, m('entry'));
      a.xor(rdx, rdx);
      a.wrmsr();
      a.mov(ecx, MSR.efer);
      a.mov(rax, rsi);
      a.wrmsr();
      a.mov(rcx, r8);
      a.sysretq();
    },
    prepare: guest => system(guest),
    heat: { rbp: 500, rsi: 0xd01 },
    run(guest) {
      guest.call('start', { rbp: 10, rsi: 0xd01 });
      expect([guest.exception, ...guest.registers('rbp', 'r12', 'r13')]).toEqual([6, 0, 5, 5]);
      guest.start('start', { rbp: 10, rsi: 0xd00 });
      guest.toHalt();
      // SYSRET is none any more
      expect([guest.exception, guest.stack(1), ...guest.registers('rbp', 'r12', 'r13')]).toEqual([6, 8, 9, 1, 1]);
    },
  });

  onAllTiers('SYSRET to an address that is not canonical is #GP(0) at level 0', {
    code(a) {
      a.label('start');
      a.lea(rcx, m('user'));
      a.mov(r11, 2);
      a.cmp(rbp, 1);
      a.jnz('return');
      a.mov(rcx, r15);
      a.label('return');
      a.sysretq();
      program(a, () => {
        a.push(rbp);
        a.pop(r12);
        a.syscall();
      });
      a.align(16);
      a.label('entry');
      a.dec(rbp);
      a.jmp('start');
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT, r15: AT.code },
    run(guest) {
      for (const r15 of [1n << 47n, 0xffff_7fff_ffff_ffffn]) {
        guest.call('start', { rbp: 10, r15 });
        expect([guest.exception, guest.stack(0), ...frame(guest, true).slice(0, 2)]).toEqual([
          13,
          0,
          guest.at('return'),
          KERNEL.cs,
        ]);
        expect(guest.register('rcx')).toBe(r15);
      }
    },
  });

  onAllTiers('SYSRET and SWAPGS at level 3 are #GP(0)', {
    code(a) {
      toUser(a);
      program(a, () => {
        a.syscall();
        a.cmp(rbp, r15);
        a.jz('forbidden');
      });
      a.label('forbidden');
      a.cmp(rbx, 0);
      a.jz('second');
      a.sysretq();
      a.label('second');
      a.swapgs();
      a.align(16);
      a.label('entry');
      a.sysretq();
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT },
    run(guest) {
      for (const [rbx, at] of [
        [1, guest.at('second', -3)],
        [0, guest.at('second')],
      ] as const) {
        guest.call('start', { rbp: 10, r15: 5, rbx });
        expect([guest.exception, guest.stack(0), guest.stack(1), guest.stack(2)]).toEqual([13, 0, at, USER.cs]);
      }
    },
  });

  onAllTiers('TF: the trap comes after SYSCALL only if IA32_FMASK leaves TF, and again after SYSRET', {
    code(a) {
      toUser(a);
      program(a, () => {
        a.push(r15);
        a.popfq();
        a.syscall();
        a.label('behind');
        a.inc(r12);
      });
      a.align(16);
      a.label('entry');
      a.inc(rbx);
      a.sysretq();
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT, r15: 2 },
    run(guest) {
      guest.call('start', { rbp: 3, r15: TF });
      // TF comes back with SYSRET, whose next instruction is done first
      expect([guest.exception, guest.stack(0), ...guest.registers('rbx', 'r12')]).toEqual([
        1,
        guest.at('behind', 3),
        1,
        1,
      ]);
      guest.set({ msrs: new Map([...guest.vcpu.save().msrs, [MSR.fmask, 0n]]) });
      guest.call('start', { rbp: 3, r15: TF });
      expect([guest.exception, guest.stack(0), ...guest.registers('rbx', 'r12')]).toEqual([1, guest.at('entry'), 0, 0]);
    },
  });

  onAllTiers('SYSCALL clears AC: level 0 may not touch user pages under SMAP, until SYSRET', {
    code(a) {
      toUser(a);
      program(a, () => {
        a.add(rbx, qword(THREAD));
        a.syscall();
      });
      a.align(16);
      a.label('entry');
      a.stac();
      a.add(r12, qword(THREAD));
      a.clac();
      a.test(r15, r15);
      a.jz('return');
      a.label('denied');
      a.add(r12, qword(THREAD));
      a.label('return');
      a.sysretq();
    },
    prepare(guest) {
      system(guest, { fmask: AC | IF });
      for (const page of [AT.gdt, AT.idt, TSS]) guest.map(page, page);
      guest.set({ cr4: guest.vcpu.save().cr4 | SMAP });
    },
    heat: { rbp: HOT, r14: AC },
    run(guest) {
      guest.call('start', { rbp: 10, r14: AC });
      expect([guest.exception, ...guest.registers('rbx', 'r12')]).toEqual([6, 10_000, 10_000]);
      guest.call('start', { rbp: 10, r14: AC, r15: 1 });
      expect([guest.exception, guest.stack(1), ...guest.registers('rbx', 'r12')]).toEqual([
        14,
        guest.at('denied'),
        1000,
        1000,
      ]);
    },
  });
});

describe('system calls of 32-bit code (SDM vol. 2 SYSENTER, SYSEXIT)', () => {
  onAllTiers('there and back: levels, stacks and segments', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.lea(edx, m('user'));
      a.mov(ecx, USER_STACK);
      a.sysexit();
      a.align(16);
      a.label('user');
      a.push(eax);
      a.add(ebx, ebp);
      a.mov(ecx, esp);
      a.lea(edx, m('back'));
      a.sysenter();
      a.label('back');
      a.pop(eax);
      a.dec(ebp);
      a.jnz('user');
      a.ud2();
      a.align(16);
      a.label('entry');
      a.push(ecx);
      a.inc(esi);
      a.pop(ecx);
      a.sysexit();
    },
    prepare(guest) {
      const { msrs, segments } = guest.vcpu.save();
      guest.view.setUint32(TSS + 4, AT.stack, true);
      guest.view.setUint32(TSS + 8, KERNEL.ss, true);
      const more: [number, bigint][] = [
        [MSR.sysenterCs, BigInt(KERNEL.cs)],
        [MSR.sysenterEsp, BigInt(AT.stack)],
        [MSR.sysenterEip, BigInt(guest.at('entry'))],
      ];
      guest.set({
        msrs: new Map([...msrs, ...more]),
        segments: { ...segments, tr: { selector: 0x28, base: BigInt(TSS), limit: 0x67, rights: 0x8b } },
      });
    },
    heat: { rbp: HOT },
    run(guest) {
      guest.call('start', { rbp: 10 });
      expect([guest.exception, ...guest.registers('rbx', 'rsi', 'rbp')]).toEqual([6, 55, 10, 0]);
      expect([0, 1, 2, 3, 4].map(n => guest.stack(n, 4))).toEqual([
        guest.at('back', 4),
        KERNEL.cs + 16 + 3,
        RF | 0x46,
        USER_STACK,
        KERNEL.cs + 24 + 3,
      ]);
      // Without IA32_SYSENTER_CS neither is allowed
      guest.set({ msrs: new Map([...guest.vcpu.save().msrs, [MSR.sysenterCs, 0n]]) });
      guest.call('start', { rbp: 10 });
      expect([guest.exception, guest.stack(2, 4), ...guest.registers('rbx')]).toEqual([13, KERNEL.cs, 0]);
    },
  });
});

/** An interrupt that waits while IF is clear; its handler notes RBX and the address it came at, and ends the request. */
function waiting(guest: Guest): void {
  guest.place(0x9000, a => {
    a.mov(qword(COUNTER), rbx);
    a.mov(rdx, qword(rsp));
    a.out(0x21, al);
    a.iretq();
  });
  guest.place(AT.handlers + 16 * guest.vector, a => a.jmp(0x9000));
  guest.onOut = port => guest.vcpu.setIntr(port === 0x20);
}

describe('an interrupt that waits comes where IF is set (SDM vol. 3 §6.8.1)', () => {
  /** @param set lets interrupts in */
  const scenario = (set: (a: Assembler) => void, after: number): Scenario => ({
    ownWay: true,
    code(a) {
      a.label('start');
      a.cli();
      a.inc(rsi);
      a.cmp(rsi, rbp);
      a.jnz('quiet');
      a.out(0x20, al);
      a.inc(r12);
      a.label('quiet');
      a.xor(ebx, ebx);
      set(a);
      a.label('set');
      a.inc(ebx);
      a.inc(ebx);
      a.inc(ebx);
      a.cmp(rsi, rbp);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      system(guest, { entry: 'start' });
      waiting(guest);
    },
    heat: { rbp: HOT },
    run(guest) {
      guest.view.setUint32(COUNTER, 99, true);
      guest.call('start', { rbp: 10 });
      expect([guest.dword(COUNTER), ...guest.registers('rdx', 'r12')]).toEqual([after, guest.at('set', 2 * after), 1]);
    },
  });

  onAllTiers(
    'after STI: not before the next instruction is done',
    scenario(a => a.sti(), 1),
  );
  onAllTiers(
    'after POPF: at once',
    scenario(a => {
      a.push(IF);
      a.popfq();
    }, 0),
  );
  onAllTiers(
    'after IRETQ: at once',
    scenario(a => {
      a.mov(rax, rsp);
      a.push(KERNEL.ss);
      a.push(rax);
      a.push(IF);
      a.push(KERNEL.cs);
      a.lea(rax, m('set'));
      a.push(rax);
      a.iretq();
    }, 0),
  );

  onAllTiers('after SYSRET: at once, at level 3', {
    ownWay: true,
    code(a) {
      toUser(a);
      program(a, () => {
        a.syscall();
        a.label('behind');
        a.inc(rbx);
        a.inc(rbx);
      });
      a.align(16);
      a.label('entry');
      a.xor(rbx, rbx);
      a.cmp(rbp, 5);
      a.jnz('return');
      a.mov(rsp, AT.stack);
      a.out(0x20, al);
      a.label('return');
      a.sysretq();
    },
    prepare(guest) {
      system(guest);
      waiting(guest);
    },
    heat: { rbp: HOT, r14: IF },
    run(guest) {
      guest.view.setUint32(COUNTER, 99, true);
      guest.call('start', { rbp: 10, r14: IF });
      expect([guest.exception, guest.dword(COUNTER), ...guest.registers('rdx')]).toEqual([6, 0, guest.at('behind')]);
    },
  });
});

describe('IRETQ (SDM vol. 2 IRET)', () => {
  /** Pushes a frame: SS in R8, CS in R9, flags in R14, to `target` on the stack in R15. */
  function push(a: Assembler, target: string): void {
    a.push(r8);
    a.push(r15);
    a.push(r14);
    a.push(r9);
    a.lea(rax, m(target));
    a.push(rax);
  }

  const roundTrip: Pick<Scenario, 'code' | 'prepare'> = {
    code(a) {
      a.label('start');
      a.mov(rsp, AT.stack);
      push(a, 'target');
      a.label('return');
      a.iretq();
      a.align(16);
      a.label('target');
      a.pushfq();
      a.pop(r12);
      a.add(rbx, qword(THREAD));
      a.dec(rbp);
      a.jz('done');
      a.syscall();
      a.label('done');
      a.ud2();
      a.align(16);
      a.label('entry');
      a.jmp('start');
    },
    prepare: guest => system(guest),
  };
  const heat = { rbp: HOT, r8: USER.ss, r9: USER.cs, r14: 2, r15: USER_STACK };

  onAllTiers('to level 3: flags, stack and segments', {
    ...roundTrip,
    heat,
    run(guest) {
      guest.call('start', { ...heat, rbp: 10, r14: IF | DF | 0xd7 });
      expect([guest.exception, ...guest.registers('rbx', 'r12')]).toEqual([6, 10_000, IF | DF | 0xd7 | 2]);
      expect(frame(guest)).toEqual([guest.at('done'), USER.cs, IF | DF | RF | 0x46, USER_STACK, USER.ss]);
      const { ds, fs } = guest.vcpu.save().segments;
      // Data segments of level 0 are gone
      expect([ds.selector, fs.selector, ds.rights >> 16]).toEqual([0, 0, 1]);
    },
  });

  onAllTiers('segments that the GDT has no more, or others', {
    ...roundTrip,
    heat,
    run(guest) {
      const go = (): number[] => {
        guest.call('start', { ...heat, rbp: 10 });
        return [guest.exception ?? -1, guest.stack(0), guest.stack(1), ...guest.registers('rbx')];
      };
      guest.view.setBigUint64(AT.gdt + 0x20, 0x00af_7b00_0000_ffffn, true); // not present
      expect(go()).toEqual([11, 0x20, guest.at('return'), 0]);
      guest.view.setBigUint64(AT.gdt + 0x20, 0x00af_9b00_0000_ffffn, true); // of level 0
      expect(go()).toEqual([13, 0x20, guest.at('return'), 0]);
      guest.view.setBigUint64(AT.gdt + 0x20, 0x00af_fa00_0000_ffffn, true); // not accessed
      expect(go()[0]).toBe(6);
      expect(guest.view.getBigUint64(AT.gdt + 0x20, true)).toBe(0x00af_fb00_0000_ffffn);
      guest.view.setBigUint64(AT.gdt + 0x18, 0x00cf_f100_0000_ffffn, true); // read-only
      expect(go()).toEqual([13, 0x18, guest.at('return'), 0]);
      guest.view.setBigUint64(AT.gdt + 0x18, 0x00cf_f300_0000_ffffn, true);
      guest.set({ gdtr: { base: BigInt(AT.gdt), limit: 0x1f } });
      expect(go()).toEqual([13, 0x20, guest.at('return'), 0]);
    },
  });

  onAllTiers('a frame across two pages: CS comes before what the second one has', {
    code(a) {
      a.label('start');
      a.mov(rsp, HOLE - 24);
      a.iretq();
      a.label('target');
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      const words = [guest.at('target'), KERNEL.cs, IF | 2, AT.stack, KERNEL.ss];
      for (const [n, word] of words.entries()) guest.view.setBigUint64(HOLE - 24 + 8 * n, BigInt(word), true);
    },
    heat: { rbp: HOT },
    run(guest) {
      guest.hide(HOLE);
      guest.call('start', { rbp: 1 });
      expect([guest.exception, guest.cr2]).toEqual([14, HOLE]);
      guest.view.setBigUint64(HOLE - 16, BigInt(KERNEL.ss), true);
      guest.call('start', { rbp: 1 });
      expect([guest.exception, guest.stack(0)]).toEqual([13, KERNEL.ss]);
    },
  });

  onAllTiers('to an address that is not canonical, and to a level that is no gate away', {
    ...roundTrip,
    heat,
    run(guest) {
      guest.call('start', { ...heat, rbp: 10, r9: 0x22 });
      expect([guest.exception, guest.stack(0)]).toEqual([13, 0x20]);
      guest.call('start', { ...heat, rbp: 10, r8: 0x1a });
      expect([guest.exception, guest.stack(0)]).toEqual([13, 0x18]);
      guest.call('start', { ...heat, rbp: 10, r8: 0 });
      expect([guest.exception, guest.stack(0)]).toEqual([13, 0]);
    },
  });

  onAllTiers('within level 0: the stack is the frame’s, a null SS stays null', {
    code(a) {
      a.label('start');
      a.mov(rsp, AT.stack);
      push(a, 'target');
      a.iretq();
      a.align(16);
      a.label('target');
      a.push(rbx);
      a.inc(rbx);
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
      a.label('entry');
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT, r8: KERNEL.ss, r9: KERNEL.cs, r14: 2, r15: USER_STACK },
    run(guest) {
      const ss = (): unknown[] => {
        const { selector, rights } = guest.vcpu.save().segments.ss;
        return [selector, rights, Number(guest.register('rsp'))];
      };
      for (const [r8, rights] of [
        [0, 0x1_0000],
        [KERNEL.ss, 0xc093],
        [0, 0x1_0000],
      ] as const) {
        guest.call('start', { rbp: 10, r8, r9: KERNEL.cs, r14: 2, r15: USER_STACK });
        expect([guest.exception, ...ss()]).toEqual([undefined, r8, rights, USER_STACK - 8]);
      }
    },
  });

  onAllTiers('AC in the flags opens and closes user pages in the same region (SDM vol. 3 §4.6.1)', {
    code(a) {
      a.label('start');
      a.mov(rsp, AT.stack);
      push(a, 'target');
      a.iretq();
      a.align(16);
      a.label('target');
      a.add(rbx, qword(THREAD));
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
      a.label('entry');
    },
    prepare(guest) {
      system(guest);
      guest.map(AT.code, AT.code);
      guest.set({ cr4: guest.vcpu.save().cr4 | SMAP });
    },
    heat: { rbp: HOT, r8: KERNEL.ss, r9: KERNEL.cs, r14: AC, r15: AT.stack },
    run(guest) {
      guest.start('start', { rbp: 10, r8: KERNEL.ss, r9: KERNEL.cs, r14: 2, r15: AT.stack }, AC | 2);
      guest.vcpu.cpu.updateMode();
      guest.toHalt();
      expect([guest.exception, guest.cr2, ...guest.registers('rbp')]).toEqual([14, THREAD, 10]);
    },
  });

  onAllTiers('RF gets past the breakpoint at the next instruction (SDM vol. 3 §17.3.1.1)', {
    ownWay: true,
    code(a) {
      a.label('start');
      a.mov(rsp, AT.stack);
      push(a, 'target');
      a.iretq();
      a.align(16);
      a.label('target');
      a.inc(rbx);
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
      a.label('entry');
    },
    prepare: guest => system(guest),
    heat: { rbp: HOT, r8: KERNEL.ss, r9: KERNEL.cs, r14: RF, r15: AT.stack },
    run(guest) {
      guest.set({ dr: { ...guest.vcpu.save().dr, 0: BigInt(guest.at('target')), 7: 0x402n } });
      guest.call('start', { rbp: 3, r8: KERNEL.ss, r9: KERNEL.cs, r14: RF, r15: AT.stack });
      expect([guest.exception, ...guest.registers('rbx')]).toEqual([undefined, 3]);
      guest.call('start', { rbp: 3, r8: KERNEL.ss, r9: KERNEL.cs, r14: 2, r15: AT.stack });
      expect([guest.exception, guest.stack(0), ...guest.registers('rbx')]).toEqual([1, guest.at('target'), 0]);
    },
  });
});

describe('the time-stamp counter', () => {
  onAllTiers('RDTSC and RDTSCP: EDX:EAX, ECX; CR4.TSD keeps level 3 from them', {
    ownWay: true,
    code(a) {
      toUser(a);
      program(a, () => {
        a.rdtsc();
        a.mov(dword(COUNTER), eax);
        a.label('second');
        a.rdtscp();
        a.sub(eax, dword(COUNTER));
        a.mov(rbx, rax);
        a.mov(r12, rcx);
      });
      a.label('entry');
    },
    prepare(guest) {
      system(guest);
      guest.set({ msrs: new Map([...guest.vcpu.save().msrs, [MSR.tscAux, 0x1_0000_0007n]]) });
    },
    heat: { rbp: HOT },
    run(guest) {
      guest.call('start', { rbp: 10, rdx: -1 });
      const [later = 0, aux] = guest.registers('rbx', 'r12');
      expect([later > 0, aux]).toEqual([true, 7]);
      guest.set({ cr4: guest.vcpu.save().cr4 | 4n });
      guest.call('start', { rbp: 10 });
      expect([guest.exception, guest.stack(1)]).toEqual([13, guest.at('again')]);
    },
  });
});
