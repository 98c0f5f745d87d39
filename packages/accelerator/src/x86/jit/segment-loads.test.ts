import { describe, expect } from '@jest/globals';
import { cs, ds, dword, eax, ebp, ebx, ecx, edi, edx, es, esi, esp, fs, gs, m, ss } from '@mainboard/guests/assembler';
import { RIGHTS } from '../registers.ts';
import { FLAG } from '../state.ts';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers, TSS } from './tiers.fixture.ts';

const AREA = AT.data + 0x200;
const USER_STACK = AT.data + 0x800;

/** Selectors of {@link describeSegments}, for level 0 but the last two. */
const SELECTOR = {
  code: 0x08,
  data: 0x10,
  area: 0x18,
  readOnly: 0x20,
  absent: 0x28,
  fresh: 0x30,
  expandDown: 0x38,
  userCode: 0x43,
  userData: 0x4b,
} as const;

function describeSegments(guest: Guest): void {
  const { segments } = guest.vcpu.save();
  const area = BigInt(AREA) << 16n;
  const descriptors = [
    0x0040_9300_0000_00ffn | area,
    0x0040_9100_0000_00ffn | area,
    0x0040_1300_0000_00ffn | area,
    0x0040_9200_0000_00ffn | area,
    0x0040_9700_0000_00ffn | area,
    0x00cf_fb00_0000_ffffn,
    0x00cf_f300_0000_ffffn,
  ];
  for (const [n, descriptor] of descriptors.entries())
    guest.view.setBigUint64(AT.gdt + SELECTOR.area + 8 * n, descriptor, true);
  guest.view.setUint32(TSS + 4, AT.stack, true);
  guest.view.setUint32(TSS + 8, SELECTOR.data, true);
  guest.view.setUint32(AREA + 4, 1000, true);
  guest.set({
    gdtr: { base: BigInt(AT.gdt), limit: SELECTOR.userData | 7 },
    segments: { ...segments, tr: { selector: 0x50, base: BigInt(TSS), limit: 0x67, rights: 0x8b } },
  });
}

const NULL = { base: 0n, limit: 0, rights: RIGHTS.unusable };
const FLAT = { base: 0n, limit: 0xffff_ffff, rights: 0xc093 };

