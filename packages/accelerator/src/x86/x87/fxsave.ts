import { type X87, X87_LAYOUT } from './state.ts';

/** Offsets in the 512-byte area of FXSAVE that are not the FPU's (SDM vol. 1 table 10-2); the processor fills them. */
export const FXSAVE_LAYOUT = { mxcsr: 24, mxcsrMask: 28, registers: 32, xmm: 160, size: 512 } as const;

/**
 * The x87 part of FXSAVE: bytes 0–23 and 32–159 of `image`.
 * @param wide FXSAVE64 (REX.W): 64-bit pointers without selectors.
 */
export function writeFxsave(fpu: X87, image: DataView, wide: boolean): void {
  const { view, base } = fpu;
  image.setUint16(0, fpu.control, true);
  image.setUint16(2, fpu.status, true);
  image.setUint16(4, fpu.tags, true);
  image.setUint16(6, view.getUint16(base + X87_LAYOUT.opcode, true) & 0x7ff, true);
  for (const [at, pointer, selector] of [
    [8, X87_LAYOUT.instructionPointer, X87_LAYOUT.instructionSelector],
    [16, X87_LAYOUT.dataPointer, X87_LAYOUT.dataSelector],
  ] as const) {
    image.setUint32(at, view.getUint32(base + pointer, true), true);
    const upper = wide ? view.getUint32(base + pointer + 4, true) : view.getUint16(base + selector, true);
    image.setUint32(at + 4, upper, true);
  }
  const { top } = fpu;
  for (let i = 0; i < 8; i++) copyRegister(view, register(fpu, top + i), image, FXSAVE_LAYOUT.registers + 16 * i);
}

/** The x87 part of FXRSTOR. A reserved bit in MXCSR is the processor's to refuse, before this. */
export function readFxsave(fpu: X87, image: DataView, wide: boolean): void {
  fpu.control = image.getUint16(0, true);
  fpu.status = image.getUint16(2, true);
  fpu.tags = image.getUint8(4);
  fpu.setPointers(
    image.getUint16(6, true) & 0x7ff,
    wide ? 0 : image.getUint16(12, true),
    image.getUint32(8, true),
    wide ? image.getUint32(12, true) : 0,
    wide ? 0 : image.getUint16(20, true),
    image.getUint32(16, true),
    wide ? image.getUint32(20, true) : 0,
  );
  const { top, view } = fpu;
  for (let i = 0; i < 8; i++) copyRegister(image, FXSAVE_LAYOUT.registers + 16 * i, view, register(fpu, top + i));
}

/** Offset of a physical register. */
const register = ({ base }: X87, n: number): number => base + X87_LAYOUT.registers + 16 * (n & 7);

/** Ten bytes, and six that become 0. */
function copyRegister(from: DataView, at: number, to: DataView, toAt: number): void {
  to.setUint32(toAt, from.getUint32(at, true), true);
  to.setUint32(toAt + 4, from.getUint32(at + 4, true), true);
  to.setUint32(toAt + 8, from.getUint16(at + 8, true), true);
  to.setUint32(toAt + 12, 0, true);
}
