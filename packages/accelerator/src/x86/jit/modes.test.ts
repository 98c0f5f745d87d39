import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  ax,
  cr0,
  ds,
  dword,
  eax,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  m,
  mm0,
  mm1,
  qword,
  r8,
  rax,
  rbx,
  rdi,
  rdx,
  rsi,
  rsp,
  word,
  xmm0,
  xmm1,
} from '@mainboard/guests/assembler';
import { SEGREG } from '../registers.ts';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers } from './tiers.fixture.ts';

/** A descriptor of the GDT behind those of the bench. @param flags AVL, L, D/B and G in bits 3:0 */
function descriptor(guest: Guest, selector: number, base: number, limit: number, access: number, flags: number): void {
  guest.view.setUint32(AT.gdt + selector, (limit & 0xffff) | ((base & 0xffff) << 16), true);
  guest.view.setUint32(
    AT.gdt + selector + 4,
    ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf_0000) | (flags << 20) | (base & 0xff00_0000),
    true,
  );
  guest.set({ gdtr: { base: BigInt(AT.gdt), limit: 0x7f } });
}

describe('compiled code changes the mode', () => {
  onAllTiers('CR0.PG, back and forth: the same linear address, other data', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.add(ebx, dword(edi));
      a.inc(esi);
      a.mov(eax, cr0);
      a.xor(eax, edx);
      a.mov(cr0, eax);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      const [directory, table] = [0x4_0000, 0x4_1000];
      guest.view.setUint32(directory, table | 3, true);
      for (let page = 0; page < 256; page++) guest.view.setUint32(table + 4 * page, (page << 12) | 3, true);
      guest.view.setUint32(table + 4 * (AT.data >> 12), 0x5_0003, true);
      guest.view.setUint32(AT.data, 1, true);
      guest.view.setUint32(0x5_0000, 1000, true);
      guest.set({ cr3: BigInt(directory) });
    },
    heat: { rcx: 20_000, rdi: AT.data },
    run(guest) {
      guest.call('start', { rcx: 10, rdi: AT.data, rdx: 0x8000_0000 });
      expect(guest.registers('rbx', 'rsi')).toEqual([5005, 10]);
    },
  });

  onAllTiers('DS with a base and a limit, and flat again', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.mov(eax, edx);
      a.mov(ds, ax);
      a.add(ebx, dword(edi));
      a.add(ebx, dword(edi));
      a.inc(esi);
      a.xor(edx, 0x18 ^ 0x10);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      descriptor(guest, 0x18, AT.data, 0xfff, 0x93, 4);
      guest.view.setUint32(0x100, 1, true);
      guest.view.setUint32(AT.data + 0x100, 1000, true);
    },
    heat: { rcx: 20_000, rdi: 0x100, rdx: 0x10 },
    run(guest) {
      guest.call('start', { rcx: 10, rdi: 0x100, rdx: 0x10 });
      expect(guest.registers('rbx')).toEqual([2 * 5005]);
      // Beyond the limit of the one, within the other's
      guest.call('start', { rcx: 10, rdi: 0x1000, rdx: 0x10 });
      expect([guest.exception, ...guest.registers('rcx')]).toEqual([13, 9]);
    },
  });

  onAllTiers('DF by POPF: string instructions go the other way', {
    code(a) {
      a.label('start');
      a.inc(eax);
      a.inc(eax);
      a.push(rdx);
      a.popfq();
      a.lodsb();
      a.stosd();
      a.lea(rbx, m(rbx, rsi));
      a.xor(rdx, r8);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 20_000, rdx: 2, rsi: AT.data, rdi: AT.data, r8: 0x400 },
    run(guest) {
      guest.call('start', { rcx: 11, rdx: 2, rsi: AT.data, rdi: AT.data + 0x100, r8: 0x400 });
      expect(guest.registers('rsi', 'rdi')).toEqual([AT.data + 1, AT.data + 0x104]);
      expect(guest.registers('rbx')).toEqual([11 * AT.data + 6]);
    },
  });

  onAllTiers('AC and ID of EFLAGS', {
    code(a) {
      a.label('start');
      a.inc(edi);
      a.inc(edi);
      a.pushfq();
      a.xor(qword(rsp), 0x24_0000);
      a.mov(rax, qword(rsp));
      a.popfq();
      a.and(eax, 0x24_0000);
      a.add(rbx, rax);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: 20_000 },
    run(guest) {
      guest.call('start', { rcx: 11 });
      expect([...guest.registers('rbx'), guest.vcpu.cpu.r.flags & 0x24_0000]).toEqual([6 * 0x24_0000, 0x24_0000]);
    },
  });
});

