/** The order of the run: contestants take turns at each program, so that a busy moment of the host hits them alike. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Contestant, output } from './contestant.ts';
import type { Guest } from './guest.ts';
import type { Peer } from './peers.ts';
import { type Bits, type Program, type Walk, WORKING_SETS } from './programs.ts';
import type { Cell, PeerName, ProgramRow, Results } from './results.ts';
import { type Outcome, Silent } from './session.ts';
import { median } from './statistics.ts';

/** MiB of guest RAM: for the programs, and for the largest working set. */
const MEMORY = 256;
const LARGE_MEMORY = 1536;
const NANOSECONDS = 1e6;

export interface Plan {
  readonly runs: number;
  /** Milliseconds that a program may take. */
  readonly limit: number;
  readonly say: (what: string) => void;
}

/** Contestants for one guest, ended whatever happens. */
async function withContestants(
  peers: readonly Peer[],
  guest: Guest,
  memory: number,
  use: (contestants: readonly Contestant[]) => Promise<void>,
): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'mainboard-bench-'));
  const contestants = peers.map(peer => new Contestant(peer, guest, memory, join(scratch, peer.name)));
  try {
    await use(contestants);
  } finally {
    for (const contestant of contestants) await contestant.end();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Boots each so many times; the last boot stays. @returns those that came up. */
async function boot(contestants: readonly Contestant[], bits: Bits, runs: number, results: Results, plan: Plan) {
  const ms: Partial<Record<PeerName, number[]>> = {};
  const up = new Set(contestants);
  for (let n = 1; n <= runs; n++)
    for (const contestant of [...up]) {
      const { name } = contestant;
      try {
        const took = await contestant.boot();
        if (contestant.boots) ms[name] = [...(ms[name] ?? []), took];
        if (n < runs) await contestant.end();
        plan.say(`boot ${n}/${runs}, ${bits}-bit, ${name}: ${(took / 1000).toFixed(2)} s`);
      } catch (error) {
        if (!(error instanceof Silent)) throw error;
        up.delete(contestant);
        results.missing[`${name}, ${bits}-bit`] = `does not boot: ${error.message}`;
        plan.say(`${name} does not boot: ${error.message}`);
      }
    }
  return { ms, up: [...up] };
}

/** @param boots whether it is a guest; the host's own clock needs no other, and no line on the way. */
function keep(cell: Cell, outcome: Outcome, boots: boolean): void {
  cell.ms.push(boots ? outcome.ms : outcome.guestMs);
  cell.guestMs.push(outcome.guestMs);
  cell.output ??= output(outcome);
  if (output(outcome) !== cell.output)
    cell.trouble = { kind: 'wrong', detail: `${output(outcome)}, and before ${cell.output}` };
}

/** All must print the same; the host's word counts most, then that of whom it is oldest. */
function judge({ cells }: ProgramRow): void {
  const right = (['native', 'tcg', 'v86'] as const).map(peer => cells[peer]?.output).find(text => text !== undefined);
  if (right === undefined) return;
  for (const cell of Object.values(cells))
    if (cell.output !== undefined && cell.output !== right)
      cell.trouble ??= { kind: 'wrong', detail: `${cell.output}, not ${right}` };
}

/** Boots, then runs programs; adds to the results. */
export async function measurePrograms(
  guest: Guest,
  peers: readonly Peer[],
  programs: readonly Program[],
  results: Results,
  plan: Plan,
): Promise<void> {
  const { bits } = guest;
  const able = peers.filter(peer => peer.bits.includes(bits));
  await withContestants(able, guest, MEMORY, async contestants => {
    const { ms, up } = await boot(contestants, bits, plan.runs, results, plan);
    if (Object.keys(ms).length > 0) results.boots.push({ bits, ms });
    const rows: ProgramRow[] = programs.map(({ name, size }) => ({
      bits,
      name,
      size,
      cells: Object.fromEntries(up.map(peer => [peer.name, { ms: [], guestMs: [] }])),
    }));
    results.programs.push(...rows);
    for (let n = 1; n <= plan.runs; n++)
      for (const row of rows) {
        const took: string[] = [];
        for (const contestant of up) {
          const cell = row.cells[contestant.name]!;
          if (!cell.trouble) {
            const outcome = await contestant.run(cell, row.name, [row.size], plan.limit);
            if (outcome) keep(cell, outcome, contestant.boots);
          }
          took.push(`${contestant.name} ${cell.trouble?.kind ?? cell.ms.at(-1)!.toFixed(0)}`);
        }
        plan.say(`run ${n}/${plan.runs}, ${bits}-bit, ${row.name}: ${took.join(', ')}`);
      }
    rows.forEach(judge);
    for (const contestant of up) {
      const memory = contestant.memory();
      if (memory) results.memory.push({ bits, peer: contestant.name, ...memory });
    }
  });
}

/** Milliseconds between the START and the STOP of working-set.c: by their arrival, or on the host as STOP says. */
function walked({ lines }: Outcome, boots: boolean): number | undefined {
  const [start, stop] = ['START', 'STOP'].map(word => lines.find(({ text }) => text.startsWith(word)));
  if (!start || !stop) return undefined;
  return boots ? stop.at - start.at : Number(stop.text.split(' ')[1]) / NANOSECONDS;
}

/** Accesses over working sets of all sizes; adds to the results. */
export async function measureWorkingSets(
  guest: Guest,
  peers: readonly Peer[],
  results: Results,
  plan: Plan,
): Promise<void> {
  const able = peers.filter(peer => peer.bits.includes(guest.bits));
  await withContestants(able, guest, LARGE_MEMORY, async contestants => {
    const { up } = await boot(contestants, guest.bits, 1, results, plan);
    const walks = Object.entries(WORKING_SETS.accesses) as [Walk, number][];
    const rows = walks.flatMap(([walk, accesses]) =>
      WORKING_SETS.mebibytes.map(mebibytes => ({
        walk,
        mebibytes,
        accesses,
        ns: {} as Partial<Record<PeerName, number[]>>,
        skip: new Set<Contestant>(),
      })),
    );
    for (let n = 1; n <= plan.runs; n++)
      for (const { walk, mebibytes, accesses, ns, skip } of rows) {
        for (const contestant of up.filter(one => !skip.has(one))) {
          const cell: Cell = { ms: [], guestMs: [] };
          const outcome = await contestant.run(cell, 'working-set', [walk, mebibytes, accesses], plan.limit);
          const ms = outcome && walked(outcome, contestant.boots);
          if (ms !== undefined) ns[contestant.name] = [...(ns[contestant.name] ?? []), (ms * NANOSECONDS) / accesses];
          else {
            skip.add(contestant);
            results.missing[`${contestant.name}, ${walk} over ${mebibytes} MiB`] =
              cell.trouble?.detail ?? 'it did not say when it started';
          }
        }
        const took = Object.entries(ns).map(([name, all]) => `${name} ${median(all).toFixed(2)}`);
        plan.say(`run ${n}/${plan.runs}, ${walk} over ${mebibytes} MiB, ns: ${took.join(', ')}`);
      }
    results.workingSets.push(...rows.map(({ walk, mebibytes, ns }) => ({ walk, mebibytes, ns })));
  });
}
