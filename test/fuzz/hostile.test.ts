import { describe, expect, jest, test } from '@jest/globals';
import type { Ending } from '@mainboard/core';
import { holeChaosGuest, nowhereGuest, portChaosGuest, tripleFaultGuest } from '@mainboard/guests/small';
import { Booted } from '../support/boot.ts';
import { kvm, kvmIrqchip, soft } from '../support/ways.ts';

// An emulating KVM takes its time over all ports.
jest.setTimeout(120_000);

const finished: Ending = { reason: 'exit', status: 33 };

/** Runs a guest to its end, or for so many virtual nanoseconds. @returns how it ended, or its state then. */
async function outcome(guest: Booted, patience = Number.POSITIVE_INFINITY): Promise<Ending | string> {
  const { machine } = guest;
  machine.start();
  await machine.until('exit', patience).catch(() => {});
  // Nobody but the guest is to blame, and no error that it makes may be an internal one.
  expect(guest.errors.filter(error => /internal error/.test(error))).toEqual([]);
  return machine.ending ?? machine.state;
}

describe.each([soft, kvm, kvmIrqchip])('$name', way => {
  const what = (name: string, firmware: Uint8Array, check: (guest: Booted) => Promise<void>): void => {
    if (way.missing !== undefined) {
      test.skip(`${name} (${way.missing})`, () => {});
      return;
    }
    test(name, async () => {
      const guest = new Booted('microvm', way, firmware);
      try {
        await check(guest);
      } finally {
        await guest.machine.dispose();
      }
    });
  };

  what('a triple fault ends the machine', tripleFaultGuest(), async guest => {
    expect(await outcome(guest)).toEqual({ reason: 'triple-fault', status: 0 });
  });

  // Nothing there reads as FFh, FFh: an invalid opcode, and there is no handler.
  what('a jump into nowhere ends the machine', nowhereGuest(), async guest => {
    const ending = await outcome(guest, 5e9);
    // An emulating KVM cannot fetch from nowhere and gives the machine up, which is an end as well.
    expect(
      way.complete
        ? [{ reason: 'triple-fault', status: 0 }]
        : [
            { reason: 'triple-fault', status: 0 },
            { reason: 'error', status: 1 },
          ],
    ).toContainEqual(ending);
  });

  what('a jump into the hole below 1 MiB ends the machine', nowhereGuest(0xa_0000), async guest => {
    expect(['triple-fault', 'error']).toContain(((await outcome(guest, 5e9)) as Ending).reason);
  });

  what('writes to every port do not end it', portChaosGuest(), async guest => {
    expect(await outcome(guest)).toEqual(finished);
  });

  what(
    'writes to every port, those that reset and end it too',
    portChaosGuest({ spare: [], rounds: 2 }),
    async guest => {
      expect(['reset', 'exit', 'poweroff']).toContain(((await outcome(guest)) as Ending).reason);
    },
  );

  what(
    'hammering a hole of the memory map',
    holeChaosGuest({ count: way.complete ? 100_000 : 10_000 }),
    async guest => {
      expect(await outcome(guest)).toEqual(finished);
      expect(guest.machine.board.memory.unhandled.writes).toBeGreaterThan(10_000);
    },
  );
});
