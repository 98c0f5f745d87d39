import { beforeAll, describe, expect, test } from '@jest/globals';
import { ACCELERATOR_ARENA, type CpuBus, type CpuState, GuestMemory } from '@mainboard/core';
import { VECTOR } from '../fault.ts';
import { MXCSR } from '../mxcsr.ts';
import { CR0, CR4 } from '../registers.ts';
import { GPR, STATE } from '../state.ts';
import { SoftVcpu } from '../vcpu.ts';

/**
 * Vector instructions in a running processor, in real mode: what surrounds them. Their results are compared with a
 * processor's in `vector.silicon.test.ts`.
 */
const RAM = 0x1_0000;
const CODE = 0x1000;
const DATA = 0x2000;
/** A handler for each vector: HLT. */
const HANDLERS = 0x500;

let guest: GuestMemory;
let vcpu: SoftVcpu;
let start: CpuState;
const view = (): DataView => new DataView(guest.memory.buffer, ACCELERATOR_ARENA);

beforeAll(() => {
  guest = new GuestMemory(RAM);
  let now = 0;
  const bus: CpuBus = {
    guest,
    regions: () => [{ base: 0, size: RAM, kind: 'ram', offset: ACCELERATOR_ARENA }],
    onRegionsChanged: () => {},
    onWrite: () => {},
    portRead: () => 0xff,
    portWrite: () => {},
    memoryRead: () => 0xff,
    memoryWrite: () => {},
    acknowledge: () => 0,
    now: () => (now += 1000),
  };
  vcpu = new SoftVcpu(0, bus);
  for (let vector = 0; vector < 32; vector++) {
    view().setUint16(4 * vector, HANDLERS + vector, true);
    view().setUint8(HANDLERS + vector, 0xf4);
  }
  const reset = vcpu.save();
  const gpr = new BigUint64Array(16);
  gpr[GPR.rsp] = 0x8000n;
  const segments = { ...reset.segments, cs: { ...reset.segments.cs, selector: 0, base: 0n } };
  start = { ...reset, gpr, segments, rip: BigInt(CODE), cr4: BigInt(CR4.osfxsr | CR4.osxmmexcpt) };
});

/** Runs code to its HLT. @returns the vector of the exception that ended it, or undefined. */
function run(code: string, change: (state: CpuState) => CpuState = state => state): number | undefined {
  const bytes = `${code} f4`.split(' ').map(byte => Number.parseInt(byte, 16));
  for (const [i, byte] of bytes.entries()) view().setUint8(CODE + i, byte);
  vcpu.restore(change(start));
  expect(vcpu.run(1e9).kind).toBe('halt');
  const at = Number(vcpu.cpu.r.rip) - 1;
  return at === CODE + bytes.length - 1 ? undefined : at - HANDLERS;
}
/** The address that the exception pushed. */
const faultedAt = (): number => view().getUint16(0x8000 - 6, true) - CODE;
const mxcsr = (): number => vcpu.cpu.r.u32[STATE.mxcsr / 4]!;
const setSingle = (at: number, x: number): void => view().setFloat32(DATA + at, x, true);
const withMxcsr =
  (value: number) =>
  (state: CpuState): CpuState => {
    const fxsave = state.fxsave.slice();
    new DataView(fxsave.buffer).setUint32(24, value, true);
    return { ...state, fxsave };
  };

describe('§11.5.2 an escape in the middle of a block', () => {
  test('1/0 sets ZE, and the block goes on', () => {
    setSingle(0, 1);
    setSingle(4, 0);
    // movss xmm0,[2000]; divss xmm0,[2004]; movss [2008],xmm0; inc ax
    expect(run('f3 0f 10 06 00 20 f3 0f 5e 06 04 20 f3 0f 11 06 08 20 40')).toBeUndefined();
    expect(view().getFloat32(DATA + 8, true)).toBe(Infinity);
    expect(mxcsr()).toBe(0x1f80 | MXCSR.ZE);
    expect(vcpu.cpu.r.gpr64(GPR.rax)).toBe(1n);
  });

  test('rounding up', () => {
    setSingle(0, 1);
    setSingle(4, 3);
    expect(run('f3 0f 10 06 00 20 f3 0f 5e 06 04 20 f3 0f 11 06 08 20', withMxcsr(0x5f80))).toBeUndefined();
    expect(view().getUint32(DATA + 8, true)).toBe(0x3eaa_aaab);
    expect(mxcsr()).toBe(0x5f80 | MXCSR.PE);
  });

  test('an unmasked exception is #XM at the instruction, which does nothing', () => {
    setSingle(0, 1);
    setSingle(4, 0);
    const divide = 'f3 0f 10 06 00 20 f3 0f 5e 06 04 20 f3 0f 11 06 08 20';
    expect(run(divide, withMxcsr(0x1d80))).toBe(VECTOR.xm);
    expect(faultedAt()).toBe(6);
    expect(mxcsr()).toBe(0x1d80 | MXCSR.ZE);
    expect(vcpu.cpu.r.view.getFloat32(STATE.xmm, true)).toBe(1);
    expect(run(divide, state => ({ ...withMxcsr(0x1d80)(state), cr4: BigInt(CR4.osfxsr) }))).toBe(VECTOR.ud);
  });
});

