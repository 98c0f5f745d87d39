import { readFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { embeddedGuest } from '../index.ts';
import { hasQemu, QEMU, runInQemu } from '../run-in-qemu.ts';
import { moduleText } from './image-module.ts';
import { assembleEmbedded } from './index.ts';

// An emulator on a busy host.
jest.setTimeout(60_000);

test('the image in the repository is the one that the sources give (else: npm run generate -w @mainboard/guests)', () => {
  const image = assembleEmbedded();
  expect(embeddedGuest()).toEqual(image);
  expect(readFileSync(new URL('image.ts', import.meta.url), 'utf8')).toBe(moduleText(image));
});

test('a few KB, with a far jump to F000 at the reset vector', () => {
  const image = embeddedGuest();
  expect(image.length).toBe(8192);
  expect(image.at(-16)).toBe(0xea);
  expect(image.slice(-13, -11)).toEqual(Uint8Array.of(0x00, 0xf0));
});

test('each call gives its own copy', () => {
  embeddedGuest().fill(0);
  expect(embeddedGuest().at(-16)).toBe(0xea);
});

const name = hasQemu ? 'on QEMU' : `on QEMU (skipped: no ${QEMU} on this host)`;
(hasQemu ? describe : describe.skip)(name, () => {
  /** Types one line at each prompt, and Ctrl-D at the last. @returns what each answered. */
  async function session(
    ...lines: readonly string[]
  ): Promise<{ banner: string; answers: string[]; status: number | null }> {
    const { output, status } = await runInQemu(embeddedGuest(), [...lines.map(line => `${line}\r`), '\x04']);
    const [banner, ...answers] = output.split('\n> ');
    return { banner: banner ?? '', answers: answers.map(answer => answer.slice(answer.indexOf('\n') + 1)), status };
  }

  test('lists what it finds, and powers off at the end of input', async () => {
    const { banner, status } = await session();
    expect(banner).toContain('AuthenticAMD');
    expect(banner).toContain('memory   16 MiB');
    for (const device of ['16550A', '8259A', '8254', 'MC146818', '8042']) expect(banner).toContain(device);
    expect(banner).toContain('interrupts by IRQ 4');
    expect(banner).toContain('measured against the PIT');
    expect(status).toBe(0x10 * 2 + 1); // QEMU has no power register at 604h without firmware: the debug exit
  });

  test('help, mem, dev, bench, irq, time', async () => {
    const { answers } = await session('help', 'mem', 'dev', 'bench 8000000', 'irq', 'time');
    const [help, mem, dev, bench, irq, time] = answers;
    expect(help).toContain('poweroff');
    expect(mem).toMatch(/^memory {3}16 MiB/);
    expect(dev).toContain('8259A');
    expect(bench).toMatch(/^134217728 instructions in \d+ ns, \d+ million a second$/);
    // By now there was a tick: no host runs that many instructions in 10 ms.
    expect(irq).toMatch(/^irq 0: \d+ timer\nirq 4: \d+ serial$/);
    expect(time).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\nup \d+\.\d\d s$/);
  });

  test('peek and poke', async () => {
    const { answers } = await session('poke 20000 5a', 'poke 0x20001 A5', 'peek 20000 2', 'peek ffff0');
    expect(answers[2]).toMatch(/^0{11}20000 {2}5a a5 +Z\.$/);
    expect(answers[3]).toMatch(/^0{11}ffff0 {2}ea /);
  });

  test('faults in peek and poke come back to the prompt', async () => {
    const { answers, status } = await session('peek 8000000000000000', 'poke 100000000 1', 'mem');
    expect(answers[0]).toContain('exception 0dh (general protection), error 0000');
    expect(answers[1]).toContain('exception 0eh (page fault), error 0002');
    expect(answers[1]).toContain('cr2 0000000100000000');
    expect(answers[2]).toContain('16 MiB');
    expect(status).toBe(33);
  });

  test('bad input is answered', async () => {
    const { answers } = await session('frob', 'peek', 'peek xyz', 'poke 1 100', 'poke 1', 'bench 0', '  mem  ', 'memo');
    expect(answers[0]).toBe('unknown command: frob; try help');
    for (const i of [1, 2]) expect(answers[i]).toMatch(/^usage: peek/);
    for (const i of [3, 4]) expect(answers[i]).toMatch(/^usage: poke/);
    expect(answers[5]).toMatch(/^usage: bench/);
    expect(answers[6]).toContain('16 MiB');
    expect(answers[7]).toMatch(/^unknown command: memo/);
  });

  test('line editing: backspace, delete, Ctrl-U, and a line that is too long', async () => {
    const { answers } = await session('mex\bm', 'mex\x7fm', 'nonsense\x15mem', 'x'.repeat(300));
    for (const i of [0, 1, 2]) expect(answers[i]).toContain('16 MiB');
    expect(answers[3]).toBe(`unknown command: ${'x'.repeat(75)}; try help`);
  });

  test('Ctrl-C gives a new prompt', async () => {
    const { output } = await runInQemu(embeddedGuest(), ['abc\x03', 'mem\r', '\x04']);
    expect(output).toContain('> abc^C\n> mem\nmemory');
  });

  test('many lines at once: nothing is lost', async () => {
    const { output } = await runInQemu(embeddedGuest(), ['mem\r'.repeat(200), '\x04']);
    // The prompt may come in the middle of the burst, so count what was answered before the Ctrl-D.
    expect(output.match(/memory {3}16 MiB/g)?.length).toBeGreaterThan(1);
    expect(output).not.toContain('unknown command');
  });

  test('reboot resets the machine', async () => {
    const { status } = await runInQemu(embeddedGuest(), ['reboot\r']);
    expect(status).toBe(0);
  });

  test('poweroff', async () => {
    const { status } = await runInQemu(embeddedGuest(), ['poweroff\r']);
    expect(status).toBe(33);
  });
});
