import { expect, test } from '@jest/globals';
import { KVM_EXIT, KVM_INTERNAL_ERROR, KVM_SYSTEM_EVENT } from './abi/constants.ts';
import { kvmRun } from './abi/kvm-run.ts';
import { decodeExit, errorExit } from './exits.ts';

const page = (fields: Partial<Record<keyof typeof kvmRun.fields, number | bigint>>): DataView => {
  const view = new DataView(new ArrayBuffer(kvmRun.size));
  for (const [name, value] of Object.entries(fields)) {
    const { offset, type } = kvmRun.fields[name as keyof typeof kvmRun.fields];
    if (typeof value === 'bigint') view.setBigUint64(offset, value, true);
    else if (type.size === 1) view.setUint8(offset, value);
    else view.setUint32(offset, value, true);
  }
  return view;
};
const here = (): string => 'at 18:8000';
const decode = (reason: number, fields: Parameters<typeof page>[0] = {}) => decodeExit(reason, page(fields), here);

test('KVM_EXIT_INTR and KVM_EXIT_SET_TPR ask for nothing', () => {
  expect(decode(KVM_EXIT.INTR)).toBeUndefined();
  expect(decode(KVM_EXIT.SET_TPR)).toBeUndefined();
});

test('KVM_EXIT_SHUTDOWN', () => {
  expect(decode(KVM_EXIT.SHUTDOWN)).toEqual({ kind: 'shutdown' });
});

test('KVM_EXIT_DEBUG carries vector and address', () => {
  expect(decode(KVM_EXIT.DEBUG, { 'debug.arch.exception': 3, 'debug.arch.pc': 0xffff_8000_0000_1234n })).toEqual({
    kind: 'debug',
    vector: 3,
    rip: 0xffff_8000_0000_1234n,
  });
});

test('KVM_EXIT_SYSTEM_EVENT: reset and shutdown, else an error', () => {
  expect(decode(KVM_EXIT.SYSTEM_EVENT, { 'system_event.type': KVM_SYSTEM_EVENT.RESET })).toEqual({ kind: 'shutdown' });
  expect(decode(KVM_EXIT.SYSTEM_EVENT, { 'system_event.type': KVM_SYSTEM_EVENT.CRASH })).toMatchObject({
    code: 'host-failed',
    detail: 'KVM reports system event 3 at 18:8000.',
  });
});

test('KVM_EXIT_FAIL_ENTRY explains an invalid guest state', () => {
  expect(decode(KVM_EXIT.FAIL_ENTRY, { 'fail_entry.hardware_entry_failure_reason': 0x8000_0021n })).toEqual({
    kind: 'error',
    code: 'entry-failed',
    detail:
      'The processor refused to enter the guest at 18:8000 (reason 0x80000021: the state of its registers is one that VT-x cannot enter).',
  });
});

test('KVM_EXIT_INTERNAL_ERROR, emulation: the bytes of the instruction', () => {
  const view = page({
    'internal.suberror': KVM_INTERNAL_ERROR.EMULATION,
    'internal.ndata': 3,
    'emulation_failure.flags': 1n,
    'emulation_failure.insn_size': 4,
  });
  [0x48, 0x0f, 0xc7, 0x0f].forEach((byte, i) => {
    view.setUint8(kvmRun.fields['emulation_failure.insn_bytes'].offset + i, byte);
  });
  expect(decodeExit(KVM_EXIT.INTERNAL_ERROR, view, here)).toEqual({
    kind: 'error',
    code: 'emulation-failed',
    detail: "KVM's emulator does not know the instruction 48 0f c7 0f at 18:8000.",
  });
});

test('KVM_EXIT_INTERNAL_ERROR, emulation, from a kernel that does not tell the bytes', () => {
  expect(decode(KVM_EXIT.INTERNAL_ERROR, { 'internal.suberror': 1 })).toMatchObject({
    detail: "KVM's emulator does not know the instruction at 18:8000.",
  });
});

test('KVM_EXIT_INTERNAL_ERROR, others: with their data', () => {
  expect(
    decode(KVM_EXIT.INTERNAL_ERROR, { 'internal.suberror': 3, 'internal.ndata': 1, 'internal.data': 0xabcn }),
  ).toEqual({
    kind: 'error',
    code: 'host-failed',
    detail: 'KVM met an exit while it delivered an event at 18:8000; data abc.',
  });
  for (const suberror of [2, 4, 99])
    expect(decode(KVM_EXIT.INTERNAL_ERROR, { 'internal.suberror': suberror })).toMatchObject({ code: 'host-failed' });
});

test('KVM_EXIT_UNKNOWN and exits that nothing asked for', () => {
  expect(decode(KVM_EXIT.UNKNOWN, { 'hw.hardware_exit_reason': 0x404n })).toMatchObject({
    detail: "KVM does not know the processor's exit reason 0x404 at 18:8000.",
  });
  expect(decode(KVM_EXIT.HYPERCALL)).toMatchObject({
    detail: 'KVM exited for reason 3 (KVM_EXIT_HYPERCALL), which nothing asked for, at 18:8000.',
  });
  expect(decode(9999)).toMatchObject({ code: 'host-failed' });
});

test('KVM_RUN itself fails', () => {
  expect(errorExit('EFAULT', here)).toEqual({
    kind: 'error',
    code: 'host-failed',
    detail: 'KVM_RUN failed with EFAULT at 18:8000.',
  });
});
