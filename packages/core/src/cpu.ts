import { InPin, type PinScope, VectorSink } from './pin.ts';

/** A processor as a board wires it. */
export class Cpu {
  readonly index: number;
  /** INTR: level. */
  readonly intr: InPin;
  /** NMI: the rising edge counts. */
  readonly nmi: InPin;
  /** INIT: the rising edge sends this processor, and no device, to its reset state. */
  readonly init: InPin;
  /** A20M#, inverted: low wraps addresses at each odd MiB. Unconnected, address line 20 is enabled. */
  readonly a20: InPin;
  /** Asks the interrupt controller for the vector. */
  readonly inta: VectorSink;

  constructor(index: number, scope: PinScope) {
    const name = `cpu${index}`;
    this.index = index;
    this.intr = new InPin(`${name}.intr`, scope);
    this.nmi = new InPin(`${name}.nmi`, scope);
    this.init = new InPin(`${name}.init`, scope);
    this.a20 = new InPin(`${name}.a20`, scope);
    this.inta = new VectorSink(`${name}.inta`);
  }

  /** Whether address line 20 gets through. */
  get a20Enabled(): boolean {
    return !this.a20.connected || this.a20.level;
  }
}