describe('the same bytes in another mode', () => {
  const TURNS = 60_000;
  onAllTiers('16-, 32- and 64-bit code', {
    code(a) {
      a.label('start');
      a.db(0x40, 0x48, 0xff, 0xc3, 0xe2, 0xfa, 0xf4); // (INC AX; DEC AX;) INC BX; LOOP; HLT
    },
    run(guest) {
      const { cpu } = guest.vcpu;
      const modes = [
        [0xa09b, 0n, 2],
        [0xc09b, 0n, 4],
        [0x009b, BigInt(AT.code), 4],
      ] as const;
      for (let round = 0; round < 3; round++)
        for (const [rights, base, perTurn] of modes) {
          cpu.r.setSegment(SEGREG.cs, 8, base, rights === 0x9b ? 0xffff : 0xffff_ffff, rights);
          cpu.forgetJumps();
          cpu.updateMode();
          const before = guest.vcpu.instructions;
          guest.call(AT.code - Number(base), { rcx: TURNS });
          expect(guest.registers('rbx', 'rcx')).toEqual([TURNS, 0]);
          expect(guest.vcpu.instructions - before).toBe(TURNS * perTurn + 1);
        }
      guest.expectCompiled();
    },
  });

  onAllTiers('stacks of 16 and 32 bits', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.push(edx);
      a.add(ebx, edx);
      a.pop(eax);
      a.dec(ecx);
      a.jnz('start');
      a.hlt();
    },
    heat: { rcx: HOT },
    run(guest) {
      const { cpu } = guest.vcpu;
      for (const [rights, top] of [
        [0x8093, 0xfffc],
        [0xc093, 0x1_fffc],
        [0x8093, 0xfffc],
      ] as const) {
        cpu.r.setSegment(SEGREG.ss, 0x10, 0n, 0xffff_ffff, rights);
        cpu.updateMode();
        for (const at of [0xfffc, 0x1_fffc]) guest.view.setUint32(at, 0, true);
        // A stack of 16 bits wraps at 64 KiB and leaves the rest of ESP alone
        guest.call('start', { rcx: 3, rdx: 0x1234, rsp: 0x2_0000 });
        expect([guest.dword(0xfffc), guest.dword(0x1_fffc)]).toEqual(top === 0xfffc ? [0x1234, 0] : [0, 0x1234]);
        expect(guest.registers('rsp', 'rax')).toEqual([0x2_0000, 0x1234]);
      }
    },
  });

  onAllTiers('A20: the page at 1 MiB is that at 0 when the line is low', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.jmp(AT.rom);
    },
    prepare(guest) {
      const loop = (register: typeof ebx): void => {
        const at = register === ebx ? AT.rom : AT.rom - 0x10_0000;
        guest.place(
          at,
          a => {
            a.label('turn');
            a.inc(register);
            a.dec(ecx);
            a.jnz('turn');
            a.hlt();
          },
          32,
        );
      };
      loop(ebx);
      loop(esi);
    },
    run(guest) {
      for (let round = 0; round < 3; round++) {
        guest.vcpu.setA20(true);
        guest.call('start', { rcx: HOT });
        expect(guest.registers('rbx', 'rsi')).toEqual([HOT, 0]);
        guest.vcpu.setA20(false);
        guest.call('start', { rcx: HOT });
        expect(guest.registers('rbx', 'rsi')).toEqual([0, HOT]);
      }
      guest.vcpu.setA20(true);
      guest.expectCompiled();
    },
  });
});

/** As the bench sets it. */
const CR0 = 0x8001_0031n;

describe('compiled SSE, MMX and x87 code under CR0.TS and CR0.EM (SDM vol. 3 tables 9-3, 13-1)', () => {
  const CODES: readonly [name: string, code: (a: Assembler) => void, withTs: number, withEm: number][] = [
    ['ADDPS', a => a.addps(xmm0, xmm1), 7, 6],
    ['PADDD on MMX registers', a => a.paddd(mm0, mm1), 7, 6],
    ['FNSTCW', a => a.fnstcw(word(rdi)), 7, 7],
  ];
  for (const [name, code, withTs, withEm] of CODES)
    onAllTiers(name, {
      code(a) {
        a.label('start');
        a.mov(cr0, rax);
        a.label('turn');
        a.inc(ebx);
        a.inc(edx);
        a.add(esi, ebx);
        a.label('unit');
        code(a);
        a.inc(edx);
        a.dec(ecx);
        a.jnz('turn');
        a.hlt();
      },
      heat: { rcx: 50_000, rax: CR0, rdi: AT.data },
      run(guest) {
        for (const [bit, vector] of [
          [8, withTs],
          [4, withEm],
        ] as const)
          for (let i = 0; i < 2; i++) {
            guest.call('start', { rcx: 10, rax: CR0 | BigInt(bit), rdi: AT.data });
            expect([guest.exception, guest.stack(0), ...guest.registers('rbx', 'rdx', 'rcx')]).toEqual([
              vector,
              guest.at('unit'),
              1,
              1,
              10,
            ]);
            guest.call('start', { rcx: 10, rax: CR0, rdi: AT.data });
            expect([guest.exception, ...guest.registers('rbx', 'rdx')]).toEqual([undefined, 10, 20]);
          }
      },
    });
});
