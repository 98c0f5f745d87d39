import {
  type Accelerator,
  type CpuBus,
  type CpuState,
  type Exit,
  SEGMENTS,
  type SegmentState,
  type Vcpu,
} from '@mainboard/core';

/** A processor that runs what a test tells it to. */
export class FakeVcpu implements Vcpu {
  readonly index: number;
  /** What `run` does. Halts unless told. */
  script: (nanoseconds: number) => Exit | Promise<Exit> = () => ({ kind: 'halt' });
  intr = false;
  nmi = false;
  a20 = true;
  /** How often each was called. */
  readonly calls = { run: 0, kick: 0, reset: 0 };
  /** The slices asked for, in nanoseconds. */
  readonly slices: number[] = [];
  state: CpuState = emptyState();

  constructor(index: number) {
    this.index = index;
  }

  run(nanoseconds: number): Exit | Promise<Exit> {
    this.calls.run++;
    this.slices.push(nanoseconds);
    return this.script(nanoseconds);
  }

  kick(): void {
    this.calls.kick++;
  }

  setIntr(level: boolean): void {
    this.intr = level;
  }

  setNmi(level: boolean): void {
    this.nmi = level;
  }

  setA20(level: boolean): void {
    this.a20 = level;
  }

  reset(): void {
    this.calls.reset++;
    this.state = emptyState();
  }

  save(): CpuState {
    return copied(this.state);
  }

  restore(state: CpuState): void {
    this.state = copied(state);
  }
}

/** An accelerator whose one processor is a {@link FakeVcpu}. */
export class FakeAccelerator implements Accelerator {
  readonly name = 'fake';
  readonly vcpu = new FakeVcpu(0);
  disposed = false;
  #bus: CpuBus | undefined;

  get bus(): CpuBus {
    if (this.#bus === undefined) throw new Error('The accelerator has not been attached to a board yet.');
    return this.#bus;
  }

  attach(bus: CpuBus): void {
    this.#bus = bus;
  }

  createVcpu(): FakeVcpu {
    return this.vcpu;
  }

  dispose(): void {
    this.disposed = true;
  }
}

const segment = (selector: number, base: bigint, rights: number): SegmentState => ({
  selector,
  base,
  limit: 0xffff,
  rights,
});

/** The state after a reset, as far as a fake has one. */
function emptyState(): CpuState {
  const segments = Object.fromEntries(
    SEGMENTS.map(name => [name, name === 'cs' ? segment(0xf000, 0xffff_0000n, 0x9b) : segment(0, 0n, 0x93)]),
  ) as CpuState['segments'];
  return {
    gpr: new BigUint64Array(16),
    rip: 0xfff0n,
    rflags: 2n,
    segments,
    gdtr: { base: 0n, limit: 0xffff },
    idtr: { base: 0n, limit: 0xffff },
    cr0: 0x6000_0010n,
    cr2: 0n,
    cr3: 0n,
    cr4: 0n,
    cr8: 0n,
    efer: 0n,
    xcr0: 1n,
    dr: { 0: 0n, 1: 0n, 2: 0n, 3: 0n, 6: 0xffff_0ff0n, 7: 0x400n },
    msrs: new Map(),
    fxsave: new Uint8Array(512),
    halted: false,
    interruptShadow: false,
    nmiMasked: false,
  };
}

/** A deep copy, without the host's `structuredClone`. */
function copied(state: CpuState): CpuState {
  return {
    ...state,
    gpr: state.gpr.slice(),
    segments: Object.fromEntries(
      Object.entries(state.segments).map(([name, value]) => [name, { ...value }]),
    ) as CpuState['segments'],
    gdtr: { ...state.gdtr },
    idtr: { ...state.idtr },
    dr: { ...state.dr },
    msrs: new Map(state.msrs),
    fxsave: state.fxsave.slice(),
  };
}
