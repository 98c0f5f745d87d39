/** Where the embedded guest keeps things in RAM: everything lies in the first 64 KiB. Linear addresses. */
export const RAM = {
  pml4: 0x1000,
  pdpt: 0x2000,
  /** Four page directories of 2 MiB pages: the first 4 GiB, one to one. */
  directories: 0x3000,
  /** 256 gates of 16 bytes. */
  idt: 0x7000,
  variables: 0x8000,
  /** Bytes that came in by interrupt: a ring of 256. */
  ring: 0x9000,
  line: 0x9100,
  stackTop: 0x1_0000,
} as const;

/** Longest line that the editor takes, in characters. */
export const LINE_MAX = 75;

/** Variables, eight bytes each. */
export const V = {
  /** Interrupts taken, by IRQ 0–15; the timer's is the tick count. */
  irqs: RAM.variables,
  /** Serial interrupts that came straight to INTR, without a PIC. */
  directIrqs: RAM.variables + 0x80,
  ringIn: RAM.variables + 0x88,
  ringOut: RAM.variables + 0x90,
  /** Not 0: the ring was full and the serial interrupt is off until there is room. */
  ringFull: RAM.variables + 0x98,
  /** The serial interrupt arrives, by whatever way, so that the processor can sleep while it waits. */
  serialIrq: RAM.variables + 0xa0,
  /** Bit set of {@link DEVICE}. */
  devices: RAM.variables + 0xa8,
  memoryBelow4G: RAM.variables + 0xb0,
  memoryAbove4G: RAM.variables + 0xb8,
  /** Not 0: the memory size is from the CMOS. */
  memoryByCmos: RAM.variables + 0xc0,
  /** Ticks of the TSC a second, 0 when nothing tells. */
  tscHz: RAM.variables + 0xc8,
  /** Label of the text that says how {@link tscHz} was found. */
  tscSource: RAM.variables + 0xd0,
  tscStart: RAM.variables + 0xd8,
  /** The last byte read was CR: an LF that follows belongs to it. */
  afterCr: RAM.variables + 0xe0,
  /** How often the processor has woken up while it waited for a character. */
  wakeups: RAM.variables + 0xf8,
  /** Descriptor-table register image for LIDT. */
  idtr: RAM.variables + 0xe8,
} as const;

/** Bits of {@link V.devices}. */
export const DEVICE = {
  uart: 0,
  fifo: 1,
  pic: 2,
  pit: 3,
  rtc: 4,
  i8042: 5,
  debugcon: 6,
  fastA20: 7,
  power: 8,
} as const;

export const PORT = {
  pic1: 0x20,
  pic2: 0xa0,
  pit: 0x40,
  pitControl: 0x43,
  ps2Data: 0x60,
  ps2Status: 0x64,
  cmosIndex: 0x70,
  cmosData: 0x71,
  fastA20: 0x92,
  debugcon: 0xe9,
  debugExit: 0xf4,
  uart: 0x3f8,
  power: 0x604,
} as const;

/** Registers of the 16550, as offsets. */
export const UART = { data: 0, ier: 1, iir: 2, fcr: 2, lcr: 3, mcr: 4, lsr: 5, scratch: 7 } as const;

/** Divisor of the PIT for 100 Hz. */
export const TICK_DIVISOR = 11_932;
export const PIT_HZ = 1_193_182;

/** Wake-ups after which the timer is quiet until there is a character: a second, at 100 Hz. */
export const QUIET_AFTER = 100;

/** First vector of the PIC's sixteen. */
export const IRQ_VECTOR = 0x20;
/** What the processor reads in an interrupt-acknowledge cycle that nobody answers. */
export const FLOATING_VECTOR = 0xff;
