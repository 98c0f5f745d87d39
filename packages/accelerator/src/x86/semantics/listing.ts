import { GPRS } from '@mainboard/core';
import type { AddressWidth, Form, Width } from './form.ts';
import type {
  BinaryOperator,
  Cell,
  Comparison,
  ExactFunction,
  FrequentMsr,
  Lane,
  Ops,
  SegmentRole,
  StatusFlag,
  StringRun,
  SystemFlag,
  UnaryOperator,
  X87Function,
  X87Word,
} from './ops.ts';

// biome-ignore format: a table
const SYMBOL: Partial<Record<BinaryOperator | Comparison, string>> = {
  add: '+', sub: '-', mul: '×', and: '&', or: '|', xor: '^', shl: '<<', shr: '>>', sar: '>>ₛ',
  eq: '=', ne: '≠', ltU: '<', ltS: '<ₛ', gtU: '>', geU: '≥', geS: '≥ₛ', leU: '≤',
};

/** Name of a part of a general register: `al`, `ax`, `eax`, `rax`, `r8d`. */
function registerName(w: Width, n: number): string {
  const name = GPRS[n]!;
  if (n > 7) return name + { 8: 'b', 16: 'w', 32: 'd', 64: '' }[w];
  const short = name.slice(1);
  return { 8: short.endsWith('x') ? `${short[0]}l` : `${short}l`, 16: short, 32: `e${short}`, 64: name }[w];
}

/** The engine that writes an instruction down: a line for each step, for people and for tests of descriptions. */
export class Listing implements Ops<string> {
  readonly lines: string[] = [];
  readonly #form: Form;
  #indent = '';
  #temporaries = 0;

  constructor(form: Form) {
    this.#form = form;
  }

  #line(text: string): void {
    this.lines.push(this.#indent + text);
  }

