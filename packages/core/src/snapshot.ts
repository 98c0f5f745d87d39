import { MainboardError } from './errors.ts';
import { ACCELERATOR_ARENA, type GuestMemory } from './guest-memory.ts';
import type { DeviceSnapshot } from './instance.ts';
import type { CpuState } from './ports/cpu-state.ts';

/** A stretch of guest memory that is not all zero. */
export interface MemoryChunk {
  /** Bytes from the start of RAM and ROM. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A machine at an instruction boundary, as plain data. */
export interface MachineSnapshot {
  readonly machine: string;
  /** Virtual nanoseconds. */
  readonly now: number;
  readonly devices: Readonly<Record<string, DeviceSnapshot>>;
  readonly cpus: readonly CpuState[];
  /** Bytes of RAM and ROM. */
  readonly memorySize: number;
  readonly memory: readonly MemoryChunk[];
}

const CHUNK = 65_536;

const isZero = (words: Int32Array): boolean => {
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
};

/** Calls `visit` with each chunk of guest memory, as bytes and as words. */
function eachChunk(guest: GuestMemory, visit: (at: number, bytes: Uint8Array, words: Int32Array) => void): void {
  for (let at = 0; at < guest.size; at += CHUNK) {
    const offset = ACCELERATOR_ARENA + at;
    visit(at, guest.bytes.subarray(offset, offset + CHUNK), new Int32Array(guest.memory.buffer, offset, CHUNK / 4));
  }
}

export function saveMemory(guest: GuestMemory): MemoryChunk[] {
  const chunks: MemoryChunk[] = [];
  eachChunk(guest, (at, bytes, words) => {
    if (!isZero(words)) chunks.push({ at, bytes: new Uint8Array(bytes) });
  });
  return chunks;
}

/** @param announce called with offset and size before a chunk changes. @throws MainboardError `bad-snapshot` */
export function restoreMemory(
  guest: GuestMemory,
  snapshot: MachineSnapshot,
  announce: (offset: number, size: number) => void,
): void {
  if (snapshot.memorySize !== guest.size) {
    throw new MainboardError(
      'bad-snapshot',
      `The snapshot has ${snapshot.memorySize} bytes of memory, the machine ${guest.size}; build the machine with the options of then.`,
      {
        snapshot: snapshot.memorySize,
        machine: guest.size,
      },
    );
  }
  const saved = new Map(snapshot.memory.map(({ at, bytes }) => [at, bytes]));
  eachChunk(guest, (at, bytes, words) => {
    const content = saved.get(at);
    if (content === undefined && isZero(words)) return; // untouched pages stay untouched
    announce(ACCELERATOR_ARENA + at, CHUNK);
    if (content === undefined) bytes.fill(0);
    else bytes.set(content);
  });
}
