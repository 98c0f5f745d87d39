import { expect, test } from '@jest/globals';
import { identityPageTables } from './page-tables.ts';

const BASE = 0x9000;
const tables = new DataView(identityPageTables(BASE).buffer);

/** Walks the tables as the processor does (Intel SDM vol. 3 §4.5.4). */
function translate(address: number): number | undefined {
  const entry = (table: number, index: number) => tables.getUint32(table - BASE + index * 8, true);
  const pml4e = entry(BASE, Math.floor(address / 2 ** 39) & 511);
  const pdpte = entry(pml4e & ~0xfff, Math.floor(address / 2 ** 30) & 511);
  if (!(pdpte & 1)) return undefined;
  const pde = entry(pdpte & ~0xfff, Math.floor(address / 2 ** 21) & 511);
  return pde & 0x81 ? ((pde & ~0x1f_ffff) >>> 0) + (address % 2 ** 21) : undefined;
}

test('§4.5.4: the first 4 GiB lie at themselves, what follows is not mapped', () => {
  for (const address of [0, 0x9000, 0x1f_ffff, 0x100_0200, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0])
    expect(translate(address)).toBe(address);
  expect(translate(2 ** 32)).toBeUndefined();
});
