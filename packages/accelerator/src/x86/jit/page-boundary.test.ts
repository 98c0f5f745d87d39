import { describe, expect } from '@jest/globals';
import {
  type Assembler,
  dword,
  eax,
  ebx,
  ecx,
  esi,
  oword,
  qword,
  r8,
  r8d,
  r8w,
  r9,
  rcx,
  rsp,
  tword,
  xmm0,
} from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOLE, HOT, onAllTiers, TSS } from './tiers.fixture.ts';

const NEXT = AT.code + 0x1000;
const OTHER = 0x5_0000;
/** Pushed by a page fault: error code, RIP. */
const pushed = (guest: Guest): number[] => [guest.stack(0), guest.stack(1)];
const NX = 1n << 63n;

/** A loop around the end of the code's page; `edge` lies at it. Adds R8 to EAX every turn. */
const around =
  (distance: number, edge: (a: Assembler) => void) =>
  (a: Assembler): void => {
    a.label('start');
    a.mov(ebx, 1);
    a.jmp('turn');
    a.org(NEXT - 16, 0x90);
    a.label('turn');
    a.add(eax, r8d);
    a.inc(esi);
    a.org(NEXT - distance, 0x90);
    a.label('edge');
    edge(a);
    a.db(new Uint8Array(48).fill(0x90)); // samples fall behind the longest stretch: at `turn`
    a.dec(ecx);
    a.jnz('turn');
    a.hlt();
  };

const EDGES: readonly [name: string, distance: number, edge: (a: Assembler) => void, fault: number][] = [
  ['an instruction on both pages', 3, a => a.mov(ebx, 0x1122_3344), NEXT - 3],
  ['an instruction with its last byte on the next page', 4, a => a.add(ebx, 0x1122_3344), NEXT - 4],
  ['a conditional branch on both pages', 1, a => a.jz('turn'), NEXT - 1],
  [
    'code that goes on in the next page',
    2,
    a => {
      a.inc(ebx);
      a.inc(esi);
    },
    NEXT,
  ],
  [
    'a jump to the next page',
    5,
    a => {
      a.jmp('beyond');
      a.org(NEXT + 0x20, 0x90);
      a.label('beyond');
      a.inc(ebx);
    },
    NEXT + 0x20,
  ],
  [
    'a call of the next page',
    5,
    a => {
      a.call('beyond');
      a.org(NEXT + 0x20, 0x90);
      a.label('beyond');
      a.pop(r8);
      a.and(r8, 0);
    },
    NEXT + 0x20,
  ],
];

describe('the second page (SDM vol. 3 §4.7)', () => {
  for (const [name, distance, edge, fault] of EDGES) {
    const code = around(distance, edge);
    const second = Math.max(NEXT, fault);
    const prepare = (guest: Guest): void => guest.returnsFrom(14);

    onAllTiers(`${name}: it is not present, then it is`, {
      code,
      prepare,
      heat: { rcx: HOT },
      run(guest) {
        for (let i = 0; i < 3; i++) {
          guest.hide(NEXT);
          guest.call('start', { rcx: 10, r8: 5 });
          expect([guest.exception, guest.cr2, ...pushed(guest)]).toEqual([14, second, 0x10, fault]);
          guest.remap(NEXT, NEXT);
          guest.goOn();
          expect([guest.exception, ...guest.registers('rcx')]).toEqual([undefined, 0]);
        }
      },
    });

    onAllTiers(`${name}: it vanishes in the middle of the loop`, {
      ownWay: true,
      code,
      prepare,
      heat: { rcx: HOT },
      run(guest) {
        guest.start('start', { rcx: 2 * HOT, r8: 1 });
        guest.vcpu.run(0);
        // Where the slice ends is up to the tier: before the edge, or behind it.
        const rip = Number(guest.vcpu.save().rip);
        guest.hide(NEXT);
        guest.toHalt();
        const [cr2, at] = rip >= NEXT ? [rip, rip] : [second, fault];
        expect([guest.exception, guest.cr2, ...pushed(guest)]).toEqual([14, cr2, 0x10, at]);
        guest.remap(NEXT, NEXT);
        guest.goOn();
        expect(guest.registers('rcx')).toEqual([0]);
      },
    });

    onAllTiers(`${name}: no code may be fetched from it`, {
      code,
      prepare,
      heat: { rcx: HOT },
      run(guest) {
        guest.remap(NEXT, NEXT, 3n | NX);
        guest.call('start', { rcx: 10 });
        expect([guest.exception, guest.cr2, ...pushed(guest)]).toEqual([14, second, 0x11, fault]);
        guest.remap(NEXT, NEXT);
        guest.goOn();
        expect(guest.registers('rcx')).toEqual([0]);
      },
    });

    onAllTiers(`${name}: it is the supervisor's, and the code a user's`, {
      code(a) {
        code(a);
        a.label('leave');
        a.ud2();
      },
      prepare(guest) {
        for (const page of [AT.code, NEXT, AT.stack - 0x1000]) guest.map(page, page, 7n);
        // A user cannot halt
        guest.put(guest.at('leave', -1), '90');
        const { segments } = guest.vcpu.save();
        guest.set({
          segments: {
            ...segments,
            cs: { ...segments.cs, selector: 0x1b, rights: 0xa0fb },
            ss: { ...segments.ss, selector: 0x23, rights: 0xc0f3 },
          },
        });
        expect(guest.view.getBigUint64(TSS + 4, true)).toBe(BigInt(AT.stack));
      },
      run(guest) {
        guest.heat({ rcx: HOT });
        expect(guest.exception).toBe(6);
        guest.expectCompiled();
        guest.remap(NEXT, NEXT);
        user(guest);
        guest.call('start', { rcx: 10 });
        expect([guest.exception, guest.cr2, ...pushed(guest)]).toEqual([14, second, 0x15, fault]);
      },
    });
  }

  /** Back to level 3 without forgetting code, as IRET would. */
  function user({ vcpu: { cpu } }: Guest): void {
    cpu.r.setSegment(1, 0x1b, 0n, 0xffff_ffff, 0xa0fb);
    cpu.r.setSegment(2, 0x23, 0n, 0xffff_ffff, 0xc0f3);
    cpu.cpl = 3;
    cpu.updateMode();
  }

  onAllTiers('another one behind the same first page', {
    code: around(3, a => a.mov(ebx, 0x1122_3344)),
    prepare(guest) {
      for (let i = 0; i < 0x1000; i++) guest.view.setUint8(OTHER + i, guest.view.getUint8(NEXT + i));
      guest.put(OTHER, '5566'); // MOV EBX, 66553344
    },
    heat: { rcx: HOT },
    run(guest) {
      for (const [page, value] of [
        [OTHER, 0x6655_3344],
        [NEXT, 0x1122_3344],
        [OTHER, 0x6655_3344],
      ] as const) {
        guest.remap(NEXT, page);
        guest.call('start', { rcx: 10 });
        expect(guest.registers('rbx')).toEqual([value]);
      }
    },
  });

  onAllTiers('a store to it changes an instruction that began before', {
    code: around(3, a => {
      a.mov(ebx, 0x1122_3344);
      a.inc(dword(r8));
    }),
    heat: { rcx: HOT, r8: AT.data },
    run(guest) {
      guest.call('start', { rcx: 10, r8: NEXT });
      expect(guest.registers('rbx')).toEqual([0x1122_3344 + 0x9_0000]);
    },
  });
});

