import { describe, expect } from '@jest/globals';
import { ax, bx, cx, dx, ebx, ecx, edi, edx, si } from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers } from './tiers.fixture.ts';

/** CS with another base; the code of the page stays where it is. */
function codeSegment(guest: Guest, base: number, limit = 0xffff): void {
  const { cpu } = guest.vcpu;
  cpu.r.setSegment(1, base >> 4, BigInt(base), limit, 0x9b);
  cpu.forgetJumps();
  cpu.updateMode();
}
const TURNS = 60_000;

describe('16-bit code whose IP wraps within a page (SDM vol. 1 §3.3.4)', () => {
  onAllTiers('from FFFF to 0', {
    mode: 'real',
    // CS 0001: linear 10010 − 8 is IP FFF8, linear 10010 would be IP 10000
    code(a) {
      a.label('start');
      a.nop();
    },
    prepare(guest) {
      guest.put(0x1_0008, '40 43 49 75fb f4'); // INC AX; INC BX; DEC CX; JNZ; HLT
      guest.put(0x10, '46 f4'); // INC SI; HLT, at IP 0
      guest.put(0x1_0000, 'f4');
    },
    run(guest) {
      codeSegment(guest, 0x10);
      guest.call(0xfff8, { rcx: TURNS });
      guest.call(0xfff8, { rcx: TURNS });
      expect([...guest.registers('rbx', 'rcx'), guest.rip]).toEqual([TURNS, 0, 0xfffe]);
      // A jump from FFF8 on over the end: IP 4 is linear 14, not 10014
      guest.put(0x14, '46 f4');
      guest.deviceWrites(0x1_0008, 'eb0a');
      guest.call(0xfff8);
      expect([...guest.registers('rsi'), guest.rip]).toEqual([1, 6]);
    },
  });

  onAllTiers('from 0 back to FFF8, in a segment that begins in the middle of a page', {
    mode: 'real',
    code(a) {
      a.label('start');
      a.nop();
    },
    prepare(guest) {
      // CS base 20010: IP 0 is linear 20010; IP FFF8 is linear 30008, and 20008 is not in the segment
      guest.put(0x2_0010, '40 43 49 75fb ebf1'); // INC AX; INC BX; DEC CX; JNZ; JMP IP −8
      guest.put(0x2_0008, '4e f4'); // DEC SI: nobody's
      guest.put(0x3_0008, '46 f4'); // INC SI; HLT
    },
    run(guest) {
      codeSegment(guest, 0x2_0010);
      guest.call(0, { rcx: TURNS });
      guest.call(0, { rcx: TURNS });
      expect([...guest.registers('rbx', 'rsi'), guest.rip]).toEqual([TURNS, 1, 0xfffa]);
    },
  });

  onAllTiers('a fault in a segment that begins in the middle of the page has the right IP', {
    mode: 'real',
    code(a) {
      a.label('start');
      a.inc(si);
      a.xor(dx, dx);
      a.div(bx);
      a.dec(cx);
      a.jnz('start');
      a.hlt();
    },
    prepare(guest) {
      guest.put(0x600, 'f4');
      guest.view.setUint16(0, 0x600, true);
    },
    heat: { rcx: TURNS, rbx: 1 },
    run(guest) {
      codeSegment(guest, 0x7bf0);
      guest.call(0x10, { rcx: TURNS, rbx: 1 });
      guest.call(0x10, { rcx: 3 });
      expect([guest.rip, guest.view.getUint16(guest.registers('rsp')[0]!, true)]).toEqual([0x601, 0x13]);
    },
  });
});

describe('the limit of CS (SDM vol. 3 §5.3)', () => {
  for (const [name, limit] of [
    ['ends before the page does', 0x7c0f],
    ['ends in the middle of an instruction', 0x7c06],
  ] as const)
    onAllTiers(`${name}: #GP where it is met`, {
      mode: 'real',
      code(a) {
        a.label('start');
        a.inc(ax);
        a.inc(bx);
        a.dec(cx);
        a.jnz('start');
        a.mov(si, 0x1234);
        a.org(0x7c10, 0x90);
        a.hlt();
      },
      prepare(guest) {
        guest.put(0x600, 'f4');
        guest.view.setUint16(13 * 4, 0x600, true);
      },
      heat: { rcx: TURNS },
      run(guest) {
        codeSegment(guest, 0, limit);
        guest.call('start', { rcx: 3 });
        const sp = guest.registers('rsp')[0]!;
        const fault = limit === 0x7c0f ? 0x7c10 : guest.at('start', 5);
        expect([guest.rip, guest.view.getUint16(sp, true)]).toEqual([0x601, fault]);
        codeSegment(guest, 0);
        guest.call('start', { rcx: 3 });
        expect(guest.registers('rbx', 'rsi')).toEqual([3, 0x1234]);
      },
    });

  onAllTiers('a branch to an offset below 0, within the page: #GP', {
    mode: 'protected',
    code(a) {
      a.inc(edi); // offset −1: not in the segment
      a.label('start');
      a.inc(ebx);
      a.dec(ecx);
      a.jnz('start');
      a.test(edx, edx);
      a.jnz(AT.code);
      a.hlt();
    },
    prepare(guest) {
      const { segments } = guest.vcpu.save();
      const base = BigInt(guest.at('start'));
      guest.set({ segments: { ...segments, cs: { ...segments.cs, base, limit: 0xffff } } });
    },
    run(guest) {
      guest.call(0, { rcx: HOT });
      guest.call(0, { rcx: HOT, rdx: 1 });
      expect([guest.exception, ...guest.registers('rdi', 'rbx'), guest.stack(1, 4)]).toEqual([13, 0, HOT, 0xffff_ffff]);
    },
  });
});
