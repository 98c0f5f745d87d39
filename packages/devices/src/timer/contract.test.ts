import { describe, test } from '@jest/globals';
import { deviceContract } from '@mainboard/testing';
import { i8254 } from './i8254.ts';
import { mc146818 } from './mc146818.ts';
import { portB } from './port-b.ts';

const LONG = [0, 1_000, 100_000, 30_000_000, 1_000_000_000, 90_000_000_000_000];

describe('device contract', () => {
  test.each(deviceContract(i8254, { '': { steps: [0, 500, 1_000, 20_000, 60_000_000] } }))('$name', ({ run }) => run());
  test.each(deviceContract(portB))('$name', ({ run }) => run());
  test.each(deviceContract(mc146818, { '': { steps: LONG } }))('$name', ({ run }) => run());
});