describe('§2.5 exception types', () => {
  test.each([
    ['movaps xmm0,[2004]', '0f 28 06 04 20', VECTOR.gp],
    ['movaps [2004],xmm0', '0f 29 06 04 20', VECTOR.gp],
    ['paddb xmm0,[2001]', '66 0f fc 06 01 20', VECTOR.gp],
    ['movups xmm0,[2004]', '0f 10 06 04 20', undefined],
    ['addsd xmm0,[2001]', 'f2 0f 58 06 01 20', undefined],
    ['paddb mm0,[2001]', '0f fc 06 01 20', undefined],
    ['prefetcht0 [ffffffff]', '67 0f 18 0d ff ff ff ff', undefined],
  ])('%s', (_name, code, vector) => {
    expect(run(`90 ${code}`)).toBe(vector);
    if (vector !== undefined) expect(faultedAt()).toBe(1);
  });
});

describe('vol. 3 §14.1 availability', () => {
  const cr0 = (bit: number) => (state: CpuState) => ({ ...state, cr0: state.cr0 | BigInt(bit) });
  const noOsfxsr = (state: CpuState): CpuState => ({ ...state, cr4: 0n });
  test.each([
    ['pxor xmm0,xmm0 without CR4.OSFXSR', '66 0f ef c0', noOsfxsr, VECTOR.ud],
    ['pxor mm0,mm0 without CR4.OSFXSR', '0f ef c0', noOsfxsr, undefined],
    ['pxor xmm0,xmm0 with CR0.TS', '66 0f ef c0', cr0(CR0.ts), VECTOR.nm],
    ['pxor mm0,mm0 with CR0.TS', '0f ef c0', cr0(CR0.ts), VECTOR.nm],
    ['pxor mm0,mm0 with CR0.EM', '0f ef c0', cr0(CR0.em), VECTOR.ud],
    ['emms with CR0.EM', '0f 77', cr0(CR0.em), VECTOR.ud],
    ['mfence with CR0.EM', '0f ae f0', cr0(CR0.em), undefined],
  ])('%s', (_name, code, change, vector) => {
    expect(run(code, change)).toBe(vector);
  });
});

test('§9.5.1 MMX makes the x87 stack full, EMMS empty', () => {
  expect(run('0f ef c0')).toBeUndefined();
  expect(vcpu.cpu.x87.tags).toBe(0xff);
  expect(run('0f ef c0 0f 77')).toBeUndefined();
  expect(vcpu.cpu.x87.tags).toBe(0);
});

test('vol. 2 MASKMOVDQU: writes the selected bytes at the overriding segment', () => {
  for (let i = 0; i < 16; i++) view().setUint8(DATA + i, 0x80 + i);
  for (let i = 0; i < 16; i++) view().setUint8(DATA + 0x100 + i, 0x11);
  // mov ax,100h; mov es,ax; mov di,1100h; movdqu xmm0,[2000]; movdqa xmm1,xmm0; pslld xmm1,24; es maskmovdqu xmm0,xmm1
  const code = 'b8 00 01 8e c0 bf 00 11 f3 0f 6f 06 00 20 66 0f 6f c8 66 0f 72 f1 18 26 66 0f f7 c1';
  expect(run(code)).toBeUndefined();
  const bytes = Array.from({ length: 16 }, (_, i) => view().getUint8(DATA + 0x100 + i));
  expect(bytes).toEqual(Array.from({ length: 16 }, (_, i) => (i % 4 === 3 ? 0x80 + i : 0x11)));
});
