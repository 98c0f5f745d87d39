import type { DeviceInstance } from './instance.ts';
import type { PinScope } from './pin.ts';

/** More rounds than any sensible chain of chips needs until all pins are still. */
const ROUNDS = 16;

/**
 * Loads state into all devices of a board, then derives their outputs, in rounds until no pin moves any more. Nobody
 * is told of the changes: what an edge did is in the loaded state already, and before a reset there was no edge.
 */
export function settle(devices: ReadonlyMap<string, DeviceInstance>, scope: PinScope, load: () => void): void {
  scope.settling = true;
  try {
    load();
    for (let round = 0; round < ROUNDS; round++) {
      const before = scope.changes;
      for (const device of devices.values()) device.update();
      if (scope.changes === before) return;
    }
  } finally {
    scope.settling = false;
  }
}
