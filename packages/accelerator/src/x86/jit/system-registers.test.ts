import { describe, expect } from '@jest/globals';
import {
  cr0,
  cr2,
  cr3,
  cr4,
  dword,
  eax,
  ebp,
  ebx,
  ecx,
  edx,
  esi,
  fs,
  gs,
  r8,
  r8d,
  r9,
  r9d,
  r10,
  r11,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
} from '@mainboard/guests/assembler';
import { CR4 } from '../registers.ts';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers } from './tiers.fixture.ts';

const LINEAR = 0xffff_8000_1234_5678n;
const CANONICAL = 0xffff_8000_0000_1000n;

/** Goes on at level 3. */
function toUser(guest: Guest): void {
  const { segments } = guest.vcpu.save();
  for (let page = 0; page < 512; page++) guest.map(page * 4096, page * 4096, 7n);
  guest.set({
    segments: {
      ...segments,
      cs: { ...segments.cs, selector: 0x1b, rights: 0xa0fb },
      ss: { ...segments.ss, selector: 0x23, rights: 0xc0f3 },
    },
  });
}

describe('MOV from control registers (SDM vol. 2)', () => {
  onAllTiers('64 bits of each; #GP(0) at level 3', {
    code(a) {
      a.label('start');
      a.mov(rax, cr0);
      a.mov(rbx, cr2);
      a.mov(rcx, cr3);
      a.mov(rdx, cr4);
      a.add(rsi, rbx);
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
    },
    prepare: guest => guest.set({ cr2: LINEAR }),
    heat: { rbp: HOT },
    run(guest) {
      guest.call('start', { rbp: 3 });
      const { cr0, cr3, cr4 } = guest.vcpu.save();
      const found = (['rax', 'rbx', 'rcx', 'rdx', 'rsi'] as const).map(name => guest.register(name));
      expect(found).toEqual([cr0, LINEAR, cr3, cr4, BigInt.asUintN(64, 3n * LINEAR)]);
      toUser(guest);
      guest.call('start', { rbp: 3 });
      expect([guest.exception, guest.stack(0), guest.stack(1), guest.register('rax')]).toEqual([
        13,
        0,
        guest.at('start'),
        0n,
      ]);
    },
  });

  onAllTiers('32 bits in protected mode', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.mov(eax, cr0);
      a.mov(ebx, cr2);
      a.mov(ecx, cr3);
      a.mov(edx, cr4);
      a.add(esi, ebx);
      a.dec(ebp);
      a.jnz('start');
      a.hlt();
    },
    prepare: guest => guest.set({ cr2: 0x1234_5678n, cr3: 0x5000n }),
    heat: { rbp: HOT },
    run(guest) {
      guest.call('start', { rbp: 3, rdi: 7 });
      const { cr0, cr4 } = guest.vcpu.save();
      expect(guest.registers('rax', 'rbx', 'rcx', 'rdx', 'rsi')).toEqual([
        Number(cr0),
        0x1234_5678,
        0x5000,
        Number(cr4),
        3 * 0x1234_5678,
      ]);
    },
  });
});

describe('RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE (SDM vol. 2)', () => {
  onAllTiers('there and back, with accesses by either segment', {
    code(a) {
      a.label('start');
      a.wrfsbase(rdi);
      a.label('gs');
      a.wrgsbase(rsi);
      a.add(ebx, dword(fs, rdx));
      a.add(ecx, dword(gs, rdx));
      a.rdfsbase(r8);
      a.rdgsbase(r9);
      a.rdfsbase(eax);
      a.wrfsbase(r8d);
      a.rdfsbase(r10);
      a.wrgsbase(r9d);
      a.rdgsbase(r11);
      a.dec(rbp);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      guest.set({ cr4: guest.vcpu.save().cr4 | BigInt(CR4.fsgsbase) });
      guest.view.setUint32(AT.data, 3, true);
      guest.view.setUint32(AT.data + 0x100, 5, true);
    },
    heat: { rbp: HOT, rdi: AT.data, rsi: AT.data + 0x100 },
    run(guest) {
      guest.call('start', { rbp: 2, rdi: AT.data, rsi: AT.data + 0x100 });
      expect(guest.registers('rbx', 'rcx', 'r8', 'r9')).toEqual([6, 10, AT.data, AT.data + 0x100]);
      // A 32-bit form reads and writes the low half; the rest becomes 0.
      const down = -CANONICAL;
      guest.call('start', { rbp: 1, rdi: CANONICAL, rsi: CANONICAL + 8n, rdx: down + BigInt(AT.data) });
      expect((['r8', 'r9', 'rax', 'r10', 'r11'] as const).map(name => guest.register(name))).toEqual([
        CANONICAL,
        CANONICAL + 8n,
        0x1000n,
        0x1000n,
        0x1008n,
      ]);
      const { fs, gs } = guest.vcpu.save().segments;
      expect([fs.base, gs.base]).toEqual([0x1000n, 0x1008n]);
      // An address that is not canonical: #GP(0)
      guest.call('start', { rbp: 1, rdi: AT.data, rsi: 1n << 47n });
      expect([guest.exception, guest.stack(0), guest.stack(1)]).toEqual([13, 0, guest.at('gs')]);
      expect(guest.vcpu.save().segments.gs.base).toBe(0x1008n);
      // At level 3 as well, but nowhere without CR4.FSGSBASE
      toUser(guest);
      guest.call('start', { rbp: 2, rdi: AT.data, rsi: AT.data });
      expect([guest.exception, ...guest.registers('rbx', 'rcx')]).toEqual([13, 6, 6]);
      guest.set({ cr4: guest.vcpu.save().cr4 & ~BigInt(CR4.fsgsbase) });
      guest.call('start', { rbp: 2 });
      expect([guest.exception, guest.stack(0)]).toEqual([6, guest.at('start')]);
    },
  });
});
