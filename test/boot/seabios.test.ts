import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { Booted } from '../support/boot.ts';
import { kvm, kvmIrqchip, soft, type Way } from '../support/ways.ts';

jest.setTimeout(60_000);

/** Where distributions install it. */
const image = ['/usr/share/seabios/bios.bin', '/usr/share/qemu/bios.bin'].find(path => existsSync(path));

/** What SeaBIOS says on the debug console until it finds that nothing lets it write to its shadow RAM. */
async function said(way: Way): Promise<string> {
  const guest = new Booted('microvm', way, new Uint8Array(readFileSync(image!)));
  try {
    guest.machine.start();
    await guest.machine.until(() => guest.debug.text.includes('No space for init relocation'));
    return guest.debug.text;
  } finally {
    await guest.machine.dispose();
  }
}

describe.each([soft, kvm, kvmIrqchip])('$name', way => {
  const title = 'SeaBIOS, a firmware made for another board, runs as far as it can without a chipset';
  const missing =
    way.missing ?? (image === undefined ? 'SeaBIOS is not installed: apt-get install seabios' : undefined);
  if (missing !== undefined) test.skip(`${title} (${missing})`, () => {});
  else
    test(title, async () => {
      const text = await said(way);
      expect(text).toMatch(/^SeaBIOS \(version .*\)\nBUILD: .*\nUnable to unlock ram - bridge not found\n/);
      // The software CPU shows KVM's signature for the sake of its clock, the KVM accelerator hides it.
      expect(text).toBe((await said(soft)).replace(way === soft ? '' : 'Running on KVM\n', ''));
    });
});
