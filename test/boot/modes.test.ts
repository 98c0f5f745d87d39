import { describe, expect, jest, test } from '@jest/globals';
import { assembleModes, CHECKS, EXIT, REFUSED_BY_EMULATING_KVM } from '@mainboard/guests/modes';
import { Booted } from '../support/boot.ts';
import { incomplete, kvm, kvmIrqchip, soft, type Way } from '../support/ways.ts';

// An emulating KVM runs two million instructions a second.
jest.setTimeout(120_000);

const refused = Object.keys(REFUSED_BY_EMULATING_KVM);
const passed = { reason: 'exit', status: (EXIT.passed << 1) | 1 };
const linesOf = (checks: readonly string[]): string =>
  `${checks.map(check => `${check} ok\n`).join('')}all checks passed\n`;

/** Runs the self-test on `microvm`. */
async function selfTest(way: Way, without: readonly string[] = []) {
  const guest = new Booted('microvm', way, assembleModes({ without, output: 'debugcon' }));
  try {
    guest.machine.start();
    const ending = await guest.ended;
    return { output: guest.debug.text, ending };
  } finally {
    await guest.machine.dispose();
  }
}

test('in software every check of modes, rings, interrupts, paging and I/O passes', async () => {
  expect(await selfTest(soft)).toEqual({ output: linesOf(CHECKS), ending: passed });
});

describe.each([kvm, kvmIrqchip])('$name', way => {
  const same = 'the same board and guest say the same as in software, byte for byte';
  if (way.missing !== undefined) test.skip(`${same} (${way.missing})`, () => {});
  else
    test(same, async () => {
      const here = await selfTest(way, refused);
      expect(here).toEqual(await selfTest(soft, refused));
      expect(here).toEqual({ output: linesOf(CHECKS.filter(check => !refused.includes(check))), ending: passed });
    });

  const every = 'every check passes';
  if (incomplete !== undefined) test.skip(`${every} (${incomplete})`, () => {});
  else
    test(every, async () => {
      expect(await selfTest(way)).toEqual({ output: linesOf(CHECKS), ending: passed });
    });
});
