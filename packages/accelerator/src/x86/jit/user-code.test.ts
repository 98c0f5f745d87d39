import { describe, expect } from '@jest/globals';
import { al, bl, dword, eax, r12, r13, rbp, rcx, rdx } from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOT, onAllTiers, type Scenario } from './tiers.fixture.ts';

const USER = 7n;
const NX = 1n << 63n;
/** Two functions that programs call, and the pages that are mapped there. */
const FUNCTION = 0x6_0000;
const NEIGHBOUR = FUNCTION + 0x10;
const [FIRST, SECOND] = [0x4_0000, 0x5_0000];
/** Page tables of a second address space. */
const OTHER_TABLES = 0x7_0000;

/** What a program asks for by OUT, as the kernel would do it between two of its instructions. */
const PORT = { switch: 0x80, flushAll: 0x81, swap: 0x82, hide: 0x83 } as const;

/** Changes the function's page in an address space. */
function map(guest: Guest, space: number, page: number, flags = USER): void {
  const table = space === 0 ? AT.pageTable : OTHER_TABLES + 0x3000;
  guest.view.setBigUint64(table + 8 * (FUNCTION >> 12), BigInt(page) | flags, true);
}

/** Level 3 with IOPL 3, in the first of two address spaces. @param other the function's page in the second one */
function spaces(guest: Guest, other = SECOND): void {
  for (const level of [0, 1, 2])
    guest.view.setBigUint64(OTHER_TABLES + level * 4096, BigInt(OTHER_TABLES + (level + 1) * 4096) | USER, true);
  for (let page = 0; page < 512; page++) {
    guest.map(page * 4096, page * 4096, USER);
    guest.view.setBigUint64(OTHER_TABLES + 0x3000 + 8 * page, BigInt(page * 4096) | USER, true);
  }
  map(guest, 0, FIRST);
  map(guest, 1, other);
  guest.place(FIRST, a => {
    a.inc(r12);
    a.ret();
    a.align(16);
    a.add(r12, 100);
    a.ret();
  });
  guest.place(SECOND, a => {
    a.inc(r13);
    a.ret();
    a.align(16);
    a.add(r13, 100);
    a.ret();
  });
  const { segments, efer } = guest.vcpu.save();
  guest.set({
    efer: efer | 0x800n,
    segments: {
      ...segments,
      cs: { ...segments.cs, selector: 0x1b, rights: 0xa0fb },
      ss: { ...segments.ss, selector: 0x23, rights: 0xc0f3 },
    },
  });
  const { cpu } = guest.vcpu;
  guest.onOut = (port, value) => {
    if (port === PORT.switch) {
      cpu.r.cr3 = BigInt(value & 1 ? OTHER_TABLES : AT.pml4);
      cpu.contextChanged(false);
    } else if (port === PORT.flushAll) cpu.flushTlb();
    else if (port === PORT.hide) map(guest, 0, FIRST, USER | NX);
    else {
      map(guest, 0, SECOND);
      cpu.flushPage(FUNCTION);
    }
  };
}

/**
 * Runs at level 3, whose HLT is a #GP.
 * @returns for the first and the second page, how often its functions were called, the neighbour counting 100
 */
function calls(guest: Guest, program: string, rbp: number, other = SECOND): number[] {
  const { cpu } = guest.vcpu;
  cpu.r.cr3 = BigInt(AT.pml4);
  cpu.contextChanged(false);
  spaces(guest, other);
  guest.start(program, { rbp, rcx: FUNCTION, rdx: NEIGHBOUR, rsp: AT.stack - 0x1000 }, 0x3002);
  guest.toHalt();
  return guest.registers('r12', 'r13');
}

const scenario: Omit<Scenario, 'run'> = {
  code(a) {
    const ask = (port: number): void => a.out(port, al);
    a.label('start');
    a.mov(al, bl);
    ask(PORT.switch);
    a.call(rcx); // the TLB knows the page now
    a.call(rdx);
    a.inc(bl);
    a.dec(rbp);
    a.jnz('start');
    a.hlt();
    a.label('changes');
    a.call(rdx);
    ask(PORT.flushAll);
    ask(PORT.switch);
    a.call(rcx);
    a.call(rdx);
    ask(PORT.swap);
    a.call(rdx);
    a.hlt();
    a.label('hidden');
    a.call(rcx);
    a.call(rdx);
    ask(PORT.hide);
    ask(PORT.switch);
    a.mov(eax, dword(rcx));
    a.call(rdx);
    a.hlt();
  },
  prepare: guest => spaces(guest),
};

describe('user code after MOV to CR3 is what is mapped then (SDM vol. 3 §4.10.4)', () => {
  onAllTiers('other code at the same addresses, and the same', {
    ...scenario,
    run(guest) {
      for (let round = 0; round < 4; round++) calls(guest, 'start', HOT / 4);
      guest.expectCompiled();
      expect(calls(guest, 'start', 10)).toEqual([505, 505]);
      expect(guest.exception).toBe(13);
      expect(calls(guest, 'start', 10, FIRST)).toEqual([1010, 0]);
    },
  });

  onAllTiers('a page that was known again is forgotten by INVLPG', {
    ...scenario,
    run(guest) {
      for (let round = 0; round < 3; round++) expect(calls(guest, 'changes', 1)).toEqual([201, 100]);
    },
  });

  onAllTiers('and may no longer be executed', {
    ...scenario,
    run(guest) {
      for (let round = 0; round < 3; round++) {
        expect(calls(guest, 'hidden', 1)).toEqual([101, 0]);
        expect([guest.exception, guest.cr2]).toEqual([14, NEIGHBOUR]);
      }
    },
  });
});
