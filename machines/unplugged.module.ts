import { Chardev, KeyboardInput } from '@mainboard/core';
import { ContainerModule } from 'inversify';

/**
 * Nothing plugged in: a character channel that swallows what it gets and stays silent, a keyboard that nobody touches.
 * For every device that has no backend bound by its name: `bind(Chardev).toConstantValue(…).whenNamed('com1')`.
 */
export const unplugged: ContainerModule = new ContainerModule(({ bind }) => {
  bind<Chardev>(Chardev)
    .toConstantValue({ attach() {}, write: () => true, resume() {} })
    .whenDefault();
  bind<KeyboardInput>(KeyboardInput)
    .toConstantValue({ attach() {} })
    .whenDefault();
});