describe('loads of data segments (SDM vol. 2 MOV, POP, PUSH)', () => {
  onAllTiers('by MOV and POP, in a loop that uses them', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.mov(eax, SELECTOR.data);
      a.mov(ds, eax);
      a.mov(es, eax);
      a.mov(eax, SELECTOR.area);
      a.mov(fs, eax);
      a.add(ebx, dword(fs, 4));
      a.push(fs);
      a.mov(dword(AT.data), SELECTOR.data);
      a.mov(fs, m(AT.data));
      a.add(ebx, dword(fs, AT.data));
      a.pop(gs);
      a.add(ebx, dword(gs, 4));
      a.xor(eax, eax);
      a.mov(fs, eax);
      a.mov(ecx, fs);
      a.dec(ebp);
      a.jnz('start');
      a.mov(edx, gs);
      a.hlt();
    },
    prepare: describeSegments,
    heat: { rbp: HOT },
    run(guest) {
      guest.call('start', { rbp: 10 });
      expect(guest.registers('rbx', 'rcx', 'rdx', 'rsp')).toEqual([
        10 * (2000 + SELECTOR.data),
        0,
        SELECTOR.area,
        AT.stack,
      ]);
      const { ds, es, fs, gs } = guest.vcpu.save().segments;
      expect([ds, es]).toEqual([
        { selector: SELECTOR.data, ...FLAT },
        { selector: SELECTOR.data, ...FLAT },
      ]);
      expect(fs).toEqual({ selector: 0, ...NULL });
      expect(gs).toEqual({ selector: SELECTOR.area, base: BigInt(AREA), limit: 0xff, rights: 0x4093 });
    },
  });

  onAllTiers('what cannot be loaded faults and leaves the register and the stack alone', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.push(eax);
      a.label('load');
      a.pop(fs);
      a.label('use');
      a.add(ebx, dword(fs, ecx, 4));
      a.dec(ebp);
      a.jnz('start');
      a.hlt();
    },
    prepare: describeSegments,
    heat: { rbp: HOT, rax: SELECTOR.area },
    run(guest) {
      const { area, readOnly, absent, fresh, expandDown, code, data, userData } = SELECTOR;
      const load = (selector: number, offset = 0): unknown[] => {
        guest.call('start', { rbp: 1, rax: area });
        guest.call('start', { rbp: 1, rax: selector, rcx: offset });
        const { selector: found, base, limit, rights } = guest.vcpu.save().segments.fs;
        const { exception } = guest;
        const where = exception === undefined ? [] : [exception, guest.stack(0, 4), guest.stack(1, 4)];
        return [found, Number(base), limit, rights, ...where];
      };
      const [at, use] = [guest.at('load'), guest.at('use')];
      const kept = [area, AREA, 0xff, 0x4093];
      expect(load(area)).toEqual(kept);
      expect(load(area | 0x1_0000)).toEqual(kept);
      // beyond the limit, and by a null selector
      expect(load(area, 0xf9)).toEqual([...kept, 13, 0, use]);
      expect(load(3)).toEqual([3, 0, 0, RIGHTS.unusable, 13, 0, use]);
      expect(load(data)).toEqual([data, 0, 0xffff_ffff, 0xc093]);
      expect(load(code)).toEqual([code, 0, 0xffff_ffff, 0xc09b]);
      expect(load(readOnly)).toEqual([readOnly, AREA, 0xff, 0x4091]);
      expect(load(userData)).toEqual([userData, 0, 0xffff_ffff, 0xc0f3]);
      expect(load(expandDown, 0xfb)).toEqual([expandDown, AREA, 0xff, 0x4097, 13, 0, use]);
      expect(load(expandDown, 0xfc)).toEqual([expandDown, AREA, 0xff, 0x4097]);
      // The first load of a segment sets the accessed bit
      expect(load(fresh)).toEqual([fresh, AREA, 0xff, 0x4093]);
      expect(guest.view.getUint8(AT.gdt + fresh + 5)).toBe(0x93);
      // RPL above DPL, not present, the LDT, beyond the table
      expect(load(area | 3)).toEqual([...kept, 13, area, at]);
      expect(load(absent)).toEqual([...kept, 11, absent, at]);
      expect(load(area | 4)).toEqual([...kept, 13, area | 4, at]);
      expect(load(0x50)).toEqual([...kept, 13, 0x50, at]);
      expect(guest.dword(AT.stack - 4)).not.toBe(0); // the frame lies below what was pushed
    },
  });

  onAllTiers('DS that is no longer flat, or none, in code that was compiled for a flat one', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.mov(ds, eax);
      a.add(ebx, dword(4));
      a.mov(ds, ecx);
      a.add(ebx, dword(AREA, 4));
      a.dec(ebp);
      a.jnz('start');
      a.hlt();
    },
    prepare: describeSegments,
    heat: { rbp: HOT, rax: SELECTOR.data, rcx: SELECTOR.userData },
    run(guest) {
      guest.view.setUint32(4, 1, true);
      const use = (rax: number): unknown[] => {
        guest.call('start', { rbp: 3, rax, rcx: SELECTOR.data });
        return [guest.exception, guest.register('rbx')];
      };
      expect(use(SELECTOR.data)).toEqual([undefined, 3003n]);
      expect(use(SELECTOR.area)).toEqual([undefined, 6000n]);
      expect(use(0)).toEqual([13, 0n]);
      expect(use(SELECTOR.data)).toEqual([undefined, 3003n]);
    },
  });

  onAllTiers('in 64-bit mode, where any data segment will do for DS', {
    code(a) {
      a.label('start');
      a.mov(ds, eax);
      a.mov(es, ecx);
      a.mov(fs, edx);
      a.add(ebx, dword(fs, 4));
      a.push(fs);
      a.pop(gs);
      a.dec(ebp);
      a.jnz('start');
      a.hlt();
    },
    prepare: describeSegments,
    heat: { rbp: HOT, rax: SELECTOR.data, rdx: SELECTOR.area },
    run(guest) {
      guest.call('start', { rbp: 2, rax: SELECTOR.area, rcx: 0, rdx: SELECTOR.area });
      expect(guest.registers('rbx', 'rsp')).toEqual([2000, AT.stack]);
      const { ds, es, fs, gs } = guest.vcpu.save().segments;
      const area = { selector: SELECTOR.area, base: BigInt(AREA), limit: 0xff, rights: 0x4093 };
      expect([ds, es, fs, gs]).toEqual([area, { selector: 0, ...NULL }, area, area]);
    },
  });
});

