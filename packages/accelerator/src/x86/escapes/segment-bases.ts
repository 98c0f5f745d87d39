import { isCanonical } from '../canonical.ts';
import type { Cpu } from '../cpu.ts';
import { CR4, SEGREG } from '../registers.ts';
import type { Escape } from './escape.ts';

/** RDFSBASE and its kin (SDM vol. 2): #UD until the system allows them. */
function requireAllowed(cpu: Cpu): void {
  if (!(cpu.r.cr4 & CR4.fsgsbase)) cpu.ud();
}

const read =
  (n: number): Escape =>
  (cpu, i) => {
    requireAllowed(cpu);
    cpu.write(i, 0, BigInt.asUintN(i.opsize, cpu.r.base(n)));
  };

const write =
  (n: number): Escape =>
  (cpu, i) => {
    requireAllowed(cpu);
    const base = cpu.read(i, 0);
    if (!isCanonical(base)) cpu.gp();
    cpu.r.setBase(n, base);
  };

export const segmentBases = {
  rdfsbase: read(SEGREG.fs),
  rdgsbase: read(SEGREG.gs),
  wrfsbase: write(SEGREG.fs),
  wrgsbase: write(SEGREG.gs),
};
