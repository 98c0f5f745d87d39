import iced from 'iced-x86';
import { ALIASES, type Alias } from './aliases.ts';
import { encode, NO_PREFIXES, type Place, type Prefixes } from './encode.ts';
import { AssemblerError } from './errors.ts';
import { type Bits, type CodeName, type Form, formNamed, formsOf, isBranch, matches } from './forms.ts';
import { at, type LabelRef, type Operand, type Reg } from './operands.ts';

/** What {@link AssemblerCore.db} and its wider sisters take. A string is a label, except in `db`, where it is text. */
export type Datum = number | bigint | LabelRef | string;

/** One method per mnemonic, named as in the manuals, in lower case: `a.mov(rax, 1)`, `a.in(al, dx)`. */
export type Mnemonics = {
  readonly [M in Exclude<Lowercase<keyof typeof iced.Mnemonic> | Alias, keyof AssemblerCore>]: (
    ...operands: readonly Operand[]
  ) => void;
};
export type Assembler = AssemblerCore & Mnemonics;

export interface AssemblerOptions {
  /** Address of the first byte. 0 unless told otherwise. */
  readonly origin?: number | bigint;
  /** Mode of the first section; {@link AssemblerCore.bits} begins others. */
  readonly bits: Bits;
}

/** A piece of the program. All but `code` have their size from the beginning. */
type Item =
  | CodeItem
  | DataItem
  | { readonly kind: 'align' | 'org'; readonly to: bigint; readonly fill: number }
  | LabelItem;
interface LabelItem {
  readonly kind: 'label';
  readonly name: string;
}
interface Section {
  readonly bits: Bits;
  readonly base: bigint;
}
interface CodeItem {
  readonly kind: 'code';
  readonly text: string;
  /** Forms that take the operands, shortest first. */
  readonly forms: readonly { readonly form: Form; readonly size: number }[];
  /** Which of the forms is in use; grows when a short branch does not reach. */
  chosen: number;
  readonly operands: readonly Operand[];
  readonly prefixes: Prefixes;
  readonly section: Section;
}
interface DataItem {
  readonly kind: 'data';
  readonly size: number;
  readonly bytes: Uint8Array | undefined;
  readonly values: readonly (bigint | LabelRef)[];
  readonly width: number;
  readonly section: Section;
}

class AssemblerCore {
  readonly #items: Item[] = [];
  readonly #addresses = new Map<string, bigint>();
  readonly #origin: bigint;
  #section: Section;
  #prefixes: Prefixes = NO_PREFIXES;
  #fresh = 0;

  constructor(options: AssemblerOptions) {
    this.#origin = BigInt(options.origin ?? 0);
    this.#section = { bits: options.bits, base: 0n };
  }

  /**
   * Begins a section of 16-, 32- or 64-bit code.
   * @param base what the code segment begins at: labels are used less this number, so that code at linear F1234h
   *   in a section with base F0000h sees itself at offset 1234h.
   */
  bits(bits: Bits, base: number | bigint = 0): void {
    this.#section = { bits, base: BigInt(base) };
  }

