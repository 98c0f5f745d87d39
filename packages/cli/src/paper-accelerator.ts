import { Accelerator, type Vcpu } from '@mainboard/core';
import { ContainerModule } from 'inversify';

const never = (): never => {
  throw new Error('a machine on paper does not run');
};

/** A processor that is there to be wired. */
const vcpu = (index: number): Vcpu => ({
  index,
  run: never,
  kick() {},
  setIntr() {},
  setNmi() {},
  setA20() {},
  reset() {},
  save: never,
  restore: never,
});

/** For a machine that is only to be described: nothing of the host is opened. */
export const paperModule: ContainerModule = new ContainerModule(({ bind }) => {
  bind<Accelerator>(Accelerator).toConstantValue({ name: 'none', attach() {}, createVcpu: vcpu, dispose() {} });
});
