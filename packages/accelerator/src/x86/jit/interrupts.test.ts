import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  al,
  ax,
  dword,
  eax,
  ebx,
  ecx,
  edx,
  esi,
  m,
  qword,
  r8d,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  ss,
} from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers } from './tiers.fixture.ts';

const IF = 0x202;
const TF = 0x102;
const VECTOR = 0x20;
const COUNTER = AT.data + 0x800;

/** The handler counts in memory, ends the request by OUT and returns. */
function counts(guest: Guest, vector: number): void {
  guest.place(0x9000, a => {
    a.inc(qword(COUNTER));
    a.out(0x20, al);
    a.iretq();
  });
  guest.place(AT.handlers + 16 * vector, a => a.jmp(0x9000));
  guest.onOut = port => {
    if (port === 0x20) guest.vcpu.setIntr(false);
  };
}

/** Of loops that are long, but for the shortest. */
const TURNS = 40_000;

/** When an interrupt came is the tier's own business, and so is what that left on the stack. */
function forgetTimes(guest: Guest): void {
  guest.vcpu.reset();
  for (let at = AT.stack - 0x200; at < AT.stack; at++) guest.view.setUint8(at, 0);
  guest.view.setUint32(COUNTER, 0, true);
  guest.seen.length = 0;
  guest.accesses.length = 0;
}

/** Loops of all shapes; RSI turns of each. RBX counts. */
const LOOPS: readonly [name: string, code: (a: Assembler) => void][] = [
  [
    'LOOP',
    a => {
      a.mov(rcx, rsi);
      a.label('turn');
      a.add(rbx, rcx);
      a.lea(rdx, m(rbx, rcx));
      a.loop('turn');
    },
  ],
  [
    'DEC, JNZ',
    a => {
      a.mov(rcx, rsi);
      a.label('turn');
      a.inc(ebx);
      a.dec(rcx);
      a.jnz('turn');
    },
  ],
  [
    'three loops in each other',
    a => {
      a.mov(rcx, rsi);
      a.label('turn');
      a.mov(edx, 3);
      a.label('middle');
      a.mov(eax, 2);
      a.label('inner');
      a.add(rbx, rax);
      a.dec(eax);
      a.jnz('inner');
      a.dec(edx);
      a.jnz('middle');
      a.dec(rcx);
      a.jnz('turn');
    },
  ],
  [
    'a long body with branches',
    a => {
      a.mov(rcx, rsi);
      a.label('turn');
      for (let i = 0; i < 30; i++) {
        const skip = a.fresh();
        a.test(ecx, 1 << (i & 7));
        a.jz(skip);
        a.add(rbx, i);
        a.label(skip);
      }
      a.dec(rcx);
      a.jnz('turn');
    },
  ],
  [
    'calls and returns',
    a => {
      a.mov(rcx, rsi);
      a.label('turn');
      a.mov(edx, 10);
      a.call('recursion');
      a.dec(rcx);
      a.jnz('turn');
      a.jmp('end');
      a.label('recursion');
      a.inc(rbx);
      a.dec(edx);
      a.jz('return');
      a.call('recursion');
      a.label('return');
      a.ret();
    },
  ],
  [
    'an indirect jump',
    a => {
      a.mov(rcx, rsi);
      a.lea(rax, m('turn'));
      a.label('turn');
      a.inc(rbx);
      a.dec(rcx);
      a.jz('end');
      for (let i = 0; i < 6; i++) a.lea(rdx, m(rdx, rbx)); // samples fall behind the longest stretch
      a.jmp(rax);
    },
  ],
  [
    'PUSH, POP and flags',
    a => {
      a.mov(rcx, rsi);
      a.label('turn');
      a.cmp(ebx, ecx);
      a.push(rcx);
      a.pop(rdx);
      a.adc(rbx, rdx);
      a.lea(rcx, m(rcx, -1));
      a.jrcxz('end');
      a.jmp('turn');
    },
  ],
];