describe('a stack that lies over two pages', () => {
  const TOP = HOLE + 0x1000;
  const PATTERN = 0x1122_3344_5566_7788n;
  /** Where the lower page is moved to, so that it does not precede the upper one. */
  const MOVED = 0x5_0000;

  const ACCESSES: readonly [name: string, bytes: number, access: (a: Assembler) => void][] = [
    ['PUSH', 8, a => a.push(r8)],
    ['PUSH of 16 bits', 2, a => a.push(r8w)],
    ['a store', 4, a => a.mov(dword(rsp, -4), r8d)],
    ['a store of a vector', 16, a => a.movups(oword(rsp, -16), xmm0)],
    ['a store of an x87 register', 10, a => a.fstp(tword(rsp, -10))],
  ];

  for (const [name, bytes, access] of ACCESSES)
    for (const above of new Set([1, bytes >> 1, bytes - 1])) {
      const stack = TOP + above;
      onAllTiers(`${name} with ${above} bytes on the upper page`, {
        code(a) {
          a.label('start');
          a.mov(r9, rsp);
          a.movd(xmm0, r8d);
          a.pshufd(xmm0, xmm0, 0);
          a.label('turn');
          a.mov(rsp, r9);
          a.fninit();
          a.fldpi();
          a.mov(qword(rsp), rcx); // from here on the upper page is the one at hand
          access(a);
          a.db(new Uint8Array(48).fill(0x90));
          a.dec(ecx);
          a.jnz('turn');
          a.hlt();
        },
        prepare: guest => guest.returnsFrom(14),
        heat: { rcx: HOT, r8: PATTERN, rsp: stack },
        run(guest) {
          const ends = (): number[] => [MOVED + 0x1000 - (bytes - above), TOP].map(at => guest.view.getUint8(at));
          guest.remap(HOLE, MOVED);
          guest.view.setUint8(TOP - 1, 0x5a);
          guest.call('start', { rcx: 3, r8: PATTERN, rsp: stack });
          const stored = ends();
          expect(stored).not.toContain(0);
          expect(guest.view.getUint8(TOP - 1)).toBe(0x5a);
          guest.write(MOVED + 0xff0, new Uint8Array(16));
          guest.hide(HOLE);
          guest.call('start', { rcx: 3, r8: PATTERN, rsp: stack });
          expect([guest.exception, guest.cr2]).toEqual([14, stack - bytes]);
          guest.remap(HOLE, MOVED);
          guest.goOn();
          expect([guest.exception, ...ends()]).toEqual([undefined, ...stored]);
        },
      });
    }
});
