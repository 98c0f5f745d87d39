/**
 * What an access to memory is for: added to its size in bytes, it makes the `info` that `Mmu.translate` is called
 * with. `modify` reads and writes; `probe` only faults where a write would. `stack` comes on top where the address is
 * one of SS: not canonical, it is #SS instead of #GP (SDM vol. 3 §6.15).
 */
export const ACCESS = {
  read: 0x000,
  write: 0x100,
  modify: 0x200,
  execute: 0x300,
  probe: 0x400,
  stack: 0x800,
} as const;
