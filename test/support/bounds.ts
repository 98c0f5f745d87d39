import { ACCELERATOR_ARENA, type Machine } from '@mainboard/core';
import { MSR_WORD } from '../../packages/accelerator/src/x86/msr.ts';
import { CONTEXTS, JUMP_CACHE, RECORDS, STATE, TLB } from '../../packages/accelerator/src/x86/state.ts';

/** Every page to which a guest's address may come, by its offset in the memory: 1 RAM, 2 ROM. */
function pages(machine: Machine): Map<number, number> {
  const found = new Map<number, number>();
  for (const { kind, offset, size } of machine.bus.regions())
    if (kind !== 'window') for (let at = offset; at < offset + size; at += 4096) found.set(at, kind === 'ram' ? 1 : 2);
  return found;
}

/** What a guest of the software CPU reached that it must not reach; nothing, as it should be. */
export function trespasses(machine: Machine): string[] {
  const { guest } = machine;
  const found: string[] = [];
  const clean = (what: string, from: number, to: number): void => {
    if (Buffer.compare(guest.bytes.subarray(from, to), new Uint8Array(to - from)) !== 0)
      found.push(`${what}: a byte has changed`);
  };
  clean('behind the registers', STATE.msrs + 8 * Object.keys(MSR_WORD).length, TLB.base);
  clean('behind the TLB', TLB.base + TLB.count * TLB.size, JUMP_CACHE.base);
  clean('behind the jump cache', JUMP_CACHE.base + JUMP_CACHE.entries * JUMP_CACHE.entrySize, CONTEXTS.list);
  clean('behind the list of entries', CONTEXTS.list + 4 * CONTEXTS.listed, CONTEXTS.base);
  clean('behind the contexts', CONTEXTS.base + CONTEXTS.count * CONTEXTS.size, RECORDS.base);
  clean('behind the records', RECORDS.end, ACCELERATOR_ARENA);
  // The RAM that lies under the hole below 1 MiB, and what follows the last block.
  clean('RAM that is not mapped', ACCELERATOR_ARENA + 0xa_0000, ACCELERATOR_ARENA + 0x10_0000);
  const last = machine.board.blocks.at(-1)!;
  clean('behind the last block', last.offset + last.size, guest.bytes.length);
  for (const { name, contents, offset } of machine.board.blocks)
    if (
      contents !== undefined &&
      Buffer.compare(guest.bytes.subarray(offset, offset + contents.length), contents) !== 0
    )
      found.push(`${name} has changed`);

  const mapped = pages(machine);
  const words = new Int32Array(guest.memory.buffer);
  for (let at = TLB.base; at < TLB.base + TLB.count * TLB.size; at += TLB.entrySize)
    for (const [tag, allowed] of [
      [TLB.read, 3],
      [TLB.write, 1],
      [TLB.execute, 3],
    ] as const) {
      const low = words[(at + tag) / 4]!;
      if (low === -1 && words[(at + tag) / 4 + 1] === -1) continue;
      const offset = (low + words[(at + TLB.addend) / 4]!) >>> 0;
      if (((mapped.get(offset) ?? 0) & allowed) === 0)
        found.push(`the TLB leads to ${offset.toString(16)} (tag ${tag / 8})`);
    }
  return found;
}
