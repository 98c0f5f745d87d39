import { describe, expect } from '@jest/globals';
import { m, r8, r9, r10, r11, rbx, rcx, rdi, rsi } from '@mainboard/guests/assembler';
import { AT } from '../vcpu-bench.ts';
import { type Guest, HOLE, onAllTiers } from './tiers.fixture.ts';

const DF = 0x402;
const BELOW = HOLE - 0x1000;
/** Bytes before and behind the hole, so that copies can be told. */
function fill(guest: Guest): void {
  guest.returnsFrom(14);
  for (let i = 0; i < 0x3000; i++) guest.view.setUint8(BELOW + i, (i * 7) & 0x7f);
}

describe('a repeated string instruction faults in the middle (SDM vol. 2 REP)', () => {
  const MNEMONICS = [
    ['movsb', 1, true, true],
    ['movsd', 4, true, true],
    ['movsq', 8, true, true],
    ['stosb', 1, false, true],
    ['stosq', 8, false, true],
    ['lodsw', 2, true, false],
    ['cmpsb', 1, true, true],
    ['scasd', 4, false, true],
  ] as const;
  for (const [name, width, source, destination] of MNEMONICS)
    for (const side of ['source', 'destination'] as const)
      for (const backwards of [false, true]) {
        if (!(side === 'source' ? source : destination)) continue;
        const cmps = name === 'cmpsb';
        onAllTiers(`${name.toUpperCase()}, at its ${side}${backwards ? ', backwards' : ''}`, {
          code(a) {
            a.label('start');
            a.mov(rsi, r8);
            a.mov(rdi, r9);
            a.mov(rcx, r10);
            a.label('string');
            if (name === 'scasd') a.repne().scasd();
            else a.rep()[name]();
            a.label('next');
            a.lea(rbx, m(rbx, rcx));
            a.dec(r11);
            a.jnz('start');
            a.hlt();
          },
          prepare: fill,
          heat: { r8: AT.data + 0x100, r9: AT.data + 0x100, r10: 1, r11: 20_000, rax: 0x9999_9999 },
          run(guest) {
            const good = 5;
            const step = backwards ? -width : width;
            // `good` elements before the hole, whichever way it goes
            const before = backwards ? HOLE + 0x1000 + (good - 1) * width : HOLE - good * width;
            const far = AT.data + 0x800;
            // CMPS goes on while equal: both sides hold zeros
            if (cmps) for (const at of [far, before]) for (let i = -64; i < 64; i++) guest.view.setUint8(at + i, 0);
            if (cmps) for (let i = 0; i < 0x1000; i++) guest.view.setUint8(HOLE + i, 0);
            guest.hide(HOLE);
            const [r8Value, r9Value] = side === 'source' ? [before, far] : [far, before];
            guest.call('start', { r8: r8Value, r9: r9Value, r10: 12, r11: 1, rax: 0x9999_9999 }, backwards ? DF : 2);
            const bad = backwards ? HOLE + 0x1000 - width : HOLE;
            expect([guest.exception, guest.cr2]).toEqual([14, bad]);
            expect(guest.stack(1)).toBe(guest.at('string'));
            const moved = good * step;
            expect(guest.registers('rcx', 'rsi', 'rdi')).toEqual([
              12 - good,
              source ? r8Value + moved : r8Value,
              destination ? r9Value + moved : r9Value,
            ]);
            guest.remap(HOLE, HOLE);
            guest.goOn();
            expect(guest.registers('rcx', 'rsi', 'rdi')).toEqual([
              0,
              source ? r8Value + 12 * step : r8Value,
              destination ? r9Value + 12 * step : r9Value,
            ]);
            expect(guest.exception).toBeUndefined();
          },
        });
      }
});