describe('interrupts in a loop (SDM vol. 3 §6.6)', () => {
  for (const [name, loop] of LOOPS) {
    const code = (a: Assembler): void => {
      a.label('start');
      loop(a);
      a.label('end');
      a.hlt();
      // Reads a device, which asks for an interrupt, then loops
      a.label('device');
      a.mov(r8d, dword(rdi));
      a.jmp('start');
    };
    const prepare = (guest: Guest): void => counts(guest, VECTOR);

    onAllTiers(`${name}: one in every slice, and nothing is lost`, {
      code,
      prepare,
      heat: { rsi: TURNS },
      run(guest) {
        guest.call('start', { rsi: 5 * TURNS });
        const undisturbed = guest.registers('rbx', 'rcx', 'rdx');
        const before = guest.view.getUint32(COUNTER, true);
        guest.start('start', { rsi: 5 * TURNS }, IF);
        let interrupts = 0;
        while (guest.vcpu.run(0).kind === 'slice') {
          guest.vcpu.setIntr(true);
          interrupts++;
        }
        expect(interrupts).toBeGreaterThan(5);
        // One that came with the last slice is still to be taken, by HLT
        expect(guest.view.getUint32(COUNTER, true) - before).toBe(interrupts);
        expect(guest.registers('rbx', 'rcx', 'rdx')).toEqual(undisturbed);
        forgetTimes(guest);
      },
    });

    onAllTiers(`${name}: a slice is bounded`, {
      code,
      heat: { rsi: TURNS },
      run(guest) {
        guest.start('start', { rsi: 10 * TURNS });
        for (let i = 0; i < 5; i++) {
          const before = guest.vcpu.instructions;
          expect(guest.vcpu.run(0)).toEqual({ kind: 'slice' });
          expect(guest.vcpu.instructions - before).toBeLessThan(51_000);
        }
        guest.toHalt();
      },
    });

    onAllTiers(`${name}: one that a device asks for in the middle of a run is taken soon`, {
      code,
      prepare(guest) {
        guest.onRead = () => guest.vcpu.setIntr(true);
      },
      heat: { rsi: TURNS },
      run(guest) {
        const before = guest.vcpu.instructions;
        guest.start('device', { rsi: TURNS, rdi: AT.window }, IF);
        expect(guest.run()).toEqual({ kind: 'halt' });
        expect(guest.exception).toBe(VECTOR);
        expect(guest.vcpu.instructions - before).toBeLessThan(300);
        guest.vcpu.setIntr(false);
        guest.put(guest.rip, '48cf');
        guest.vcpu.cpu.halted = false;
        expect(guest.run()).toEqual({ kind: 'halt' });
        guest.put(AT.handlers + 16 * VECTOR + 1, '0000');
        expect([guest.rip, ...guest.registers('rsp')]).toEqual([guest.at('end', 1), AT.stack]);
        forgetTimes(guest);
      },
    });
  }

  onAllTiers('JMP on itself is left, by an interrupt and by the time', {
    code(a) {
      a.label('start');
      a.jmp('start');
    },
    run(guest) {
      guest.start('start', {}, IF);
      for (let i = 0; i < 5; i++) expect(guest.vcpu.run(0)).toEqual({ kind: 'slice' });
      expect(guest.rip).toBe(guest.at('start'));
      guest.vcpu.setIntr(true);
      guest.toHalt();
      expect([guest.exception, guest.stack(0)]).toEqual([VECTOR, guest.at('start')]);
      forgetTimes(guest);
    },
  });

  onAllTiers('kick ends a run in a compiled loop; the next one goes on', {
    code(a) {
      a.label('start');
      a.mov(eax, dword(rdi));
      a.label('turn');
      a.inc(ebx);
      a.dec(ecx);
      a.jnz('turn');
      a.hlt();
    },
    heat: { rdi: AT.data, rcx: HOT },
    run(guest) {
      guest.onRead = () => guest.vcpu.kick();
      const before = guest.vcpu.instructions;
      guest.start('start', { rdi: AT.window, rcx: HOT });
      expect(guest.vcpu.run(1e9)).toEqual({ kind: 'slice' });
      expect(guest.vcpu.instructions - before).toBeLessThan(300);
      expect(guest.registers('rbx')[0]).toBe(HOT - guest.registers('rcx')[0]!);
      guest.toHalt();
      expect([...guest.registers('rbx'), guest.vcpu.instructions - before]).toEqual([HOT, 3 * HOT + 2]);
    },
  });
});

