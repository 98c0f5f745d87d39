import { createRequire } from 'node:module';
import { type Case, FPU_SIZE, type Outcome, WINDOW } from './case.ts';
import { flagNames, REGISTERS } from './compare.ts';
import { FXSAVE } from './floating-start.ts';
import type { Divergence } from './runner.ts';

const { Decoder, DecoderOptions, Formatter, FormatterSyntax } = createRequire(
  new URL('../../packages/accelerator/package.json', import.meta.url),
)('iced-x86') as typeof import('iced-x86');

/** The instructions of a case, one a line, with their addresses and bytes. */
export function disassemble({ code, rip, bits }: Case): string[] {
  const decoder = new Decoder(bits, code, DecoderOptions.None);
  const formatter = new Formatter(FormatterSyntax.Intel);
  const lines: string[] = [];
  decoder.ip = BigInt(rip);
  while (decoder.canDecode) {
    const at = decoder.position;
    const insn = decoder.decode();
    const bytes = Buffer.from(code.subarray(at, decoder.position)).toString('hex');
    lines.push(`${(rip + at).toString(16)}  ${bytes.padEnd(24)} ${formatter.format(insn)}`);
    insn.free();
  }
  formatter.free();
  decoder.free();
  return lines;
}

/** Fields of the FXSAVE image in a case's text: name, offset, bytes, what it is when not named. */
const FPU_FIELDS: readonly (readonly [name: string, at: number, size: number, usual: bigint])[] = [
  ['fcw', FXSAVE.control, 2, 0x37fn],
  ['fsw', FXSAVE.status, 2, 0n],
  ['tags', FXSAVE.tags, 1, 0n],
  ['mxcsr', FXSAVE.mxcsr, 4, 0x1f80n],
  ...Array.from({ length: 8 }, (_, n) => [`st${n}`, FXSAVE.st + 16 * n, 10, 0n] as const),
  ...Array.from({ length: 16 }, (_, n) => [`xmm${n}`, FXSAVE.xmm + 16 * n, 16, 0n] as const),
];

function readField(bytes: Uint8Array, at: number, size: number): bigint {
  return BigInt(
    `0x${Buffer.from(bytes.subarray(at, at + size))
      .reverse()
      .toString('hex')}`,
  );
}

/** Fields that are not what they usually are. */
const formatFpu = (fpu: Uint8Array): string[] =>
  FPU_FIELDS.flatMap(([name, at, size, usual]) => {
    const value = readField(fpu, at, size);
    return value === usual ? [] : [`${name}=${value.toString(16)}`];
  });

/** An FXSAVE image in which every field is as usual. */
export function usualFpu(): Uint8Array {
  return fpuOf(() => undefined);
}

function fpuOf(take: (name: string) => bigint | undefined): Uint8Array {
  const fpu = new Uint8Array(FPU_SIZE);
  for (const [name, at, size, usual] of FPU_FIELDS) {
    let value = take(name) ?? usual;
    for (let n = 0; n < size; n++, value >>= 8n) fpu[at + n] = Number(value & 0xffn);
  }
  return fpu;
}

const formatRegisters = (gpr: BigUint64Array): string[] =>
  [...gpr].flatMap((value, n) => (value ? [`${REGISTERS[n]}=${value.toString(16)}`] : []));

/** Text of a case that {@link parseCase} reads again. */
export function formatCase({ code, rip, gpr, flags, bits, window, fpu }: Case): string {
  const bytes = Buffer.from(window)
    .toString('hex')
    .replace(/(00)+$/, '');
  const hex = Buffer.from(code).toString('hex');
  return [
    `bits=${bits}`,
    `code=${hex}`,
    `rip=${rip.toString(16)}`,
    `flags=${flags.toString(16)}`,
    ...formatRegisters(gpr),
    ...formatFpu(fpu),
    ...(bytes ? [`window=${bytes}`] : []),
  ].join(' ');
}

/** Text of an outcome, to be compared with another's. */
export function formatOutcome({ vector, error, cr2, rip, flags, gpr, fpu, changed, changes }: Outcome): string {
  return [
    `vector=${vector}`,
    ...(error ? [`error=${error.toString(16)}`] : []),
    ...(cr2 ? [`cr2=${cr2.toString(16)}`] : []),
    `rip=${rip.toString(16)}`,
    `flags=${flags.toString(16)}`,
    ...formatRegisters(gpr),
    ...formatFpu(fpu),
    ...(changed ? [`changed=${changed}`] : []),
    ...changes.map(([at, value]) => `+${at.toString(16)}=${value.toString(16)}`),
  ].join(' ');
}

/** Reads `name=hexadecimal` pairs; what is not named is as usual. Throws on a name that no case has. */
export function parseCase(text: string): Case {
  const pairs = new Map(
    text
      .trim()
      .split(/\s+/)
      .map(pair => pair.split('=', 2) as [string, string]),
  );
  const take = (name: string): string => {
    const value = pairs.get(name) || '';
    pairs.delete(name);
    return value;
  };
  const given = take('bits');
  const bits = given === '32' ? 32 : given === '16' ? 16 : 64;
  const window = new Uint8Array(WINDOW.size);
  const code = Uint8Array.from(Buffer.from(take('code'), 'hex'));
  window.set(Buffer.from(take('window'), 'hex'));
  const gpr = BigUint64Array.from(REGISTERS, name => BigInt(`0x${take(name) || 0}`));
  const rip = Number.parseInt(take('rip') || '10000000', 16);
  const flags = Number.parseInt(take('flags') || '0', 16);
  const fpu = fpuOf(name => {
    const value = take(name);
    return value === '' ? undefined : BigInt(`0x${value}`);
  });
  for (const name of pairs.keys()) throw new Error(`a case has no '${name}'`);
  return { code, rip, gpr, flags, bits, window, fpu };
}

const PASTE_INTO = 'found.test.ts';

/** A divergence in full: the instructions, what went in, where the two differ, the case to paste, and a test. */
export function report(divergence: Divergence): string {
  const { case: made, silicon, differences, tier } = divergence;
  const title = `${made.row.opcode} ${made.row.mnemonic} ${made.row.operands.map(({ code }) => code).join(',')}`.trim();
  const text = formatCase(made);
  return [
    `${title} (${tier === 'off' ? 'interpreter' : 'JIT'})`,
    ...disassemble(made).map(line => `    ${line}`),
    `    before: flags ${flagNames(made.flags)}; ${[...formatRegisters(made.gpr), ...formatFpu(made.fpu)].join(' ')}`,
    ...differences.map(d => `    ${d.what}: silicon ${d.silicon}, software ${d.software}`),
    `    silicon ended with vector ${silicon.vector} at ${silicon.rip.toString(16)}`,
    `    --case '${text}'`,
    `    a test, for ${PASTE_INTO}:`,
    `      ['${title}',`,
    `        '${text}',`,
    `        '${formatOutcome(silicon)}'],`,
  ].join('\n');
}
