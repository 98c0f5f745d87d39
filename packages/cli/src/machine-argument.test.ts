import { expect, test } from '@jest/globals';
import { findMachineArgument } from './machine-argument.ts';

test.each([
  ['microvm', 'microvm'],
  ['microvm --memory 64M', 'microvm'],
  ['--memory 64M microvm', 'microvm'],
  ['--memory=64M microvm', 'microvm'],
  ['--json microvm', 'microvm'],
  ['--colour red machine.ts', 'machine.ts'],
  ['--help', undefined],
  ['--memory --accel kvm bare', 'bare'],
  ['', undefined],
])('%s', (line, machine) => {
  expect(findMachineArgument(line.split(' ').filter(word => word !== ''))).toBe(machine);
});
