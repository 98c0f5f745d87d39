/** Exception vectors (SDM vol. 3 table 6-1). */
export const VECTOR = {
  de: 0,
  db: 1,
  nmi: 2,
  bp: 3,
  of: 4,
  br: 5,
  ud: 6,
  nm: 7,
  df: 8,
  ts: 10,
  np: 11,
  ss: 12,
  gp: 13,
  pf: 14,
  mf: 16,
  ac: 17,
  mc: 18,
  xm: 19,
} as const;

/** What TypeScript code throws to undo the instruction it carries out. One object, reused: a fault costs no allocation. */
export class Fault {
  vector = 0;
  /** Error code; ignored for vectors that push none. */
  error = 0;
}

/** Vectors that push an error code (SDM vol. 3 table 6-1): 8, 10–14, 17. */
export const pushesErrorCode = (vector: number): boolean => vector < 32 && ((0x0002_7d00 >>> vector) & 1) === 1;
