/** Bits 63:47 of an address are all alike (SDM vol. 1 §3.3.7.1). */
export function isCanonical(linear: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, linear)) === linear;
}

/** Bits 63:47 of an address, by its high half, are all alike. */
export const isCanonicalHigh = (high: number): boolean => high >> 15 === 0 || high >> 15 === -1;