describe('IRETD of flat code (SDM vol. 2)', () => {
  onAllTiers('to the same level: only EIP, CS and EFLAGS leave the stack', {
    mode: 'protected',
    code(a) {
      a.label('start');
      a.push(edi);
      a.push(esi);
      a.lea(eax, m('back'));
      a.push(eax);
      a.iretd();
      a.label('back');
      a.add(ebx, esp);
      a.dec(ebp);
      a.jnz('start');
      a.pushfd();
      a.hlt();
    },
    prepare: describeSegments,
    heat: { rbp: HOT, rsi: SELECTOR.code },
    run(guest) {
      guest.call('start', { rbp: 10, rsi: SELECTOR.code | 0xabcd_0000, rdi: FLAG.df });
      expect(guest.registers('rbx', 'rsp')).toEqual([10 * AT.stack, AT.stack - 4]);
      expect(guest.stack(0, 4)).toBe(FLAG.df | 0x46);
      guest.call('start', { rbp: 10, rsi: SELECTOR.data });
      expect([guest.exception, guest.stack(0, 4)]).toEqual([13, SELECTOR.data]);
      guest.call('start', { rbp: 10, rsi: SELECTOR.code, rdi: FLAG.tf });
      // The trap comes after the first instruction that follows
      expect([guest.exception, guest.stack(0, 4)]).toEqual([1, guest.at('back', 2)]);
    },
  });

  const THERE = [
    { name: 'data segments of level 3 stay', selector: SELECTOR.userData, left: { selector: SELECTOR.userData } },
    { name: 'those of level 0 are taken away', selector: SELECTOR.data, left: { selector: 0, ...NULL } },
  ] as const;
  for (const { name, selector, left } of THERE)
    onAllTiers(`to level 3 and back by an interrupt: ${name}`, {
      mode: 'protected',
      code(a) {
        a.label('start');
        a.mov(gs, edi);
        a.push(SELECTOR.userData);
        a.push(USER_STACK);
        a.push(FLAG.if);
        a.push(SELECTOR.userCode);
        a.lea(eax, m('user'));
        a.push(eax);
        a.iretd();
        a.label('user');
        a.mov(ecx, cs);
        a.mov(edx, ss);
        a.push(eax);
        a.inc(ebx);
        a.int(0x30);
        a.label('handler');
        a.mov(esp, AT.stack);
        a.dec(ebp);
        a.jnz('start');
        a.hlt();
      },
      prepare(guest) {
        describeSegments(guest);
        const { segments } = guest.vcpu.save();
        const user = { selector: SELECTOR.userData, ...FLAT, rights: 0xc0f3 };
        guest.set({ segments: { ...segments, ds: user, es: user, fs: user } });
        guest.view.setUint32(AT.idt + 8 * 0x30, (SELECTOR.code << 16) | (guest.at('handler') & 0xffff), true);
        guest.view.setUint32(AT.idt + 8 * 0x30 + 4, (guest.at('handler') & 0xffff_0000) | 0xee00, true);
      },
      heat: { rbp: 6000, rdi: selector },
      run(guest) {
        guest.call('start', { rbp: 10, rdi: selector });
        expect(guest.registers('rbx', 'rcx', 'rdx')).toEqual([10, SELECTOR.userCode, SELECTOR.userData]);
        expect(guest.dword(AT.stack - 8)).toBe(USER_STACK - 4);
        expect(guest.dword(AT.stack - 12) & FLAG.if).toBe(FLAG.if);
        expect(guest.vcpu.save().segments.gs).toMatchObject(left);
      },
    });

  onAllTiers('to virtual-8086 mode', {
    mode: 'protected',
    code(a) {
      a.label('start');
      for (let n = 0; n < 4; n++) a.push(0);
      a.push(0x100);
      a.push(0x8000);
      a.push(edi);
      a.push(esi);
      a.push(ecx);
      a.iretd();
      a.label('back');
      a.mov(esp, AT.stack);
      a.dec(ebp);
      a.jnz('start');
      a.hlt();
    },
    prepare: describeSegments,
    heat: guest => ({ rbp: HOT, rsi: SELECTOR.code, rcx: guest.at('back') }),
    run(guest) {
      guest.put(0x5000, 'f4');
      guest.call('start', { rbp: 1, rsi: 0x500, rdi: FLAG.vm | FLAG.iopl });
      // HLT is not for level 3: #GP(0), with the segments of virtual-8086 mode on the stack
      expect([guest.exception, guest.stack(0, 4), guest.stack(2, 4), guest.stack(5, 4)]).toEqual([13, 0, 0x500, 0x100]);
      expect(guest.stack(3, 4) & FLAG.vm).toBe(FLAG.vm);
    },
  });
});
