import { deviceModule } from '@mainboard/core';
import { debugConsole, debugExit, linuxBoot, pm1Control, uart16550 } from '@mainboard/devices';

/** The chips of `bare`. Beside it a container needs an accelerator, a host, and backends or {@link unplugged}. */
export const bareModule = deviceModule(debugConsole, debugExit, linuxBoot, pm1Control, uart16550);