  label(name: string): void {
    if (this.#addresses.has(name))
      throw new AssemblerError('label-twice', `The label "${name}" is defined twice; give one of them another name.`);
    this.#addresses.set(name, 0n);
    this.#items.push({ kind: 'label', name });
  }

  /** A label name that nobody else has, for macros; {@link label} puts it somewhere. */
  fresh(hint = 'local'): string {
    this.#fresh++;
    return `.${hint}${this.#fresh}`;
  }

  /** Bytes; strings are ASCII text. */
  db(...data: readonly (number | bigint | string | Uint8Array)[]): void {
    const bytes = data.flatMap(datum =>
      typeof datum === 'string'
        ? [...datum].map(c => c.charCodeAt(0))
        : datum instanceof Uint8Array
          ? [...datum]
          : [Number(datum)],
    );
    this.#data(Uint8Array.from(bytes), [], 1, bytes.length);
  }

  /** 16-bit words. */
  dw(...data: readonly Datum[]): void {
    this.#values(data, 2);
  }

  /** 32-bit words. */
  dd(...data: readonly Datum[]): void {
    this.#values(data, 4);
  }

  /** 64-bit words. */
  dq(...data: readonly Datum[]): void {
    this.#values(data, 8);
  }

  /** ASCII text and a zero byte. */
  asciz(text: string): void {
    this.db(text, 0);
  }

  /** `count` times the same byte. */
  fill(count: number, value = 0): void {
    this.db(new Uint8Array(count).fill(value));
  }

  /** Fills with `fill` up to a multiple of `boundary` bytes. */
  align(boundary: number, fill = 0): void {
    this.#items.push({ kind: 'align', to: BigInt(boundary), fill });
  }

  /** Fills with `fill` up to `address`. */
  org(address: number | bigint, fill = 0): void {
    this.#items.push({ kind: 'org', to: BigInt(address), fill });
  }

  /** The prefix of the next instruction: `a.rep().movsb()`. */
  rep(): Assembler {
    return this.#prefix({ rep: 'rep' });
  }
  repe(): Assembler {
    return this.rep();
  }
  repne(): Assembler {
    return this.#prefix({ rep: 'repne' });
  }
  lock(): Assembler {
    return this.#prefix({ lock: true });
  }
  /** Segment override of the next string instruction; memory operands take theirs as a term. */
  seg(register: Reg): Assembler {
    return this.#prefix({ segment: register.id });
  }

  /** The form of an instruction that iced-x86 calls `name`, where size or opcode matter: `a.exact('Retfq')`. */
  exact(name: CodeName, ...operands: readonly Operand[]): void {
    this.#emit(name, [formNamed(name)], operands);
  }

  /** An instruction by its mnemonic in lower case; the methods of {@link Mnemonics} call this. */
  instruction(mnemonic: string, ...operands: readonly Operand[]): void {
    this.#emit(mnemonic, formsOf(mnemonic), operands);
  }

  /** The address of a label, after {@link assemble}. */
  address(name: string): bigint {
    const address = this.#addresses.get(name);
    if (address === undefined)
      throw new AssemblerError('label-undefined', `No label "${name}"; define it with label('${name}').`);
    return address;
  }

  /**
   * The program from its origin to its last byte.
   * @throws {AssemblerError} for labels that are missing and operands out of range.
   */
  assemble(): Uint8Array {
    for (;;) {
      const end = this.#layOut();
      const grown = this.#growBranches();
      if (!grown) return this.#write(Number(end - this.#origin));
    }
  }

  #prefix(prefixes: Partial<Prefixes>): Assembler {
    this.#prefixes = { ...this.#prefixes, ...prefixes };
    return this as unknown as Assembler;
  }

  #values(data: readonly Datum[], width: number): void {
    const values = data.map(datum =>
      typeof datum === 'string' ? at(datum) : typeof datum === 'object' ? datum : BigInt(datum),
    );
    this.#data(undefined, values, width, values.length * width);
  }

  #data(bytes: Uint8Array | undefined, values: readonly (bigint | LabelRef)[], width: number, size: number): void {
    this.#items.push({ kind: 'data', bytes, values, width, size, section: this.#section });
  }

  #emit(mnemonic: string, candidates: readonly Form[], operands: readonly Operand[]): void {
    const section = this.#section;
    const prefixes = this.#prefixes;
    this.#prefixes = NO_PREFIXES;
    const text = `${mnemonic} ${operands.map(show).join(', ')} (${section.bits} bits)`;
    const fitting = ofDefaultSize(
      candidates.filter(form => matches(form, operands, section.bits)),
      operands,
      section.bits,
    );
    requireSize(text, fitting, operands);
    // Every label is taken to be near and small here; `assemble` puts in the truth.
    const place: Place = { bits: section.bits, ip: 0n, resolve: () => 0n };
    const forms = fitting
      .map(form => ({ form, size: encode(form, near(form, operands), prefixes, place)?.length ?? 0 }))
      .filter(({ size }) => size > 0)
      .sort((a, b) => a.size - b.size);
    if (forms.length === 0)
      throw new AssemblerError('no-such-form', `No form of ${text} exists; look at its operands.`);
    this.#items.push({ kind: 'code', text, forms, chosen: 0, operands, prefixes, section });
  }

  /** Gives every label its address for the forms chosen so far. @returns the address after the last byte. */
  #layOut(): bigint {
    let address = this.#origin;
    for (const item of this.#items)
      if (item.kind === 'label') this.#addresses.set(item.name, address);
      else address += BigInt(this.#size(item, address));
    return address;
  }

  #size(item: Exclude<Item, LabelItem>, address: bigint): number {
    switch (item.kind) {
      case 'code':
        return item.forms[item.chosen]!.size;
      case 'data':
        return item.size;
      case 'align':
        return Number((item.to - (address % item.to)) % item.to);
      case 'org':
        if (address > item.to)
          throw new AssemblerError(
            'org-backwards',
            `The program is at ${address.toString(16)}h already; org ${item.to.toString(16)}h cannot go back.`,
          );
        return Number(item.to - address);
    }
  }

  /** Gives a longer form to each branch that does not reach. Forms only grow, so this comes to an end. */
  #growBranches(): boolean {
    let grown = false;
    let address = this.#origin;
    for (const item of this.#items) {
      if (item.kind === 'label') continue;
      const size = this.#size(item, address);
      if (item.kind === 'code' && item.forms.length > item.chosen + 1 && isBranch(item.forms[0]!.form.kinds[0] ?? 0))
        if (!this.#bytes(item, address)) {
          item.chosen++;
          grown = true;
        }
      address += BigInt(size);
    }
    return grown;
  }

  #bytes(item: CodeItem, address: bigint): Uint8Array | undefined {
    const { bits, base } = item.section;
    const place: Place = { bits, ip: address - base, resolve: ref => this.#resolve(ref, item.section) };
    return encode(item.forms[item.chosen]!.form, item.operands, item.prefixes, place);
  }

  #resolve(ref: LabelRef, section: Section): bigint {
    const value = this.address(ref.name) + BigInt(ref.plus);
    if (ref.minus !== undefined) return value - this.address(ref.minus);
    return ref.linear ? value : value - section.base;
  }

  #write(size: number): Uint8Array {
    const image = new Uint8Array(size);
    let address = this.#origin;
    for (const item of this.#items) {
      if (item.kind === 'label') continue;
      const start = Number(address - this.#origin);
      const length = this.#size(item, address);
      if (item.kind === 'code') {
        const bytes = this.#bytes(item, address);
        if (bytes?.length !== length)
          throw new AssemblerError(
            'out-of-range',
            `An operand of ${item.text} at ${address.toString(16)}h does not fit.`,
          );
        image.set(bytes, start);
      } else if (item.kind === 'data') this.#writeData(item, image, start);
      else image.fill(item.fill, start, start + length);
      address += BigInt(length);
    }
    return image;
  }

  #writeData(item: DataItem, image: Uint8Array, start: number): void {
    if (item.bytes) image.set(item.bytes, start);
    for (const [i, value] of item.values.entries()) {
      let rest = typeof value === 'bigint' ? value : this.#resolve(value, item.section);
      if (BigInt.asUintN(item.width * 8, rest) !== rest && BigInt.asIntN(item.width * 8, rest) !== rest)
        throw new AssemblerError('out-of-range', `${rest.toString(16)}h does not fit into ${item.width} bytes.`);
      for (let j = 0; j < item.width; j++, rest >>= 8n) image[start + i * item.width + j] = Number(rest & 0xffn);
    }
  }
}

