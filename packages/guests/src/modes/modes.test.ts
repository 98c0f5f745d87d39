import { describe, expect, jest, test } from '@jest/globals';
import { hasQemu, QEMU, runInQemu } from '../run-in-qemu.ts';
import { assembleModes, CHECKS, REFUSED_BY_EMULATING_KVM } from './index.ts';

// An emulator on a busy host.
jest.setTimeout(60_000);

/** What QEMU's TCG and its PC do otherwise than processors and our boards. */
const NOT_IN_QEMU = [
  // TCG leaves out segment limits and rights.
  'real: limit of 64 KiB',
  'protected: segment limits and rights',
  'protected: access across a segment limit',
  'protected: stack limit',
  // It reads first and asks for write access later.
  'protected: 32-bit paging: read-modify-write faults as a write',
  'protected: PAE paging: read-modify-write faults as a write',
  // The error code lacks P (SDM vol. 3 §5.7: a reserved bit is found in an entry that is present).
  'protected: PAE paging: without EFER.NXE, bit 63 is reserved',
  // #GP instead of #SS; the error code counts gates of 16 bytes as two.
  'long: stack addresses that are not canonical',
  'long: gates that ring 3 may not use',
  // Memory that nothing answers reads as 0 on its PC.
  'protected: memory that nothing answers',
  'long: memory that nothing answers',
];

test('names are unique', () => expect(new Set(CHECKS).size).toBe(CHECKS.length));

test('the list for emulating KVMs names checks that exist', () => {
  for (const name of Object.keys(REFUSED_BY_EMULATING_KVM)) expect(CHECKS).toContain(name);
});

test('an unknown name is an error', () =>
  expect(() => assembleModes({ only: ['long: frob'] })).toThrow(/No check is named "long: frob"/));

test('the image fits a ROM, and is the same each time', () => {
  const image = assembleModes();
  expect(image.length).toBe(0x1_0000);
  expect(image.at(-16)).toBe(0xea);
  expect(assembleModes()).toEqual(image);
});

test('every check assembles alone', () => {
  for (const name of CHECKS) expect(assembleModes({ only: [name] }).length).toBeLessThanOrEqual(0x4000);
});

const name = hasQemu ? 'on QEMU' : `on QEMU (skipped: no ${QEMU} on this host)`;
(hasQemu ? describe : describe.skip)(name, () => {
  test('all checks pass but those that QEMU is known to fail', async () => {
    const { output, status } = await runInQemu(assembleModes({ without: NOT_IN_QEMU }));
    const passed = CHECKS.filter(check => !NOT_IN_QEMU.includes(check)).map(check => `${check} ok\n`);
    expect(output).toBe(`${passed.join('')}all checks passed\n`);
    expect(status).toBe(0x10 * 2 + 1);
  });

  test('a check that fails says where, and the rest runs', async () => {
    const { output, status } = await runInQemu(assembleModes({ only: [NOT_IN_QEMU[0]!, CHECKS[0]!] }));
    expect(output).toMatch(
      /^real: segments ok\nreal: limit of 64 KiB FAILED at assertion 01, .*\nsome checks failed\n$/,
    );
    expect(status).toBe(0x11 * 2 + 1);
  });
});
