/**
 * How many million guest instructions a second the software CPU's interpreter runs by itself, with nothing compiled,
 * and beside it what the JIT makes of the same: loops in 64-bit mode at ring 0. The goal is 100 in the tight integer
 * loop of the interpreter.
 *
 *   npm run build && node test/bench/interpreter.mjs [rounds]
 */
import { softModuleWith } from '@mainboard/accelerator/x86';
import {
  al,
  byte,
  dword,
  eax,
  ebx,
  ecx,
  edi,
  esi,
  m,
  qword,
  rax,
  rbx,
  rcx,
  rdi,
  rsi,
} from '@mainboard/guests/assembler';
import { longModeImage } from '@mainboard/guests/small';
import { firmware, median, power, table } from './machine.mjs';

const ROUNDS = Number(process.argv[2] ?? 3);
const TURNS = 20_000_000;
const BUFFER = 0x10_0000;
const GOAL = 100;

/** Bodies of a loop that counts rcx down; each with its instructions in one turn, the two of the loop included. */
const LOOPS = {
  'integer: ADD, XOR': [
    4,
    a => {
      a.add(rax, rcx);
      a.xor(rbx, rax);
    },
  ],
  'integer: eight, with flags used': [
    10,
    a => {
      a.lea(rax, m(rax, rcx.times(4), 7));
      a.rol(rax, 5);
      a.sub(rbx, rax);
      a.adc(rsi, rbx);
      a.imul(edi, eax, 0x9e37);
      a.cmp(rsi, rdi);
      a.cmova(rbx, rcx);
      a.setb(al);
    },
  ],
  'memory: load, add, store': [
    7,
    a => {
      a.mov(esi, ecx);
      a.and(esi, 0xfff8);
      a.mov(rax, qword(rsi, BUFFER));
      a.add(rax, rcx);
      a.mov(qword(rsi, BUFFER), rax);
    },
  ],
  'memory: bytes, read-modify-write': [
    6,
    a => {
      a.movzx(eax, byte(rsi, BUFFER));
      a.add(dword(rsi, BUFFER + 8), eax);
      a.inc(esi);
      a.and(esi, 0xffff);
    },
  ],
  'call and return': [
    5,
    a => {
      a.call('leaf');
      a.inc(eax);
    },
  ],
  'indirect call, a branch not taken': [
    7,
    a => {
      a.call(rdi);
      a.test(ebx, ebx);
      a.jnz('stop');
      a.inc(eax);
    },
  ],
};

const guest = body =>
  longModeImage(a => {
    a.mov(rcx, TURNS);
    a.xor(eax, eax);
    a.xor(ebx, ebx);
    a.xor(esi, esi);
    a.lea(rdi, m('leaf'));
    a.jmp('turn');
    a.align(16, 0x90);
    a.label('turn');
    body(a);
    a.dec(rcx);
    a.jnz('turn');
    a.mov(al, 0x10);
    a.out(0xf4, al);
    a.label('stop');
    a.hlt();
    a.jmp('stop');
    a.align(16, 0x90);
    a.label('leaf');
    a.ret();
  });

async function rate(body, tier) {
  const { machine } = power('microvm', tier, firmware(guest(body)));
  const [vcpu] = machine.vcpus;
  const start = process.cpuUsage();
  await machine.until('exit');
  const { user, system } = process.cpuUsage(start);
  const { instructions } = vcpu;
  await machine.dispose();
  return { instructions, rate: instructions / (user + system) };
}

async function measure(name, tier) {
  const [perTurn, body] = LOOPS[name];
  const rates = [];
  await rate(body, tier); // compiled by then
  for (let i = 0; i < ROUNDS; i++) {
    const { instructions, rate: found } = await rate(body, tier);
    if (Math.abs(instructions / TURNS - perTurn) > 0.1)
      throw new Error(`${name}: ${instructions / TURNS} instructions a turn, not ${perTurn}`);
    rates.push(found);
  }
  return median(rates).toFixed(0);
}

const interpreter = softModuleWith({ jit: 'off' });
const compiled = softModuleWith({ jit: 'on' });
const rows = [['loop, M instructions/s', 'interpreter', 'JIT']];
for (const name of Object.keys(LOOPS))
  rows.push([name, await measure(name, interpreter), await measure(name, compiled)]);
table(rows);
console.log(`goal: ${GOAL} in the interpreter's first; medians by processor time, ${TURNS / 1e6} million turns each`);