function define(method: string, mnemonic: string): void {
  Object.defineProperty(AssemblerCore.prototype, method, {
    value(this: AssemblerCore, ...operands: readonly Operand[]) {
      this.instruction(mnemonic, ...operands);
    },
  });
}
for (const name of Object.keys(iced.Mnemonic).map(key => key.toLowerCase()))
  if (!/^\d/.test(name) && !(name in AssemblerCore.prototype)) define(name, name);
for (const [alias, name] of Object.entries(ALIASES)) define(alias, name);

/** A new, empty program. */
export function assembler(options: AssemblerOptions): Assembler {
  return new AssemblerCore(options) as unknown as Assembler;
}

/** While forms are measured, a branch goes to itself, so that the short forms count. */
function near(form: Form, operands: readonly Operand[]): readonly Operand[] {
  return isBranch(form.kinds[0] ?? 0) ? [0] : operands;
}

/** `mov [rbx], 1` says nothing of the size: the forms that fit differ in it, and nothing else decides. */
function requireSize(text: string, fitting: readonly Form[], operands: readonly Operand[]): void {
  const unsized = operands.some(o => typeof o === 'object' && o.kind === 'memory' && o.size === 0);
  if (!unsized || operands.some(o => typeof o === 'object' && o.kind === 'register')) return;
  const sizes = new Set(fitting.map(form => form.memoryBytes).filter(size => size > 0 && size <= 8 && size !== 6));
  if (sizes.size > 1)
    throw new AssemblerError(
      'size-unknown',
      `${text} may have several sizes; write byte(…), word(…), dword(…) or qword(…).`,
    );
}

/** `push 1234h` and `ret` say nothing of the size: the mode's own counts, although a 16-bit form may be shorter. */
function ofDefaultSize(fitting: readonly Form[], operands: readonly Operand[], bits: Bits): readonly Form[] {
  const sized = operands.some(o => typeof o === 'object' && (o.kind === 'register' || o.kind === 'memory'));
  if (sized) return fitting;
  const other = bits === 16 ? 32 : 16;
  const own = fitting.filter(form => form.operandSize !== other);
  return own.length > 0 ? own : fitting;
}

function show(operand: Operand): string {
  if (typeof operand !== 'object') return String(operand);
  if (operand.kind === 'register' || operand.kind === 'label') return operand.name;
  return operand.kind === 'memory' ? '[memory]' : 'far pointer';
}
