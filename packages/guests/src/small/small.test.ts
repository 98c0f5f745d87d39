import { describe, expect, jest, test } from '@jest/globals';
import { hasQemu, QEMU, runInQemu } from '../run-in-qemu.ts';
import * as small from './index.ts';

// An emulator on a busy host.
jest.setTimeout(60_000);

const images = {
  spin: small.spinGuest(),
  count: small.countGuest(),
  loop: small.loopGuest(1_000_000),
  halt: small.haltGuest(),
  tick: small.tickGuest(),
  'triple fault': small.tripleFaultGuest(),
  nowhere: small.nowhereGuest(),
  'port chaos': small.portChaosGuest(),
  'hole chaos': small.holeChaosGuest(),
};

for (const [name, image] of Object.entries(images))
  test(`${name}: 4 KiB, with a far jump to F000 at the reset vector`, () => {
    expect(image.length).toBe(4096);
    expect(image.at(-16)).toBe(0xea);
    expect(image.slice(-13, -11)).toEqual(Uint8Array.of(0x00, 0xf0));
  });

test('the seed of the chaos is in the image', () =>
  expect(small.portChaosGuest({ seed: 1 })).not.toEqual(small.portChaosGuest({ seed: 2 })));

const name = hasQemu ? 'on QEMU' : `on QEMU (skipped: no ${QEMU} on this host)`;
(hasQemu ? describe : describe.skip)(name, () => {
  test('the loop ends with the debug exit', async () => expect((await runInQemu(images.loop)).status).toBe(33));
  test('the triple fault resets', async () => expect((await runInQemu(images['triple fault'])).status).toBe(0));
  test('the hole chaos comes to its end', async () => expect((await runInQemu(images['hole chaos'])).status).toBe(33));
});
