import { layout, s32, s64, u8, u16, u32, u64 } from './layout.ts';

// Structs of <linux/kvm.h> and <asm/kvm.h> for x86-64, API version 12. Reserved and padding fields are left out.

export const kvmUserspaceMemoryRegion = layout('struct kvm_userspace_memory_region', 32, {
  slot: [0, u32],
  flags: [4, u32],
  guest_phys_addr: [8, u64],
  memory_size: [16, u64],
  userspace_addr: [24, u64],
});

export const kvmRegs = layout('struct kvm_regs', 144, {
  rax: [0, u64],
  rbx: [8, u64],
  rcx: [16, u64],
  rdx: [24, u64],
  rsi: [32, u64],
  rdi: [40, u64],
  rsp: [48, u64],
  rbp: [56, u64],
  r8: [64, u64],
  r9: [72, u64],
  r10: [80, u64],
  r11: [88, u64],
  r12: [96, u64],
  r13: [104, u64],
  r14: [112, u64],
  r15: [120, u64],
  rip: [128, u64],
  rflags: [136, u64],
});

export const kvmSegment = layout('struct kvm_segment', 24, {
  base: [0, u64],
  limit: [8, u32],
  selector: [12, u16],
  type: [14, u8],
  present: [15, u8],
  dpl: [16, u8],
  db: [17, u8],
  s: [18, u8],
  l: [19, u8],
  g: [20, u8],
  avl: [21, u8],
  unusable: [22, u8],
});

export const kvmDtable = layout('struct kvm_dtable', 16, { base: [0, u64], limit: [8, u16] });

export const kvmSregs = layout('struct kvm_sregs', 312, {
  cs: [0, kvmSegment],
  ds: [24, kvmSegment],
  es: [48, kvmSegment],
  fs: [72, kvmSegment],
  gs: [96, kvmSegment],
  ss: [120, kvmSegment],
  tr: [144, kvmSegment],
  ldt: [168, kvmSegment],
  gdt: [192, kvmDtable],
  idt: [208, kvmDtable],
  cr0: [224, u64],
  cr2: [232, u64],
  cr3: [240, u64],
  cr4: [248, u64],
  cr8: [256, u64],
  efer: [264, u64],
  apic_base: [272, u64],
  interrupt_bitmap: [280, u64, 4],
});

export const kvmFpu = layout('struct kvm_fpu', 416, {
  fpr: [0, u8, 128],
  fcw: [128, u16],
  fsw: [130, u16],
  ftwx: [132, u8],
  last_opcode: [134, u16],
  last_ip: [136, u64],
  last_dp: [144, u64],
  xmm: [152, u8, 256],
  mxcsr: [408, u32],
});

export const kvmXsave = layout('struct kvm_xsave', 4096, { region: [0, u32, 1024] });

export const kvmXcr = layout('struct kvm_xcr', 16, { xcr: [0, u32], value: [8, u64] });
export const kvmXcrs = layout('struct kvm_xcrs', 392, { nr_xcrs: [0, u32], flags: [4, u32], xcrs: [8, kvmXcr, 16] });

export const kvmDebugregs = layout('struct kvm_debugregs', 128, {
  db: [0, u64, 4],
  dr6: [32, u64],
  dr7: [40, u64],
  flags: [48, u64],
});

export const kvmVcpuEvents = layout('struct kvm_vcpu_events', 64, {
  'exception.injected': [0, u8],
  'exception.nr': [1, u8],
  'exception.has_error_code': [2, u8],
  'exception.pending': [3, u8],
  'exception.error_code': [4, u32],
  'interrupt.injected': [8, u8],
  'interrupt.nr': [9, u8],
  'interrupt.soft': [10, u8],
  'interrupt.shadow': [11, u8],
  'nmi.injected': [12, u8],
  'nmi.pending': [13, u8],
  'nmi.masked': [14, u8],
  sipi_vector: [16, u32],
  flags: [20, u32],
});