  /** Gives a value a name. */
  #let(text: string): string {
    const name = `t${this.#temporaries++}`;
    this.#line(`${name} = ${text}`);
    return name;
  }

  #nested(body: () => void): void {
    const outer = this.#indent;
    this.#indent += '  ';
    body();
    this.#indent = outer;
  }

  constant(_w: Width, n: number | bigint): string {
    return n < 0 || n > 9 ? `${n < 0 ? '-' : ''}0x${(n < 0 ? -n : n).toString(16)}` : `${n}`;
  }
  binary(op: BinaryOperator, w: Width, a: string, b: string): string {
    return this.#let(SYMBOL[op] ? `${a} ${SYMBOL[op]}${w} ${b}` : `${op}${w}(${a}, ${b})`);
  }
  unary(op: UnaryOperator, w: Width, a: string): string {
    return this.#let(`${op}${w}(${a})`);
  }
  compare(op: Comparison, w: Width, a: string, b: string): string {
    return this.#let(`${a} ${SYMBOL[op]}${w} ${b}`);
  }
  select(condition: string, _w: Width, yes: string, no: string): string {
    return this.#let(`${condition} ? ${yes} : ${no}`);
  }
  zeroExtend(from: Width, to: Width, a: string): string {
    return this.#let(`zero${from}→${to}(${a})`);
  }
  signExtend(from: Width, to: Width, a: string): string {
    return this.#let(`sign${from}→${to}(${a})`);
  }
  truncate(from: Width, to: Width, a: string): string {
    return this.#let(`low${from}→${to}(${a})`);
  }

  #operand(n: number): string {
    return `operand${n}:${this.#form.operands[n]!.size}`;
  }
  read(operand: number): string {
    return this.#let(this.#operand(operand));
  }
  write(operand: number, value: string): void {
    this.#line(`${this.#operand(operand)} ← ${value}`);
  }
  modify(operand: number, change: (old: string) => string): void {
    this.write(operand, change(this.#let(`${this.#operand(operand)} (to be written)`)));
  }
  offset(operand: number): string {
    return this.#let(`offset of operand${operand}`);
  }
  linear(operand: number): string {
    return this.#let(`address of operand${operand}`);
  }

  gpr(w: Width, n: number): string {
    return this.#let(registerName(w, n));
  }
  setGpr(w: Width, n: number, value: string): void {
    this.#line(`${registerName(w, n)} ← ${value}`);
  }
  ah(): string {
    return this.#let('ah');
  }
  setAh(value: string): void {
    this.#line(`ah ← ${value}`);
  }
  nextRip(w: Width): string {
    return this.#let(`next rip:${w}`);
  }

  segment(role: SegmentRole, aw: AddressWidth, offset: string, bytes: number, write: boolean): string {
    return this.#let(`${role}:${offset} (${aw} bits, ${bytes} bytes${write ? ', to be written' : ''})`);
  }
  load(w: Width, linear: string): string {
    return this.#let(`memory${w}[${linear}]`);
  }
  store(w: Width, linear: string, value: string): void {
    this.#line(`memory${w}[${linear}] ← ${value}`);
  }
  probeWrite(bytes: number, linear: string): void {
    this.#line(`probe ${bytes} bytes at ${linear}`);
  }

  flagsAdd(w: Width, a: string, b: string, result: string): void {
    this.#line(`flags ← add${w}(${a}, ${b}) = ${result}`);
  }
  flagsSub(w: Width, a: string, b: string, result: string): void {
    this.#line(`flags ← sub${w}(${a}, ${b}) = ${result}`);
  }
  flagsStep(op: 'add' | 'sub', w: Width, a: string, result: string): void {
    this.#line(`flags but cf ← ${op}${w}(${a}, 1) = ${result}`);
  }
  flagsResult(w: Width, result: string, others: { cf?: string; of?: string; af?: string } = {}): void {
    const named = Object.entries(others).map(([name, value]) => `, ${name} ${value}`);
    this.#line(`flags ← result${w} ${result}${named.join('')}`);
  }
  setFlags(flags: { [F in StatusFlag]?: string }): void {
    for (const [name, value] of Object.entries(flags)) this.#line(`${name} ← ${value}`);
  }
  flag(name: StatusFlag): string {
    return this.#let(name);
  }
  condition(code: number): string {
    return this.#let(`condition ${code}`);
  }
  systemFlag(name: SystemFlag): string {
    return this.#let(name);
  }
  setSystemFlag(name: SystemFlag, condition: string): void {
    this.#line(`${name} ← ${condition}`);
  }
  rflags(): string {
    return this.#let('rflags');
  }
  mayChangeIf(): string {
    return this.#let('IF may be changed');
  }
  atLevel0(): string {
    return this.#let('cpl = 0');
  }
  setUserAccess(condition: string): void {
    this.#line(`ac, user access ← ${condition}`);
  }
  setRflags(value: string): void {
    this.#line(`rflags ← ${value}`);
  }
  packFlags(): string {
    return this.#let('flags as LAHF packs them');
  }
  unpackFlags(value: string): void {
    this.#line(`flags ← ${value} as SAHF takes them`);
  }

  uninterrupted(): string {
    return this.#let('the run goes on');
  }
  holdInterrupts(): void {
    this.#line('interrupts wait for the next instruction');
  }
  systemCallsEnabled(): string {
    return this.#let('efer.sce');
  }
  mayReadTimestamp(): string {
    return this.#let('the time-stamp counter may be read');
  }
  timestamp(): string {
    return this.#let('time-stamp counter');
  }
  msr(name: FrequentMsr): string {
    return this.#let(`msr ${name}`);
  }
  mayUseBases(): string {
    return this.#let('bases may be used');
  }
  segmentBase(n: 'fs' | 'gs'): string {
    return this.#let(`${n} base`);
  }
  setSegmentBase(n: 'fs' | 'gs', value: string): void {
    this.#line(`${n} base ← ${value}`);
  }
  swapGs(): void {
    this.#line('gs base ↔ kernel gs base');
  }
  returnsFlat(cs: string, ss: string, bits: 32 | 64): string {
    return this.#let(`flat segments of ${bits} bits for ${cs}, ${ss}`);
  }
  loadData(operand: number, selector: string): string {
    return this.#let(`operand${operand} ← ${selector}, if easily`);
  }
  flatStack(selector: string): void {
    this.#line(`ss ← ${selector}, flat`);
  }
  inFlatMode(): string {
    return this.#let('flat protected mode');
  }
  flatCode(selector: string, bits: 32 | 64 = 64): void {
    this.#line(`cs ← ${selector}, flat, ${bits} bits`);
  }

  if(condition: string, yes: () => void, no?: () => void): void {
    this.#line(`if ${condition}`);
    this.#nested(yes);
    if (!no) return;
    this.#line('else');
    this.#nested(no);
  }
  cell(_w: Width, initial: string): Cell<string> {
    const name = `v${this.#temporaries++}`;
    this.#line(`${name} := ${initial}`);
    return { get: () => this.#let(name), set: value => this.#line(`${name} := ${value}`) };
  }
  repeat(body: (stop: () => void) => void): void {
    this.#line('repeat');
    this.#nested(() => body(() => this.#line('stop')));
  }
  iteration(): void {
    this.#line('count an iteration');
  }
  iterations(run: StringRun, w: Width, limit: string, a: string, b: string): string {
    return this.#let(`iterations done of ${run}${w}(${a}, ${b}), up to ${limit}`);
  }
  branch(condition?: string): void {
    this.#line(condition === undefined ? 'go to the target' : `go to the target if ${condition}`);
  }
  jump(w: Width, target: string): void {
    this.#line(`go to ${target}:${w}`);
  }
  raise(vector: number, error?: number): void {
    this.#line(error === undefined ? `raise ${vector}` : `raise ${vector}(${error})`);
  }
  escape(): void {
    this.#line('escape');
  }

  floatState(): string {
    return this.#let('how MXCSR differs from the host');
  }
  denormalsNoted(): string {
    return this.#let('MXCSR lets denormals be');
  }
  exact(what: ExactFunction, x: string, y: string, r: string): string {
    return this.#let(`${what}(${x}, ${y}) is just ${r}`);
  }
  setFloatFlags(flags: number): void {
    this.#line(`MXCSR flags |= 0x${flags.toString(16)}`);
  }
  readVector(operand: number): string {
    return this.#let(`vector ${this.#operand(operand)}`);
  }
  writeVector(operand: number, value: string): void {
    this.#line(`vector ${this.#operand(operand)} ← ${value}`);
  }
  readLane(operand: number, lane: Lane): string {
    return this.#let(`${lane} of ${this.#operand(operand)}`);
  }
  writeLane(operand: number, lane: Lane, value: string): void {
    this.#line(`${lane} of ${this.#operand(operand)} ← ${value}`);
  }
  selectVector(condition: string, yes: string, no: string): string {
    return this.#let(`${condition} ? ${yes} : ${no}`);
  }
  xmm(n: number): string {
    return this.#let(`xmm${n}`);
  }
  setXmm(n: number, value: string): void {
    this.#line(`xmm${n} ← ${value}`);
  }
  vectorConstant(bytes: readonly number[]): string {
    return this.#let(`bytes ${bytes.map(byte => byte.toString(16).padStart(2, '0')).join('')}`);
  }
  vector(op: string, ...args: string[]): string {
    return this.#let(`${op}(${args.join(', ')})`);
  }
  lane(op: string, lane: number, ...args: string[]): string {
    return this.#let(`${op} ${lane}(${args.join(', ')})`);
  }
  shuffle(a: string, b: string, lanes: readonly number[]): string {
    return this.#let(`shuffle(${a}, ${b}; ${lanes.join(' ')})`);
  }

  x87Ready(): string {
    return this.#let('x87 unit ready');
  }
  x87Word(name: X87Word): string {
    return this.#let(`x87 ${name}`);
  }
  setX87Word(name: X87Word, value: string): void {
    this.#line(`x87 ${name} ← ${value}`);
  }
  x87Index(operand: number): string {
    return this.#let(`i of operand${operand}`);
  }
  x87Significand(register: string): string {
    return this.#let(`significand of r${register}`);
  }
  x87Exponent(register: string): string {
    return this.#let(`sign and exponent of r${register}`);
  }
  setX87(register: string, significand: string, exponent: string): void {
    this.#line(`r${register} ← ${exponent}:${significand}`);
  }
  x87(name: X87Function, ...args: string[]): string {
    return this.#let(`x87 ${name}(${args.join(', ')})`);
  }
  x87Pointers(): void {
    this.#line('last x87 instruction ← this');
  }
}
