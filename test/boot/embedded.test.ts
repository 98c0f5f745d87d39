import { describe, expect, jest, test } from '@jest/globals';
import { embeddedGuest } from '@mainboard/guests';
import { Booted } from '../support/boot.ts';
import { kvm, kvmIrqchip, soft, type Way } from '../support/ways.ts';

jest.setTimeout(60_000);

/** The embedded guest at its prompt, and what it said on the way there. */
async function atPrompt(machine: string, way: Way): Promise<{ guest: Booted; banner: string }> {
  const guest = new Booted(machine, way, embeddedGuest());
  guest.machine.start();
  return { guest, banner: await guest.see('\n> ') };
}

/** Types a line and gives the answer. */
async function ask(guest: Booted, line: string): Promise<string> {
  guest.serial.send(`${line}\r`);
  const answer = await guest.see('\n> ');
  return answer.slice(answer.indexOf('\n') + 1, -3);
}

const ON_MICROVM = ['20   interrupt controllers (8259A)', '40   timer (8254)', '70   real-time clock', '60   keyboard'];
const ON_BOTH = [
  'Mainboard embedded guest, 64-bit mode',
  'memory   16 MiB',
  '(16550A)',
  'debug console',
  'power register',
];

/** The in-kernel chips go with a board that has them. */
const PLACES = [
  ['microvm', soft],
  ['microvm', kvm],
  ['microvm', kvmIrqchip],
  ['bare', soft],
  ['bare', kvm],
] as const;

for (const [machine, way] of PLACES)
  describe(`${machine} ${way.name}`, () => {
    const what = (name: string, run: () => Promise<void>): void =>
      way.missing === undefined ? test(name, run) : test.skip(`${name} (${way.missing})`, () => {});

    what('lists what it finds, and Ctrl-D powers off with status 0', async () => {
      const { guest, banner } = await atPrompt(machine, way);
      try {
        for (const line of ON_BOTH) expect(banner).toContain(line);
        for (const line of ON_MICROVM) expect(banner.includes(line)).toBe(machine === 'microvm');
        expect(banner).toContain(machine === 'microvm' ? 'interrupts by IRQ 4' : 'interrupts straight to INTR');
        // Only KVM's own chips have a local APIC among them.
        expect(/\bapic\b/.test(banner)).toBe(way === kvmIrqchip);
        guest.serial.send('\x04');
        expect(await guest.ended).toEqual({ reason: 'poweroff', status: 0 });
      } finally {
        await guest.machine.dispose();
      }
    });

    what('every command answers', async () => {
      const { guest } = await atPrompt(machine, way);
      try {
        const help = await ask(guest, 'help');
        for (const command of ['mem', 'dev', 'irq', 'time', 'peek', 'poke', 'bench', 'reboot', 'poweroff'])
          expect(help).toContain(`\n  ${command}`);
        expect(await ask(guest, 'mem')).toMatch(/^memory {3}16 MiB/);
        expect(await ask(guest, 'dev')).toContain('16550A');
        expect(await ask(guest, 'irq')).toMatch(
          machine === 'microvm' ? /^irq 0: \d+ timer\r?\nirq 4: \d+ serial/ : /^intr: \d+ serial/,
        );
        expect(await ask(guest, 'time')).toMatch(
          machine === 'microvm' ? /^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\r?\nup \d+\.\d\d s/ : /^up \d+ ticks/,
        );
        expect(await ask(guest, 'poke 20000 5a')).toBe('');
        expect(await ask(guest, 'peek 20000 2')).toMatch(/^0{11}20000 {2}5a 00 /);
        expect(guest.machine.bus.memoryPeek(0x2_0000, 2)).toBe(0x5a);
        expect(await ask(guest, 'bench 10000')).toMatch(/^65536 instructions in \d+ (ns|ticks)/);
        expect(await ask(guest, 'frob')).toMatch(/^unknown command: frob/);
        guest.serial.send('poweroff\r');
        expect(await guest.ended).toEqual({ reason: 'poweroff', status: 0 });
      } finally {
        await guest.machine.dispose();
      }
    });

    what('reboot resets', async () => {
      const { guest } = await atPrompt(machine, way);
      try {
        guest.serial.send('reboot\r');
        const { reason, status } = await guest.ended;
        // `bare` has no reset register: the guest triple-faults.
        expect({ reason, status }).toEqual({ reason: machine === 'microvm' ? 'reset' : 'triple-fault', status: 0 });
      } finally {
        await guest.machine.dispose();
      }
    });
  });
