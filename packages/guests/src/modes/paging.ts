import { al, ax, byte, cr0, cr3, cr4, ds, dword, eax, ebx, ecx, edi, edx, m } from '../assembler/index.ts';
import type { Check, Context } from './harness.ts';
import { RAM, SEL } from './layout.ts';
import { toRing3 } from './protected-rings.ts';
import { LARGE, PAGE, TABLE, TEST } from './tables.ts';

const { P, W, U, A, D, NX } = PAGE;
const CR4 = { PSE: 1 << 4, PAE: 1 << 5 } as const;
const WP = 1 << 16;
const EFER = 0xc000_0080;
const NXE = 1 << 11;

/** Bits of a page fault's error code (Intel SDM vol. 3 §5.7). */
const PF = { P: 1, W: 2, U: 4, RSVD: 8, I: 16 } as const;

/** Address of test page `i`. */
const page = (i: number) => TEST + i * 0x1000;
/** Physical page behind test page `i`. */
const frame = (i: number) => RAM.pages + i * 0x1000;

interface Scheme {
  readonly root: number;
  readonly cr4: number;
  readonly testPt: number;
  readonly entryBytes: number;
}
const TWO_LEVEL: Scheme = { root: TABLE.pd, cr4: CR4.PSE, testPt: TABLE.testPt, entryBytes: 4 };
const PAE: Scheme = { root: TABLE.paePdpt, cr4: CR4.PAE, testPt: TABLE.paeTestPt, entryBytes: 8 };

/** Turns paging on, and off again after `body`. */
function paged(c: Context, scheme: Scheme, body: () => void): void {
  const { a } = c;
  a.mov(eax, scheme.cr4);
  a.mov(cr4, eax);
  a.mov(eax, scheme.root);
  a.mov(cr3, eax);
  a.mov(eax, cr0);
  a.or(eax, 0x8000_0000);
  a.mov(cr0, eax);
  body();
  a.mov(eax, cr0);
  a.and(eax, ~(0x8000_0000 | WP));
  a.mov(cr0, eax);
  a.xor(eax, eax);
  a.mov(cr4, eax);
}

function setNxe({ a }: Context, on: boolean): void {
  a.mov(ecx, EFER);
  a.rdmsr();
  if (on) a.or(eax, NXE);
  else a.and(eax, ~NXE);
  a.wrmsr();
}

function setWp({ a }: Context, on: boolean): void {
  a.mov(eax, cr0);
  if (on) a.or(eax, WP);
  else a.and(eax, ~WP);
  a.mov(cr0, eax);
}

/** Maps test page `i` with these bits, and forgets what was there. */
function map({ a }: Context, scheme: Scheme, i: number, bits: number, nx = false): void {
  const place = scheme.testPt + i * scheme.entryBytes;
  a.mov(dword(place), bits & P ? frame(i) | bits : 0);
  if (scheme.entryBytes === 8) a.mov(dword(place + 4), nx ? NX >> 32n : 0);
  a.invlpg(m(page(i)));
}

/** IRETD to ring 3 takes a DS of ring 0 away (SDM vol. 3 §6.4.1); this gives ring 3 one of its own. */
function userData({ a }: Context): void {
  a.mov(ax, SEL.userData);
  a.mov(ds, ax);
}

function trapsUser(c: Context, error: number, i: number, write: boolean): void {
  const { a } = c;
  c.traps({ vector: 14, error, cr2: page(i) + 4 }, () => {
    const [user, access] = [a.fresh('user'), a.fresh('access')];
    toRing3(c, user);
    a.label(user);
    userData(c);
    a.label(access);
    if (write) a.mov(dword(page(i) + 4), ecx);
    else a.mov(ecx, dword(page(i) + 4));
    return access;
  });
}

/** Checks that hold in both schemes. */
function faultsAndBits(c: Context, scheme: Scheme): void {
  const { a } = c;
  map(c, scheme, 0, 0);
  map(c, scheme, 1, P | W);
  map(c, scheme, 2, P);
  map(c, scheme, 3, P | W | U);
  map(c, scheme, 4, P | U);

  c.traps({ vector: 14, error: 0, cr2: page(0) + 4 }, () => a.mov(ecx, dword(page(0) + 4)));
  c.traps({ vector: 14, error: PF.W, cr2: page(0) + 8 }, () => a.mov(dword(page(0) + 8), ecx));
  setWp(c, false);
  a.mov(dword(page(2)), 0x2468);
  c.equal(dword(frame(2)), 0x2468);
  setWp(c, true);
  c.traps({ vector: 14, error: PF.P | PF.W, cr2: page(2) + 4 }, () => a.mov(dword(page(2) + 4), ecx));
  c.traps({ vector: 14, error: PF.P | PF.W, cr2: page(4) }, () => a.mov(dword(page(4)), ecx));

  trapsUser(c, PF.U, 0, false);
  trapsUser(c, PF.U | PF.W, 0, true);
  trapsUser(c, PF.U | PF.P, 1, false);
  trapsUser(c, PF.U | PF.P | PF.W, 4, true);
  a.mov(dword(frame(4)), 0x1357);
  c.traps({ vector: 6 }, () => {
    const [user, end] = [a.fresh('user'), a.fresh('end')];
    toRing3(c, user);
    a.label(user);
    userData(c);
    a.mov(edx, dword(page(4)));
    a.mov(dword(page(3)), edx);
    a.label(end);
    a.ud2();
    return end;
  });
  c.equal(dword(frame(3)), 0x1357);

  // An access that crosses into a missing page faults at that page's first byte, and changes nothing before it.
  map(c, scheme, 6, P | W);
  map(c, scheme, 7, 0);
  a.mov(dword(page(6) + 0xffc), 0);
  c.traps({ vector: 14, error: PF.W, cr2: page(7) }, () => a.mov(dword(page(6) + 0xffe), -1));
  c.equal(dword(page(6) + 0xffc), 0);
}

