import { layout, u8, u16, u32, u64 } from './layout.ts';

/**
 * `struct kvm_run`, the page that user space and kernel share about one vCPU. From offset 32 on it is a union by
 * exit reason; the rows of each reason stand together.
 */
export const kvmRun = layout('struct kvm_run', 2352, {
  request_interrupt_window: [0, u8],
  immediate_exit: [1, u8],
  exit_reason: [8, u32],
  ready_for_interrupt_injection: [12, u8],
  if_flag: [13, u8],
  flags: [14, u16],
  cr8: [16, u64],
  apic_base: [24, u64],
  // KVM_EXIT_UNKNOWN
  'hw.hardware_exit_reason': [32, u64],
  // KVM_EXIT_FAIL_ENTRY
  'fail_entry.hardware_entry_failure_reason': [32, u64],
  'fail_entry.cpu': [40, u32],
  // KVM_EXIT_EXCEPTION
  'ex.exception': [32, u32],
  'ex.error_code': [36, u32],
  // KVM_EXIT_IO
  'io.direction': [32, u8],
  'io.size': [33, u8],
  'io.port': [34, u16],
  'io.count': [36, u32],
  'io.data_offset': [40, u64],
  // KVM_EXIT_DEBUG
  'debug.arch.exception': [32, u32],
  'debug.arch.pc': [40, u64],
  'debug.arch.dr6': [48, u64],
  'debug.arch.dr7': [56, u64],
  // KVM_EXIT_MMIO
  'mmio.phys_addr': [32, u64],
  'mmio.data': [40, u8, 8],
  'mmio.len': [48, u32],
  'mmio.is_write': [52, u8],
  // KVM_EXIT_INTERNAL_ERROR
  'internal.suberror': [32, u32],
  'internal.ndata': [36, u32],
  'internal.data': [40, u64, 16],
  'emulation_failure.flags': [40, u64],
  'emulation_failure.insn_size': [48, u8],
  'emulation_failure.insn_bytes': [49, u8, 15],
  // KVM_EXIT_SYSTEM_EVENT
  'system_event.type': [32, u32],
  'system_event.ndata': [36, u32],
  'system_event.data': [40, u64, 16],
});
