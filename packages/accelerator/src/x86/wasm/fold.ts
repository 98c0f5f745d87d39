import { constant32, constant64, type Value } from './value.ts';

/**
 * What an operator comes to on constants, or undefined: the folds that descriptions of instructions make likely.
 * Anything else is the host compiler's business.
 * @param name in the text format, such as `i32.add`
 */
export function foldConstants(name: string, [a, b]: readonly Value[]): Value | undefined {
  const x = a?.constant;
  const y = b?.constant;
  if (typeof x === 'number' && (b === undefined || typeof y === 'number')) {
    const n = (y ?? 0) as number;
    switch (name) {
      case 'i32.add':
        return constant32(x + n);
      case 'i32.sub':
        return constant32(x - n);
      case 'i32.and':
        return constant32(x & n);
      case 'i32.or':
        return constant32(x | n);
      case 'i32.xor':
        return constant32(x ^ n);
      case 'i32.shl':
        return constant32(x << n);
      case 'i32.shr_u':
        return constant32(x >>> n);
      case 'i32.eqz':
        return constant32(x === 0 ? 1 : 0);
      case 'i32.eq':
        return constant32(x === n ? 1 : 0);
      case 'i32.ne':
        return constant32(x === n ? 0 : 1);
      case 'i64.extend_i32_u':
        return constant64(x >>> 0);
      case 'i64.extend_i32_s':
        return constant64(x);
    }
  }
  if (y === 0 || y === 0n)
    switch (name.slice(4)) {
      case 'add':
      case 'sub':
      case 'or':
      case 'xor':
      case 'shl':
      case 'shr_u':
      case 'shr_s':
        return a;
    }
  if (typeof x === 'bigint' && name === 'i32.wrap_i64') return constant32(Number(BigInt.asIntN(32, x)));
  return undefined;
}

const OPPOSITE: Record<string, string> = { eq: 'ne', lt_s: 'ge_s', lt_u: 'ge_u', gt_s: 'le_s', gt_u: 'le_u' };
for (const [one, other] of Object.entries(OPPOSITE)) OPPOSITE[other] = one;

/** The operator that says the opposite of a comparison of integers; undefined for other operators. */
export function opposite(operator: string | undefined): string | undefined {
  const [type, name] = operator?.split('.') ?? [];
  const other = name && OPPOSITE[name];
  return other && type!.startsWith('i') ? `${type}.${other}` : undefined;
}
