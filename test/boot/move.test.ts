import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { softModuleWith } from '@mainboard/accelerator/x86';
import { embeddedGuest } from '@mainboard/guests';
import { Booted } from '../support/boot.ts';
import { debianGuests } from '../support/debian.ts';
import { kvm, soft, type Way } from '../support/ways.ts';

jest.setTimeout(120_000);

/** Goes on with a running machine on another accelerator. */
async function moved(from: Booted, way: Way, what: ConstructorParameters<typeof Booted>[2]): Promise<Booted> {
  await from.machine.pause();
  const snapshot = from.machine.save();
  await from.machine.dispose();
  const to = new Booted('microvm', way, what);
  to.machine.restore(snapshot);
  to.machine.start();
  return to;
}

describe('a machine moves from one accelerator to the other while it runs', () => {
  const there = 'the embedded guest, to KVM and back';
  if (kvm.missing !== undefined) {
    test.skip(`${there} (${kvm.missing})`, () => {});
    test.skip(`Linux in the middle of its boot (${kvm.missing})`, () => {});
    return;
  }
  test(there, async () => {
    let guest = new Booted('microvm', soft, embeddedGuest());
    try {
      guest.machine.start();
      await guest.see('\n> ');
      guest.serial.send('poke 20000 5a\r');
      await guest.see('\n> ');
      for (const way of [kvm, soft, kvm]) {
        guest = await moved(guest, way, embeddedGuest());
        expect(guest.machine.accelerator.name).toBe(way === kvm ? 'kvm' : 'soft');
        guest.serial.send('peek 20000 1\r');
        expect(await guest.see('\n> ')).toMatch(/0{11}20000 {2}5a /);
        guest.serial.send('time\r');
        expect(await guest.see('\n> ')).toMatch(/up \d+\.\d\d s/);
      }
      guest.serial.send('\x04');
      expect(await guest.ended).toEqual({ reason: 'poweroff', status: 0 });
    } finally {
      await guest.machine.dispose();
    }
  });

  const linux = 'Linux in the middle of its boot, with its first lines on KVM';
  const { folder, missing } = debianGuests();
  if (missing !== undefined) {
    test.skip(`${linux} (${missing})`, () => {});
    return;
  }
  // Unpacking the kernel takes an emulating KVM minutes; in software it takes seconds.
  test(linux, async () => {
    const file = (name: string) => ({
      name,
      bytes: new Uint8Array(readFileSync(join(folder, 'amd64', name))),
    });
    const options = {
      memory: 256 << 20,
      kernel: file('vmlinuz'),
      initrd: file('initrd'),
      append: 'console=ttyS0 earlyprintk=serial,ttyS0,115200',
    };
    // A kernel that has found SMAP uses instructions that an emulating KVM does not know.
    const plain: Way = { ...soft, module: softModuleWith({ cpu: 'x86-64' }) };
    let guest = new Booted('microvm', plain, options);
    try {
      guest.machine.start();
      let text = await guest.see('Linux version');
      await guest.machine.pause();
      text += guest.serial.text;
      guest = await moved(guest, kvm, options);
      text += await guest.see('Zone ranges:');
      // Nothing is lost or said twice where the two meet.
      const map = [...text.matchAll(/BIOS-e820: (.*)\r$/gm)].map(match => match[1]);
      expect(map).toEqual([
        '[mem 0x0000000000000000-0x000000000009ffff] usable',
        '[mem 0x00000000000f0000-0x00000000000fffff] reserved',
        '[mem 0x0000000000100000-0x000000000fffffff] usable',
        '[mem 0x00000000ffff0000-0x00000000ffffffff] reserved',
      ]);
      expect(text).toContain('NX (Execute Disable) protection: active');
      expect(guest.errors).toEqual([]);
    } finally {
      await guest.machine.dispose();
    }
  });
});
