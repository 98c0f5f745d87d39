/** What the benchmark runs, and how much of it: 0.2 to 7 s each on QEMU's TCG, so that a serial line's delay is nothing. */

export type Bits = 32 | 64;

export interface Program {
  readonly name: string;
  /** In the program's own unit, see programs.c and workload.sh. */
  readonly size: number;
}

export const PROGRAMS: readonly Program[] = [
  { name: 'sha256', size: 64 },
  { name: 'md5', size: 64 },
  { name: 'gzip', size: 8 },
  { name: 'gunzip', size: 8 },
  { name: 'shell', size: 100_000 },
  { name: 'sort', size: 40_000 },
  { name: 'fib', size: 12 },
  { name: 'sieve', size: 60 },
  { name: 'wide', size: 24_000_000 },
  { name: 'matmul-sse', size: 500 },
  { name: 'matmul-x87', size: 40 },
  { name: 'copy', size: 200 },
  { name: 'repmovs', size: 200 },
  { name: 'syscalls', size: 400_000 },
  { name: 'faults', size: 60 },
  { name: 'forks', size: 400 },
  { name: 'pipes', size: 10_000 },
];

/** Accesses over a working set: `scan` stays in a page for 512, `stride` for 64, `chase` for hardly more than one. */
export const WORKING_SETS = {
  mebibytes: [1, 4, 16, 64, 256, 1024],
  /** In order, as often as the largest has words or lines, or a power of 2 times as often. */
  accesses: { scan: 1 << 27, stride: 1 << 26, chase: 1 << 22 },
} as const;

export type Walk = keyof typeof WORKING_SETS.accesses;