export const kvmMpState = layout('struct kvm_mp_state', 4, { mp_state: [0, u32] });
export const kvmInterrupt = layout('struct kvm_interrupt', 4, { irq: [0, u32] });
export const kvmSignalMask = layout('struct kvm_signal_mask', 4, { len: [0, u32], sigset: [4, u8, 0] });

export const kvmMsrEntry = layout('struct kvm_msr_entry', 16, { index: [0, u32], data: [8, u64] });
export const kvmMsrs = layout('struct kvm_msrs', 8, { nmsrs: [0, u32], entries: [8, kvmMsrEntry, 0] });
export const kvmMsrList = layout('struct kvm_msr_list', 4, { nmsrs: [0, u32], indices: [4, u32, 0] });

export const kvmCpuidEntry2 = layout('struct kvm_cpuid_entry2', 40, {
  function: [0, u32],
  index: [4, u32],
  flags: [8, u32],
  eax: [12, u32],
  ebx: [16, u32],
  ecx: [20, u32],
  edx: [24, u32],
});
export const kvmCpuid2 = layout('struct kvm_cpuid2', 8, { nent: [0, u32], entries: [8, kvmCpuidEntry2, 0] });

export const kvmIrqLevel = layout('struct kvm_irq_level', 8, { irq: [0, u32], level: [4, u32] });

export const kvmPicState = layout('struct kvm_pic_state', 16, {
  last_irr: [0, u8],
  irr: [1, u8],
  imr: [2, u8],
  isr: [3, u8],
  priority_add: [4, u8],
  irq_base: [5, u8],
  read_reg_select: [6, u8],
  poll: [7, u8],
  special_mask: [8, u8],
  init_state: [9, u8],
  auto_eoi: [10, u8],
  rotate_on_auto_eoi: [11, u8],
  special_fully_nested_mode: [12, u8],
  init4: [13, u8],
  elcr: [14, u8],
  elcr_mask: [15, u8],
});
/** The chip's state is a union of 512 bytes at `chip`. */
export const kvmIrqchip = layout('struct kvm_irqchip', 520, { chip_id: [0, u32], chip: [8, u8, 512] });

export const kvmPitConfig = layout('struct kvm_pit_config', 64, { flags: [0, u32] });
export const kvmPitChannelState = layout('struct kvm_pit_channel_state', 24, {
  count: [0, u32],
  latched_count: [4, u16],
  count_latched: [6, u8],
  status_latched: [7, u8],
  status: [8, u8],
  read_state: [9, u8],
  write_state: [10, u8],
  write_latch: [11, u8],
  rw_mode: [12, u8],
  mode: [13, u8],
  bcd: [14, u8],
  gate: [15, u8],
  count_load_time: [16, s64],
});
export const kvmPitState2 = layout('struct kvm_pit_state2', 112, {
  channels: [0, kvmPitChannelState, 3],
  flags: [72, u32],
});

export const kvmClockData = layout('struct kvm_clock_data', 48, {
  clock: [0, u64],
  flags: [8, u32],
  realtime: [16, u64],
  host_tsc: [24, u64],
});

export const kvmEnableCap = layout('struct kvm_enable_cap', 104, { cap: [0, u32], flags: [4, u32], args: [8, u64, 4] });

// Structs of <signal.h> and <time.h>, for the timer that ends a slice.

/** `sigev_notify_thread_id` is a macro for `_sigev_un._tid`. */
export const sigevent = layout('struct sigevent', 64, {
  sigev_value: [0, u64],
  sigev_signo: [8, s32],
  sigev_notify: [12, s32],
  '_sigev_un._tid': [16, s32],
});
export const itimerspec = layout('struct itimerspec', 32, {
  'it_interval.tv_sec': [0, s64],
  'it_interval.tv_nsec': [8, s64],
  'it_value.tv_sec': [16, s64],
  'it_value.tv_nsec': [24, s64],
});
