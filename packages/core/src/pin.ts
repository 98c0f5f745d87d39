import { MainboardError } from './errors.ts';

/**
 * What the pins of one board share. While it is `settling` (reset, restore) levels move but nobody is told: what an
 * edge did is already in the state that is being loaded, and `update()` derives the rest.
 */
export class PinScope {
  settling = false;
  /** Level changes since the start; tells whether a round of `update()` moved anything. */
  changes = 0;
  /** Called for every level change when somebody traces pins. */
  onChange: ((pin: OutPin) => void) | undefined;
}

/** A device's output. Drives every input wired to it. */
export class OutPin {
  readonly kind = 'out';
  /** `device.pin` or `device.pin[index]`. */
  readonly name: string;
  level = false;
  readonly sinks: InPin[] = [];
  readonly #scope: PinScope;

  constructor(name: string, scope: PinScope) {
    this.name = name;
    this.#scope = scope;
  }

  /** Drives the pin. Setting the level that it has does nothing. */
  set(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    this.#scope.changes++;
    if (this.#scope.onChange !== undefined) this.#scope.onChange(this);
    for (let i = 0; i < this.sinks.length; i++) this.sinks[i]!.drive(level);
  }

  /** High, then low: an edge for those who look at edges. */
  pulse(): void {
    this.set(true);
    this.set(false);
  }

  connect(sink: InPin): void {
    if (this.sinks.includes(sink)) {
      throw new MainboardError('bad-wire', `${this.name} is wired to ${sink.name} twice; remove one of the two nets.`, {
        source: this.name,
        sink: sink.name,
      });
    }
    this.sinks.push(sink);
    sink.sources.push(this);
    if (this.level) sink.drive(true);
  }
}

/** A device's input: high while any of its sources is (wired-OR), low when none is connected. */
export class InPin {
  readonly kind = 'in';
  readonly name: string;
  readonly sources: OutPin[] = [];
  readonly index: number;
  readonly #scope: PinScope;
  #high = 0;
  /** The owner's handler; set once, when its behaviour exists. */
  onChange: ((level: boolean, index: number) => void) | undefined;

  constructor(name: string, scope: PinScope, index = 0) {
    this.name = name;
    this.#scope = scope;
    this.index = index;
  }

  get level(): boolean {
    return this.#high > 0;
  }

  get connected(): boolean {
    return this.sources.length > 0;
  }

  /** For {@link OutPin} only: one of the sources went high or low. */
  drive(level: boolean): void {
    const was = this.#high;
    this.#high = was + (level ? 1 : -1);
    if (this.#scope.settling || this.onChange === undefined) return;
    if (level ? was === 0 : this.#high === 0) this.onChange(level, this.index);
  }
}

/**
 * The answering end of an interrupt-acknowledge cycle: an interrupt controller that names the vector of the interrupt
 * it announces.
 */
export class VectorSource {
  readonly kind = 'vector-source';
  readonly name: string;
  readonly index: number;
  /** The device's behaviour; set once. */
  answer: ((index: number) => number) | undefined;

  constructor(name: string, index = 0) {
    this.name = name;
    this.index = index;
  }

  /** Runs the cycle. @returns the vector, 0–255. */
  acknowledge(): number {
    return this.answer === undefined ? FLOATING : this.answer(this.index) & 0xff;
  }
}

/** What the data bus carries when nobody answers. */
const FLOATING = 0xff;

/** The asking end of an interrupt-acknowledge cycle: a processor, or a master controller's cascade line. */
export class VectorSink {
  readonly kind = 'vector-sink';
  readonly name: string;
  source: VectorSource | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get connected(): boolean {
    return this.source !== undefined;
  }

  connect(source: VectorSource): void {
    if (this.source !== undefined) {
      throw new MainboardError(
        'bad-wire',
        `${this.name} is wired to ${this.source.name} and to ${source.name}; it takes one source only.`,
        { sink: this.name, sources: [this.source.name, source.name] },
      );
    }
    this.source = source;
  }

  /** @returns the vector, 0–255; FFh, as a floating bus reads, when nothing is connected. */
  acknowledge(): number {
    return this.source === undefined ? FLOATING : this.source.acknowledge();
  }
}

export type PinKind = 'out' | 'in' | 'vector-source' | 'vector-sink';
export interface PinDeclaration {
  readonly kind: PinKind;
  readonly count: number | undefined;
}

export const output = () => ({ kind: 'out', count: undefined }) as const;
export const outputs = <const N extends number>(count: N) => ({ kind: 'out', count }) as const;
export const input = () => ({ kind: 'in', count: undefined }) as const;
export const inputs = <const N extends number>(count: N) => ({ kind: 'in', count }) as const;
/** An interrupt controller's answer to the acknowledge cycle; the behaviour supplies it under `vectors`. */
export const vectorSource = () => ({ kind: 'vector-source', count: undefined }) as const;
/** The asking end of the acknowledge cycle: `pins.<name>.acknowledge()`. */
export const vectorSink = () => ({ kind: 'vector-sink', count: undefined }) as const;
export const vectorSinks = <const N extends number>(count: N) => ({ kind: 'vector-sink', count }) as const;
interface PinOfKind {
  out: OutPin;
  in: InPin;
  'vector-source': VectorSource;
  'vector-sink': VectorSink;
}
/** Any end of a wire. */
export type Pin = PinOfKind[PinKind];
type Tuple<T, N extends number, A extends T[] = []> = A['length'] extends N ? readonly [...A] : Tuple<T, N, [...A, T]>;
/** The pin, or the tuple of pins, that a declaration stands for. */
export type PinsOf<D extends PinDeclaration> = D['count'] extends number
  ? Tuple<PinOfKind[D['kind']], D['count']>
  : PinOfKind[D['kind']];

/** One connection: from what drives or answers to what listens or asks. */
export type Net = readonly [OutPin, InPin] | readonly [VectorSource, VectorSink];

/**
 * Makes one connection. The compiler refuses ends that do not go together, but a board file may come here unchecked.
 * @throws MainboardError `bad-wire`
 */
export function connect(net: Net): void {
  const [source, sink] = net as readonly [Pin | undefined, Pin | undefined];
  if (source?.kind === 'out' && sink?.kind === 'in') source.connect(sink);
  else if (source?.kind === 'vector-source' && sink?.kind === 'vector-sink') sink.connect(source);
  else {
    throw new MainboardError(
      'bad-wire',
      `A net goes from ${described(source)} to ${described(sink)}; it must go from an output to an input, or from a vector source to a vector sink.`,
      { source: source?.name, sink: sink?.name },
    );
  }
}

const described = (pin: Pin | readonly Pin[] | undefined): string => {
  if (pin === undefined) return 'a pin that does not exist';
  return 'kind' in pin ? `${pin.name} (${pin.kind})` : `all of ${pin.map(({ name }) => name).join(', ')}`;
};

/** Makes the pins of one declaration. */
export function createPins(
  owner: string,
  key: string,
  declaration: PinDeclaration,
  scope: PinScope,
): Pin | readonly Pin[] {
  const { kind, count } = declaration;
  const make = (name: string, index: number): Pin => {
    switch (kind) {
      case 'out':
        return new OutPin(name, scope);
      case 'in':
        return new InPin(name, scope, index);
      case 'vector-source':
        return new VectorSource(name, index);
      case 'vector-sink':
        return new VectorSink(name);
    }
  };
  const name = `${owner}.${key}`;
  return count === undefined
    ? make(name, 0)
    : Object.freeze(Array.from({ length: count }, (_, i) => make(`${name}[${i}]`, i)));
}
