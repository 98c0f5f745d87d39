import { al, cx, dword, ecx, word } from '../assembler/index.ts';
import type { Check, Context, Mode } from './harness.ts';
import { V } from './layout.ts';

/** Vector of IRQ 0 while a self-test runs. */
export const IRQ_BASE = 0x20;

const PIC = 0x20;
const PIC_MASK = 0x21;

/** Makes counter 0 raise IRQ 0 once, in about a millisecond (i8254 mode 0). */
function arm({ a }: Context): void {
  a.mov(dword(V.ticks), 0);
  for (const [port, value] of [
    [0x43, 0x30],
    [0x40, 0xa9],
    [0x40, 0x04],
  ] as const) {
    a.mov(al, value);
    a.out(port, al);
  }
}

function mask({ a }: Context, value: number): void {
  a.mov(al, value);
  a.out(PIC_MASK, al);
}

/** Waits until the PIC has seen the request (OCW3: read IRR). */
function waitForRequest({ a }: Context): void {
  const again = a.fresh('irr');
  a.mov(al, 0x0a);
  a.out(PIC, al);
  a.label(again);
  a.in(al, PIC);
  a.test(al, 1);
  a.je(again);
}

/** Lets one interrupt in. An emulating KVM takes a while over it. */
function take(c: Context): void {
  const { a } = c;
  const again = a.fresh('take');
  a.mov(ecx, 10_000);
  a.sti();
  a.label(again);
  a.cmp(dword(V.ticks), 0);
  a.loope(again);
  a.cli();
  c.equal(dword(V.ticks), 1);
}

/** Interrupts from the PIT through the PIC; the same in every mode. */
export function timerChecks(mode: Mode): readonly Check[] {
  const handler = `${mode} tick`;
  const install = (c: Context) => {
    if (mode === 'real') c.a.mov(word(IRQ_BASE * 4), handler);
    else c.gate(IRQ_BASE, handler);
  };
  return [
    {
      name: 'timer interrupt wakes HLT',
      emit(c) {
        const { a } = c;
        install(c);
        mask(c, 0xfe);
        arm(c);
        a.sti();
        a.hlt();
        a.cli();
        c.equal(dword(V.ticks), 1);
        mask(c, 0xff);
      },
    },
    {
      name: 'masked interrupt waits in the PIC',
      emit(c) {
        const { a } = c;
        install(c);
        mask(c, 0xff);
        arm(c);
        waitForRequest(c);
        a.sti();
        a.nop();
        a.nop();
        a.cli();
        c.equal(dword(V.ticks), 0);
        mask(c, 0xfe);
        take(c);
        mask(c, 0xff);
      },
    },
    {
      name: 'STI holds interrupts back for one instruction',
      emit(c) {
        const { a } = c;
        install(c);
        mask(c, 0xfe);
        arm(c);
        waitForRequest(c);
        a.sti();
        a.cli();
        c.equal(dword(V.ticks), 0);
        take(c);
        mask(c, 0xff);
      },
    },
    {
      name: 'an interrupt comes after the instruction behind STI',
      emit(c) {
        const { a } = c;
        install(c);
        mask(c, 0xfe);
        arm(c);
        waitForRequest(c);
        a.xor(ecx, ecx);
        a.sti();
        a.inc(cx);
        a.inc(cx);
        a.inc(cx);
        a.cli();
        c.equal(dword(V.ticks), 1);
        c.equal(dword(V.error), 1);
        mask(c, 0xff);
      },
    },
  ];
}
