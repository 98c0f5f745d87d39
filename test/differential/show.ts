import { createRequire } from 'node:module';
import { type Case, WINDOW } from './case.ts';
import { flagNames, REGISTERS } from './compare.ts';
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

/** Text of a case that {@link parseCase} reads again. */
export function formatCase({ code, rip, gpr, flags, bits, window }: Case): string {
  const registers = [...gpr].flatMap((value, n) => (value ? [`${REGISTERS[n]}=${value.toString(16)}`] : []));
  const bytes = Buffer.from(window)
    .toString('hex')
    .replace(/(00)+$/, '');
  const hex = Buffer.from(code).toString('hex');
  return [
    `bits=${bits}`,
    `code=${hex}`,
    `rip=${rip.toString(16)}`,
    `flags=${flags.toString(16)}`,
    ...registers,
    `window=${bytes}`,
  ].join(' ');
}

/** Reads `name=hexadecimal` pairs; what is not named is 0. Throws on a name that no case has. */
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
  for (const name of pairs.keys()) throw new Error(`a case has no '${name}'`);
  return { code, rip, gpr, flags, bits, window };
}

/** A divergence in full: the instructions, what went in, where the two differ, and the case to paste. */
export function report({ case: made, silicon, differences }: Divergence): string {
  const registers = [...made.gpr].flatMap((value, n) => (value ? [`${REGISTERS[n]}=${value.toString(16)}`] : []));
  return [
    `${made.row.opcode} ${made.row.mnemonic} ${made.row.operands.map(({ code }) => code).join(',')}`,
    ...disassemble(made).map(line => `    ${line}`),
    `    before: flags ${flagNames(made.flags)}; ${registers.join(' ')}`,
    ...differences.map(d => `    ${d.what}: silicon ${d.silicon}, software ${d.software}`),
    `    silicon ended with vector ${silicon.vector} at ${silicon.rip.toString(16)}`,
    `    --case '${formatCase(made)}'`,
  ].join('\n');
}
