import { deviceModule } from '@mainboard/core';
import {
  debugConsole,
  debugExit,
  i8042,
  i8254,
  i8259,
  linuxBoot,
  mc146818,
  pm1Control,
  port92,
  portB,
  uart16550,
} from '@mainboard/devices';

/** The chips of `microvm`. Beside it a container needs an accelerator, a host, and backends or {@link unplugged}. */
export const microvmModule = deviceModule(
  debugConsole,
  debugExit,
  i8042,
  i8254,
  i8259,
  linuxBoot,
  mc146818,
  pm1Control,
  port92,
  portB,
  uart16550,
);
