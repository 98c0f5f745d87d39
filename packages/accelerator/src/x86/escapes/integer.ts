import type { Cpu } from '../cpu.ts';
import type { Decoded } from '../decode/decoded.ts';
import { VECTOR } from '../fault.ts';
import { SEGREG } from '../registers.ts';
import { Stack } from '../stack.ts';
import { FLAG, GPR, STATUS_FLAGS } from '../state.ts';
import type { Escape } from './escape.ts';

// ---------------------------------------------------------------- decimal arithmetic

/** Sets the status flags after a decimal adjustment: ZF, SF and PF by AL, CF and AF as given, OF cleared. */
function setDecimalFlags(cpu: Cpu, al: number, cf: boolean, af: boolean): void {
  let parity = al ^ (al >> 4);
  parity = (0x6996 >> (parity & 15)) & 1;
  cpu.r.flags =
    (cpu.r.flags & ~STATUS_FLAGS) |
    (cf ? FLAG.cf : 0) |
    (af ? FLAG.af : 0) |
    (al === 0 ? FLAG.zf : 0) |
    (al & 0x80 ? FLAG.sf : 0) |
    (parity ? 0 : FLAG.pf);
}

/** DAA and DAS (SDM vol. 2): `sign` adds or subtracts the adjustment. */
const adjustPacked =
  (sign: 1 | -1): Escape =>
  cpu => {
    const { r } = cpu;
    const { flags } = r;
    const old = r.gpr8(GPR.rax);
    let al = old;
    let cf = (flags & FLAG.cf) !== 0;
    const af = (old & 15) > 9 || (flags & FLAG.af) !== 0;
    if (af) {
      // DAS also borrows out of AL here.
      if (sign < 0 && al < 6) cf = true;
      al = (al + sign * 6) & 0xff;
    }
    if (old > 0x99 || (flags & FLAG.cf) !== 0) {
      al = (al + sign * 0x60) & 0xff;
      cf = true;
    } else if (sign > 0) cf = false;
    r.setGpr8(GPR.rax, al);
    setDecimalFlags(cpu, al, cf, af);
  };

/** AAA and AAS: on AX, as processors since the 80286 do. */
const adjustUnpacked =
  (sign: 1 | -1): Escape =>
  cpu => {
    const { r } = cpu;
    const ax = r.gpr16(GPR.rax);
    const adjust = (ax & 15) > 9 || (r.flags & FLAG.af) !== 0;
    const next = (adjust ? ax + sign * 0x106 : ax) & 0xff0f;
    r.setGpr16(GPR.rax, next);
    setDecimalFlags(cpu, next & 0xff, adjust, adjust);
  };

const aam: Escape = (cpu, i) => {
  const base = i.immLo & 0xff;
  if (base === 0) cpu.raise(VECTOR.de);
  const al = cpu.r.gpr8(GPR.rax);
  cpu.r.setGpr16(GPR.rax, (Math.trunc(al / base) << 8) | (al % base));
  setDecimalFlags(cpu, al % base, false, false);
};

const aad: Escape = (cpu, i) => {
  const ax = cpu.r.gpr16(GPR.rax);
  const al = ((ax & 0xff) + (ax >> 8) * (i.immLo & 0xff)) & 0xff;
  cpu.r.setGpr16(GPR.rax, al);
  setDecimalFlags(cpu, al, false, false);
};

// ---------------------------------------------------------------- division

/** DIV and IDIV of any width; the interpreter comes here for 128-bit dividends only. */
const divide =
  (signed: boolean): Escape =>
  (cpu, i) => {
    const { r } = cpu;
    const bits = i.operands[0].size;
    const as = signed ? BigInt.asIntN : BigInt.asUintN;
    const divisor = as(bits, cpu.read(i, 0));
    if (divisor === 0n) cpu.raise(VECTOR.de);
    const dividend = as(
      2 * bits,
      bits === 8 ? r.gpr(GPR.rax, 16) : (r.gpr(GPR.rdx, bits) << BigInt(bits)) | r.gpr(GPR.rax, bits),
    );
    const quotient = dividend / divisor;
    if (as(bits, quotient) !== quotient) cpu.raise(VECTOR.de);
    const remainder = BigInt.asUintN(bits, dividend % divisor);
    if (bits === 8) r.setGpr16(GPR.rax, Number(BigInt.asUintN(8, quotient) | (remainder << 8n)));
    else {
      r.setGpr(GPR.rax, bits, BigInt.asUintN(bits, quotient));
      r.setGpr(GPR.rdx, bits, remainder);
    }
  };

// ---------------------------------------------------------------- stack frames

/** ENTER (SDM vol. 2): a frame with copies of the pointers to the frames around it. */
const enter: Escape = (cpu, i) => {
  const { r } = cpu;
  const bits = i.opsize;
  const bytes = bits / 8;
  const level = i.imm2 & 31;
  const width = cpu.stackBits;
  const stack = Stack.current(cpu);
  let frame = r.gpr(GPR.rbp, width);
  stack.push(bits, r.gpr(GPR.rbp, bits));
  // The frame pointer is as wide as the operand: on a 16-bit stack, all of ESP with SP moved.
  const mask = (1n << BigInt(width)) - 1n;
  const pointer = (r.gpr64(GPR.rsp) & ~mask) | stack.pointer;
  if (level > 0) {
    for (let n = 1; n < level; n++) {
      frame = BigInt.asUintN(width, frame - BigInt(bytes));
      stack.push(bits, cpu.load(bits, cpu.linear(SEGREG.ss, frame, bytes, false)));
    }
    stack.push(bits, pointer);
  }
  stack.skip(-(i.immLo & 0xffff));
  // The new top must be writable, or else the instruction faults now (SDM vol. 2 ENTER).
  cpu.probeWrite(cpu.linear(SEGREG.ss, stack.pointer, bytes, true), bytes);
  r.setGpr(GPR.rbp, bits, BigInt.asUintN(bits, pointer));
  stack.commit();
};

const pusha: Escape = (cpu, i: Decoded) => {
  const stack = Stack.current(cpu);
  for (let n = 0; n < 8; n++) stack.push(i.opsize, cpu.r.gpr(n, i.opsize));
  stack.commit();
};

/** A fault in the middle leaves what was popped in the registers: only rSP and rIP are as before (SDM vol. 3 §6.5). */
const popa: Escape = (cpu, i: Decoded) => {
  const stack = Stack.current(cpu);
  for (let n = 7; n >= 0; n--) {
    const value = stack.pop(i.opsize);
    if (n !== GPR.rsp) cpu.r.setGpr(n, i.opsize, value);
  }
  stack.commit();
};

export const integer = {
  daa: adjustPacked(1),
  das: adjustPacked(-1),
  aaa: adjustUnpacked(1),
  aas: adjustUnpacked(-1),
  aam,
  aad,
  div: divide(false),
  idiv: divide(true),
  enter,
  pusha,
  popa,
};
