import type { Guest } from './guest.ts';
import type { Peer } from './peers.ts';
import { residentMemory, totalMemory } from './process-memory.ts';
import type { Cell, PeerName } from './results.ts';
import { type Outcome, Session, Silent } from './session.ts';

/** MiB of the software CPU's own, before guest RAM: core's `ACCELERATOR_ARENA`. */
const ARENA = 128;
/** Milliseconds that a boot may take. */
const BOOT_LIMIT = 600_000;

/** A peer with one guest: boots it, boots it anew when it hangs, and keeps what its programs took. */
export class Contestant {
  readonly name: PeerName;
  readonly #peer: Peer;
  readonly #guest: Guest;
  readonly #memory: number;
  readonly #scratch: string;
  #session: Session | undefined;

  /** @param memory MiB of guest RAM. @param scratch folder for a run on the host. */
  constructor(peer: Peer, guest: Guest, memory: number, scratch: string) {
    this.name = peer.name;
    this.#peer = peer;
    this.#guest = guest;
    this.#memory = memory;
    this.#scratch = scratch;
  }

  get boots(): boolean {
    return this.#peer.boots;
  }

  /** Starts from nothing. @returns ms to the first line of the initramfs. @throws {Silent} */
  async boot(): Promise<number> {
    await this.end();
    this.#session = new Session(this.#peer.command(this.#guest, this.#memory, this.#scratch));
    try {
      return await this.#session.boot(BOOT_LIMIT);
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    await this.#session?.end();
    this.#session = undefined;
  }

  /** Runs a program once. @param limit ms. @returns undefined when it failed; the cell then says why. */
  async run(cell: Cell, name: string, args: readonly (string | number)[], limit: number): Promise<Outcome | undefined> {
    try {
      if (!this.#session) await this.boot();
      const outcome = await this.#session!.run(name, args, limit);
      if (outcome.status === 0) return outcome;
      cell.trouble = { kind: 'failed', detail: `status ${outcome.status}: ${output(outcome)}` };
    } catch (error) {
      if (!(error instanceof Silent)) throw error;
      cell.trouble = error.isTimeout
        ? { kind: 'timeout', detail: `more than ${limit / 1000} s` }
        : { kind: 'failed', detail: error.message };
      const goesOn = error.isTimeout && (await this.#session?.interrupt(name));
      if (!goesOn) await this.end();
    }
    return undefined;
  }

  /** MiB of the process, and of the guest's RAM in it. */
  memory(): { total: number; guest: number | undefined } | undefined {
    if (!this.#session || !this.boots) return undefined;
    const { pid } = this.#session;
    const total = totalMemory(pid);
    // v86's guest lies somewhere in its own heap.
    if (this.name === 'v86') return { total, guest: undefined };
    return { total, guest: residentMemory(pid, this.name === 'soft' ? ARENA : 0, this.#memory) };
  }
}

/** What a program printed, on one line. */
export const output = ({ lines }: Outcome): string =>
  lines
    .map(({ text }) => text.trim())
    .filter(text => text !== '')
    .join(' | ');
