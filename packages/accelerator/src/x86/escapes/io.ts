import type { Cpu } from '../cpu.ts';
import { type Decoded, OPERAND_KIND, SEG } from '../decode/decoded.ts';
import { FLAG, GPR, STATE } from '../state.ts';
import { ioPermitted } from '../tss.ts';
import type { Escape } from './escape.ts';

/** Iterations of a repeated INS or OUTS before interrupts get a chance. */
const BATCH = 64;

/** CPL against IOPL, then the I/O permission bitmap (SDM vol. 1 §18.5); virtual-8086 mode has the bitmap only. */
function checkPort(cpu: Cpu, port: number, size: number): void {
  if (cpu.protectedMode && (cpu.v86 || cpu.cpl > cpu.r.iopl) && !ioPermitted(cpu, port, size)) cpu.gp();
}

const portOf = (cpu: Cpu, i: Decoded, operand: 0 | 1): number =>
  i.operands[operand].kind === OPERAND_KIND.imm ? i.immLo & 0xff : cpu.r.gpr16(GPR.rdx);

/**
 * INS and OUTS, one iteration at a time, so that a fault or an interrupt finds the registers up to date.
 * @param pointer rDI or rSI
 */
const string =
  (
    pointer: number,
    operand: 0 | 1,
    transfer: (cpu: Cpu, i: Decoded, offset: bigint, size: number, port: number) => void,
  ): Escape =>
  (cpu, i) => {
    const { r } = cpu;
    const size = i.operands[operand].size >> 3;
    const port = r.gpr16(GPR.rdx);
    const { asize } = i;
    checkPort(cpu, port, size);
    cpu.breakpoints.port(port, size);
    const step = BigInt(r.systemFlag(FLAG.df) ? -size : size);
    const batch = cpu.breakpoints.armed ? 1 : BATCH;
    for (let n = 0; n < batch; n++) {
      const count = i.rep ? r.gpr(GPR.rcx, asize) : 1n;
      if (count === 0n) return cpu.leave();
      const offset = r.gpr(pointer, asize);
      transfer(cpu, i, offset, size, port);
      r.setGpr(pointer, asize, BigInt.asUintN(asize, offset + step));
      if (!i.rep) return cpu.leave();
      r.setGpr(GPR.rcx, asize, count - 1n);
    }
    return cpu.again();
  };

/**
 * Goes on with the next instruction, unless what the access did wants the run to end (it has taken the rest of the
 * budget then): an interrupt line that rose, another memory map, a reset.
 */
const done = (cpu: Cpu): number | undefined => (cpu.r.i32[STATE.budget / 4]! < 0 ? cpu.leave() : undefined);

export const io = {
  in: (cpu, i) => {
    const port = portOf(cpu, i, 1);
    const size = i.operands[0].size >> 3;
    checkPort(cpu, port, size);
    cpu.breakpoints.port(port, size);
    const value = cpu.bus.portRead(port, size);
    if (size === 1) cpu.r.setGpr8(GPR.rax, value);
    else if (size === 2) cpu.r.setGpr16(GPR.rax, value);
    else cpu.r.setGpr32(GPR.rax, value);
    return done(cpu);
  },
  out: (cpu, i) => {
    const port = portOf(cpu, i, 0);
    const { size, reg } = i.operands[1];
    checkPort(cpu, port, size >> 3);
    const { r } = cpu;
    cpu.breakpoints.port(port, size >> 3);
    cpu.bus.portWrite(port, size >> 3, size === 8 ? r.gpr8(reg) : size === 16 ? r.gpr16(reg) : r.gpr32(reg));
    return done(cpu);
  },
  ins: string(GPR.rdi, 0, (cpu, _i, offset, size, port) => {
    // A fault must come before the port is read: reading may change the device.
    const at = cpu.linear(SEG.es, offset, size, true);
    cpu.probeWrite(at, size);
    cpu.store(size * 8, at, BigInt(cpu.bus.portRead(port, size)));
  }),
  outs: string(GPR.rsi, 1, (cpu, i, offset, size, port) => {
    const value = cpu.load(size * 8, cpu.linear(i.seg, offset, size, false));
    cpu.bus.portWrite(port, size, Number(value));
  }),
} satisfies Record<string, Escape>;
