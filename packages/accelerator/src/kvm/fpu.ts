import { Struct } from './abi/layout.ts';
import { kvmFpu } from './abi/structs.ts';

type Fpu = Struct<keyof typeof kvmFpu.fields>;

// FXSAVE64 (Intel SDM vol. 1 §10.5.1, table 10-2) holds what struct kvm_fpu does, in another order. Both keep the tag
// word in its short form, and both keep each x87 register in 16 bytes.
const FXSAVE = {
  FCW: 0,
  FSW: 2,
  FTW: 4,
  FOP: 6,
  FIP: 8,
  FDP: 16,
  MXCSR: 24,
  MXCSR_MASK: 28,
  ST: 32,
  XMM: 160,
} as const;
/** All the bits of MXCSR; KVM does not tell the host's. */
const MXCSR_MASK = 0xffff;

/** For a host without KVM_CAP_XSAVE. */
export const kvmFpuToFxsave = (fpu: Fpu): Uint8Array => {
  const fxsave = new Uint8Array(512);
  const view = new DataView(fxsave.buffer);
  view.setUint16(FXSAVE.FCW, fpu.get('fcw'), true);
  view.setUint16(FXSAVE.FSW, fpu.get('fsw'), true);
  view.setUint8(FXSAVE.FTW, fpu.get('ftwx'));
  view.setUint16(FXSAVE.FOP, fpu.get('last_opcode'), true);
  view.setBigUint64(FXSAVE.FIP, fpu.get64('last_ip'), true);
  view.setBigUint64(FXSAVE.FDP, fpu.get64('last_dp'), true);
  view.setUint32(FXSAVE.MXCSR, fpu.get('mxcsr'), true);
  view.setUint32(FXSAVE.MXCSR_MASK, MXCSR_MASK, true);
  const { fpr, xmm } = kvmFpu.fields;
  fxsave.set(fpu.bytes.subarray(fpr.offset, fpr.offset + fpr.size), FXSAVE.ST);
  fxsave.set(fpu.bytes.subarray(xmm.offset, xmm.offset + xmm.size), FXSAVE.XMM);
  return fxsave;
};

export const fxsaveToKvmFpu = (fxsave: Uint8Array): Fpu => {
  const fpu = new Struct(kvmFpu);
  const view = new DataView(fxsave.buffer, fxsave.byteOffset, fxsave.byteLength);
  fpu.set('fcw', view.getUint16(FXSAVE.FCW, true));
  fpu.set('fsw', view.getUint16(FXSAVE.FSW, true));
  fpu.set('ftwx', view.getUint8(FXSAVE.FTW));
  fpu.set('last_opcode', view.getUint16(FXSAVE.FOP, true));
  fpu.set64('last_ip', view.getBigUint64(FXSAVE.FIP, true));
  fpu.set64('last_dp', view.getBigUint64(FXSAVE.FDP, true));
  fpu.set('mxcsr', view.getUint32(FXSAVE.MXCSR, true));
  const { fpr, xmm } = kvmFpu.fields;
  fpu.bytes.set(fxsave.subarray(FXSAVE.ST, FXSAVE.ST + fpr.size), fpr.offset);
  fpu.bytes.set(fxsave.subarray(FXSAVE.XMM, FXSAVE.XMM + xmm.size), xmm.offset);
  return fpu;
};