function accessedAndDirty(c: Context, scheme: Scheme): void {
  const { a } = c;
  const entry = scheme.testPt + 5 * scheme.entryBytes;
  const directory = scheme.entryBytes === 4 ? TABLE.pd + (TEST >>> 22) * 4 : TABLE.paePd + (TEST >>> 21) * 8;
  map(c, scheme, 5, P | W | U);
  c.equal(dword(entry), frame(5) | P | W | U);
  a.mov(ecx, dword(page(5)));
  c.equal(dword(entry), frame(5) | P | W | U | A);
  a.mov(dword(page(5)), ecx);
  c.equal(dword(entry), frame(5) | P | W | U | A | D);
  a.mov(eax, dword(directory));
  a.and(eax, A);
  c.equal(eax, A);
}

function large(c: Context, scheme: Scheme): void {
  const { a } = c;
  const entry = scheme.entryBytes === 4 ? TABLE.pd + (LARGE >>> 22) * 4 : TABLE.paePd + (LARGE >>> 21) * 8;
  a.mov(dword(frame(0)), 0x5a5a_1234);
  c.equal(dword(LARGE + frame(0)), 0x5a5a_1234);
  a.mov(dword(LARGE + frame(0)), 0x1111_2222);
  c.equal(dword(frame(0)), 0x1111_2222);
  a.mov(eax, dword(entry));
  a.and(eax, A | D);
  c.equal(eax, A | D);
}

/** An instruction that will write asks for write access when it reads. */
function modify(c: Context, scheme: Scheme): void {
  const { a } = c;
  map(c, scheme, 0, 0);
  map(c, scheme, 2, P);
  setWp(c, true);
  c.traps({ vector: 14, error: PF.W, cr2: page(0) }, () => a.add(dword(page(0)), 1));
  c.traps({ vector: 14, error: PF.P | PF.W, cr2: page(2) }, () => a.inc(dword(page(2))));
}

/** A page that is remapped shows its old frame or its new one until INVLPG, and the new one after it. */
function remap(c: Context, scheme: Scheme): void {
  const { a } = c;
  a.mov(dword(frame(8)), 0x8888);
  a.mov(dword(frame(9)), 0x9999);
  map(c, scheme, 8, P | W);
  c.equal(dword(page(8)), 0x8888);
  a.mov(dword(scheme.testPt + 8 * scheme.entryBytes), frame(9) | P | W);
  a.invlpg(m(page(8)));
  c.equal(dword(page(8)), 0x9999);
  a.mov(dword(scheme.testPt + 8 * scheme.entryBytes), frame(8) | P | W);
  a.mov(eax, cr3);
  a.mov(cr3, eax);
  c.equal(dword(page(8)), 0x8888);
}

function schemeChecks(name: string, scheme: Scheme, largeName: string): readonly Check[] {
  return [
    { name: `${name} paging: page faults, WP, CR2`, emit: c => paged(c, scheme, () => faultsAndBits(c, scheme)) },
    {
      name: `${name} paging: read-modify-write faults as a write`,
      emit: c => paged(c, scheme, () => modify(c, scheme)),
    },
    { name: `${name} paging: accessed and dirty bits`, emit: c => paged(c, scheme, () => accessedAndDirty(c, scheme)) },
    { name: `${name} paging: ${largeName} pages`, emit: c => paged(c, scheme, () => large(c, scheme)) },
    { name: `${name} paging: INVLPG and CR3`, emit: c => paged(c, scheme, () => remap(c, scheme)) },
  ];
}

/** Checks of 32-bit and PAE paging, at ring 0 in protected mode. */
export const PAGING_CHECKS: readonly Check[] = [
  ...schemeChecks('32-bit', TWO_LEVEL, '4 MiB'),
  ...schemeChecks('PAE', PAE, '2 MiB'),
  {
    name: 'PAE paging: no-execute',
    emit(c) {
      const { a } = c;
      a.mov(byte(frame(10)), 0xc3); // RET
      setNxe(c, true);
      paged(c, PAE, () => {
        map(c, PAE, 10, P | W | U);
        a.mov(ebx, page(10));
        a.call(ebx);
        map(c, PAE, 10, P | W | U, true);
        a.mov(al, byte(ebx));
        c.equal(al, 0xc3);
        c.traps({ vector: 14, error: PF.P | PF.I, cr2: page(10) }, () => {
          a.call(ebx);
          return page(10);
        });
        c.traps({ vector: 14, error: PF.P | PF.I | PF.U, cr2: page(10) }, () => {
          const user = a.fresh('user');
          toRing3(c, user);
          a.label(user);
          a.jmp(ebx);
          return page(10);
        });
        map(c, PAE, 11, 0, true);
        a.mov(edi, page(11));
        c.traps({ vector: 14, error: PF.I, cr2: page(11) }, () => {
          a.jmp(edi);
          return page(11);
        });
      });
    },
  },
  {
    name: 'PAE paging: without EFER.NXE, bit 63 is reserved',
    emit(c) {
      const { a } = c;
      a.mov(ebx, page(10));
      setNxe(c, false);
      paged(c, PAE, () => {
        map(c, PAE, 10, P | W | U, true);
        c.traps({ vector: 14, error: PF.P | PF.RSVD, cr2: page(10) }, () => a.mov(al, byte(ebx)));
      });
    },
  },
];