describe('what holds interrupts back', () => {
  onAllTiers('§6.8.3 STI: one more instruction, in the middle of compiled code', {
    code(a) {
      a.label('start');
      a.inc(ebx);
      a.cli();
      a.inc(esi);
      a.sti();
      a.inc(eax);
      a.label('next');
      a.inc(edx);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 20_000 },
    run(guest) {
      guest.vcpu.setIntr(true);
      guest.call('start', { rcx: 5 });
      expect([guest.exception, guest.stack(0), ...guest.registers('rbx', 'rsi', 'rax', 'rdx')]).toEqual([
        VECTOR,
        guest.at('next'),
        1,
        1,
        1,
        0,
      ]);
    },
  });

  onAllTiers('§6.8.3 MOV SS: one more instruction', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.inc(ebx);
      a.out(0x80, al);
      a.inc(edx);
      a.mov(ss, ax);
      a.label('shadow');
      a.out(0x81, al);
      a.inc(esi);
      a.label('next');
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 2000, rax: 0x10 },
    run(guest) {
      let turns = 0;
      guest.onOut = port => {
        if (port === 0x81 && ++turns === 3) guest.vcpu.setIntr(true);
      };
      guest.call('start', { rcx: 5, rax: 0x10 }, IF);
      expect([guest.exception, guest.stack(0, 4), ...guest.registers('rbx', 'rsi')]).toEqual([
        VECTOR,
        guest.at('shadow', 2),
        3,
        2,
      ]);
    },
  });

  onAllTiers('IF: POPF in a compiled loop lets a waiting one in', {
    code(a) {
      a.label('start');
      a.inc(eax);
      a.inc(eax);
      a.push(rdx);
      a.popfq();
      a.label('next');
      a.inc(ebx);
      a.inc(esi);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 20_000, rdx: 2 },
    run(guest) {
      guest.vcpu.setIntr(true);
      guest.call('start', { rcx: 5, rdx: 2 });
      expect(guest.registers('rbx')).toEqual([5]);
      guest.call('start', { rcx: 5, rdx: IF });
      expect([guest.exception, guest.stack(0), ...guest.registers('rbx')]).toEqual([VECTOR, guest.at('next'), 0]);
    },
  });

  onAllTiers('HLT in a hot loop waits; each interrupt is one turn', {
    code(a) {
      a.label('start');
      a.inc(ebx);
      a.mov(edx, esi);
      a.label('work');
      a.add(eax, edx);
      a.dec(edx);
      a.jnz('work');
      a.sti();
      a.hlt();
      a.cli();
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    prepare: guest => counts(guest, VECTOR),
    run(guest) {
      guest.start('start', { rcx: 5, rsi: HOT });
      for (let turn = 1; turn <= 5; turn++) {
        expect(guest.run()).toEqual({ kind: 'halt' });
        expect(guest.vcpu.run(1e9)).toEqual({ kind: 'halt' });
        expect(guest.registers('rbx')).toEqual([turn]);
        guest.vcpu.setIntr(true);
      }
      guest.expectCompiled();
      guest.toHalt();
      expect([guest.dword(COUNTER), ...guest.registers('rcx')]).toEqual([5, 0]);
    },
  });
});

describe('the trap flag over compiled code (SDM vol. 3 §17.3.1.4)', () => {
  for (const [name, loop] of LOOPS.slice(1))
    onAllTiers(`${name}: one trap for each instruction`, {
      code(a) {
        a.label('start');
        loop(a);
        a.label('end');
        a.pushfq();
        a.btr(dword(rsp), 8);
        a.popfq();
        a.hlt();
      },
      prepare(guest) {
        guest.place(AT.handlers + 16, a => {
          a.inc(qword(COUNTER));
          a.iretq();
        });
      },
      heat: { rsi: TURNS },
      run(guest) {
        const before = guest.vcpu.instructions;
        guest.call('start', { rsi: 20 });
        const plain = guest.vcpu.instructions - before;
        const registers = guest.registers('rbx', 'rcx', 'rdx');
        guest.call('start', { rsi: 20 }, TF);
        expect(guest.registers('rbx', 'rcx', 'rdx')).toEqual(registers);
        expect(guest.dword(COUNTER)).toBe(plain - 1);
      },
    });

  onAllTiers('POPF sets it in a compiled loop: the trap comes after the next instruction', {
    code(a) {
      a.label('start');
      a.inc(eax);
      a.inc(eax);
      a.push(rdx);
      a.popfq();
      a.inc(ebx);
      a.label('next');
      a.inc(esi);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 20_000, rdx: 2 },
    run(guest) {
      guest.call('start', { rcx: 5, rdx: TF });
      expect([guest.exception, guest.stack(0), ...guest.registers('rbx', 'rsi')]).toEqual([1, guest.at('next'), 1, 0]);
    },
  });
});

onAllTiers('instructions are counted alike, whatever the code', {
  code(a) {
    a.label('start');
    a.mov(rsi, rcx);
    a.label('turn');
    a.test(ecx, 3);
    a.jz('skip');
    a.push(rcx);
    a.add(rbx, qword(rsp));
    a.pop(rdx);
    a.label('skip');
    a.bsr(eax, ecx);
    a.call('function');
    a.loop('turn');
    a.hlt();
    a.label('function');
    a.inc(rsi);
    a.ret();
  },
  heat: { rcx: HOT },
  run(guest) {
    const before = guest.vcpu.instructions;
    guest.call('start', { rcx: 1000 });
    expect(guest.vcpu.instructions - before).toBe(2 + 7 * 1000 + 3 * 750);
  },
});
