/** What a run of the benchmark found; `--json` writes it as it is, with `summary` of summary.ts beside it. */
import type { Bits, Walk } from './programs.ts';

export const PEERS = ['soft', 'tcg', 'v86', 'native'] as const;
export type PeerName = (typeof PEERS)[number];

/** A contestant's runs of one program. */
export interface Cell {
  /** Milliseconds of each run, by the host's clock, between the arrival of its BEGIN and of its END. */
  readonly ms: number[];
  /** The same by the guest's clock. */
  readonly guestMs: number[];
  /** The program's output. */
  output?: string;
  /** Why there are no runs, or no more: the time limit, a status other than 0, a result other than the others'. */
  trouble?: { readonly kind: 'timeout' | 'failed' | 'wrong'; readonly detail: string };
}

export interface ProgramRow {
  readonly bits: Bits;
  readonly name: string;
  readonly size: number;
  readonly cells: Partial<Record<PeerName, Cell>>;
}

export interface BootRow {
  readonly bits: Bits;
  /** Milliseconds from the start of the process to the first line of the initramfs, each boot. */
  readonly ms: Partial<Record<PeerName, number[]>>;
}

/** After all programs; MiB. */
export interface MemoryRow {
  readonly bits: Bits;
  readonly peer: PeerName;
  /** Proportional set size of the process: shared pages counted by their share. */
  readonly total: number;
  /** Pages of guest RAM that are resident; undefined where the process does not show which they are. */
  readonly guest: number | undefined;
}

export interface WorkingSetRow {
  readonly walk: Walk;
  readonly mebibytes: number;
  /** Nanoseconds an access, each run. */
  readonly ns: Partial<Record<PeerName, number[]>>;
}

export interface Results {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memory: number };
  /** Of what took part, the guest's kernels and the commit. */
  readonly versions: Record<string, string>;
  /** Contestants that could not take part, and why. */
  readonly missing: Record<string, string>;
  readonly runs: number;
  /** Seconds that a program may take. */
  readonly limit: number;
  readonly boots: BootRow[];
  readonly programs: ProgramRow[];
  readonly memory: MemoryRow[];
  readonly workingSets: WorkingSetRow[];
}
