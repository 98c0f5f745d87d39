/** A segment register with its hidden part (Intel SDM vol. 3 §3.4.3). */
export interface SegmentState {
  selector: number;
  base: bigint;
  /** In bytes, granularity applied. */
  limit: number;
  /**
   * Access rights as in a VMCS (Intel SDM vol. 3 §24.4.1): type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15,
   * unusable 16.
   */
  rights: number;
}

/** GDTR or IDTR. */
export interface TableState {
  base: bigint;
  limit: number;
}

/** Names of {@link CpuState.segments}, in the order of their numbers in instructions; LDTR and TR follow. */
export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
export type SegmentName = (typeof SEGMENTS)[number];

/** Names of {@link CpuState.gpr}, in the order of their numbers in instructions. */
export const GPRS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

/** An event between acceptance and the first instruction of its handler. */
export interface DeliveringEvent {
  kind: 'interrupt' | 'exception' | 'nmi';
  vector: number;
  /** For the exceptions that push one. */
  errorCode?: number;
}

/** The architectural state of an x86-64 processor, in a form that no accelerator owns. Values are unsigned. */
export interface CpuState {
  /** Sixteen, in the order of {@link GPRS}. */
  gpr: BigUint64Array;
  rip: bigint;
  rflags: bigint;
  segments: Record<SegmentName, SegmentState>;
  gdtr: TableState;
  idtr: TableState;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  cr8: bigint;
  efer: bigint;
  xcr0: bigint;
  /** DR0–DR3, DR6, DR7. */
  dr: { 0: bigint; 1: bigint; 2: bigint; 3: bigint; 6: bigint; 7: bigint };
  /** Model-specific registers by number, those that hold state: STAR, SYSENTER_*, PAT, KERNEL_GS_BASE, TSC… */
  msrs: Map<number, bigint>;
  /** x87, MXCSR and XMM0–15 as FXSAVE64 lays them out (Intel SDM vol. 1 §10.5.1); 512 bytes. */
  fxsave: Uint8Array;
  /** Waiting in HLT. */
  halted: boolean;
  /** The instruction before was STI or MOV SS: interrupts wait one instruction longer. */
  interruptShadow: boolean;
  /** An NMI is being served; the next waits for IRET. */
  nmiMasked: boolean;
  /** An event that was accepted (the interrupt controller has been acknowledged) and comes before the next instruction. */
  delivering?: DeliveringEvent;
  /** An NMI has arrived and is not accepted yet. */
  nmiPending?: boolean;
  /**
   * AVX and later state, where the accelerator has it: an XSAVE area in the standard form (Intel SDM vol. 1 §13.4). Its
   * first 512 bytes are {@link fxsave} again, which counts.
   */
  xsave?: Uint8Array;
}
