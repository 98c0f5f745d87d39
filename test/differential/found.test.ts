/**
 * Cases in which the software CPU once differed from silicon, with silicon's outcome: what `npm run differential` prints
 * for a divergence. They run on each tier, and need no oracle.
 */
import { describe, expect, test } from '@jest/globals';
import { TIERS } from './runner.ts';
import { formatOutcome, parseCase } from './show.ts';
import { Software } from './software.ts';

const CASES: readonly (readonly [instruction: string, before: string, after: string])[] = [
  [
    'EMMS sets TOP to 0',
    'bits=64 code=450f77 rip=100017af fsw=800 st1=3fff8000000000000000',
    'vector=3 rip=100017b3 flags=0 st2=3fff8000000000000000',
  ],
  [
    "CVTPI2PD from memory neither waits for an x87 exception nor makes the registers MMX's",
    'bits=64 code=660f2a5a40 rdx=10010f40 fcw=84d fsw=a8bb window=0500000007',
    'vector=3 rip=10000006 flags=0 rdx=10010f40 fcw=84d fsw=a8bb xmm3=401c0000000000004014000000000000',
  ],
  [
    'CVTPI2PS from memory likewise',
    'bits=64 code=0f2a5a40 rdx=10010f40 fsw=2800 tags=1 window=0500000007',
    'vector=3 rip=10000005 flags=0 rdx=10010f40 fsw=2800 tags=1 xmm3=40e0000040a00000',
  ],
  [
    "CVTTPD2PI makes the registers MMX's also when it raises #XM",
    'bits=64 code=67660f2ce9 rip=100010e3 fsw=4c00 mxcsr=5c60 xmm1=7ff00000bdfcd8520000000000000000',
    'vector=19 rip=100010e3 flags=0 fsw=4400 tags=ff mxcsr=5c61 xmm1=7ff00000bdfcd8520000000000000000',
  ],
  [
    "CVTPS2PI leaves them the FPU's when its operand faults",
    'bits=64 code=0f2d08 fsw=4c00',
    'vector=14 error=4 rip=10000000 flags=0 fsw=4c00',
  ],
  [
    'FIST across a page end: CR2 is where the second page begins',
    'bits=64 code=db10 rax=10011ffe fsw=0 tags=80 st0=3fff8000000000000000',
    'vector=14 error=7 cr2=10012000 rip=10000000 flags=0 rax=10011ffe tags=80 st0=3fff8000000000000000',
  ],
  [
    'FSTP: a fault in memory comes before an unmasked stack fault',
    'bits=64 code=d91d00000000 fcw=37e',
    'vector=14 error=7 cr2=10000006 rip=10000000 flags=0 fcw=37e',
  ],
  [
    'FXSAVE in 32-bit code needs all 512 bytes (which of them CR2 names, processors choose)',
    'bits=32 code=0fae00 rax=10011e10',
    'vector=14 error=7 cr2=10012000 rip=10000000 flags=0 rax=10011e10',
  ],
  [
    'CLAC above level 0, with x87 exceptions unmasked',
    'bits=64 code=420f01ca rip=10001639 fcw=7c',
    'vector=6 rip=10001639 flags=0 fcw=7c',
  ],
  [
    'JMP in 16-bit code wraps at 64 KiB',
    'bits=16 code=e9ded6 rip=10000fcf flags=0',
    'vector=14 error=14 cr2=1000e6b0 rip=e6b0 flags=0',
  ],
  [
    'POPA that faults leaves what it popped in the registers (SDM vol. 3 §6.5)',
    'bits=16 code=6661 rsp=6ff0 rbp=5 rsi=6 rdi=7 rbx=3',
    'vector=14 error=4 cr2=10013000 rip=0 flags=0 rbx=3 rsp=6ff0',
  ],
  [
    'BTR m,r by a base of SS: #SS where the bit is not canonical',
    'bits=64 code=664a0fb3a5405d7ef8 rip=10001de3 flags=0 rsp=400000000000000',
    'vector=12 rip=10001de3 flags=0 rsp=400000000000000',
  ],
  ['VEX in 16-bit protected code: ANDN', 'bits=16 code=c4e270f2c2', 'vector=3 rip=6 flags=44'],
  [
    '32-bit ENTER on a 16-bit stack: the frame pointer is all of ESP',
    'bits=16 code=66c8080001 rip=10000c8a flags=0 rsp=80005000',
    'vector=3 rip=c90 flags=0 rsp=80004ff0 rbp=80004ffc changed=1 +ff8=80004ffc',
  ],
  [
    'REPNE SCAS that faults leaves the flags of the last comparison',
    'bits=64 code=f2ae rip=10000c0b flags=800 rax=1 rcx=8 rdi=10012ffa',
    'vector=14 error=4 cr2=10013000 rip=10000c0b flags=0 rax=1 rcx=2 rdi=10013000',
  ],
  [
    'REPE SCAS likewise',
    'bits=64 code=f3ae flags=0 rcx=8 rdi=10012ffa',
    'vector=14 error=4 cr2=10013000 rip=10000000 flags=44 rcx=2 rdi=10013000',
  ],
  [
    'REPE CMPS likewise',
    'bits=64 code=f34ca6 rip=10000fff flags=0 rcx=3 rsi=10010000 rdi=10012ffe',
    'vector=14 error=4 cr2=10013000 rip=10000fff flags=44 rcx=1 rsi=10010002 rdi=10013000',
  ],
  [
    'flags of a block before where an MMX instruction finds an x87 exception waiting',
    'bits=16 code=660f8706000000909090903c700fdac3909090903c01 rip=10000fea flags=1 fcw=45 fsw=e4ca',
    'vector=16 rip=ff7 flags=85 fcw=45 fsw=e4ca',
  ],
  [
    'a push that begins below the page of the stack',
    'bits=64 code=90909090909090ffd0909090 rip=100019ff flags=0 rax=10001a00 rsp=10011002',
    'vector=14 error=6 cr2=1000fffa rip=10001a06 flags=0 rax=10001a00 rsp=10010002 changed=512 +0=10001a080000 +8=10001a080000 +10=10001a080000 +18=10001a080000 +20=10001a080000 +28=10001a080000 +30=10001a080000 +38=10001a080000 +40=10001a080000 +48=10001a080000 +50=10001a080000 +58=10001a080000 +60=10001a080000 +68=10001a080000 +70=10001a080000 +78=10001a080000 +80=10001a080000 +88=10001a080000 +90=10001a080000 +98=10001a080000 +a0=10001a080000 +a8=10001a080000 +b0=10001a080000 +b8=10001a080000 +c0=10001a080000 +c8=10001a080000 +d0=10001a080000 +d8=10001a080000 +e0=10001a080000 +e8=10001a080000 +f0=10001a080000 +f8=10001a080000 +100=10001a080000 +108=10001a080000 +110=10001a080000 +118=10001a080000 +120=10001a080000 +128=10001a080000 +130=10001a080000 +138=10001a080000 +140=10001a080000 +148=10001a080000 +150=10001a080000 +158=10001a080000 +160=10001a080000 +168=10001a080000 +170=10001a080000 +178=10001a080000 +180=10001a080000 +188=10001a080000 +190=10001a080000 +198=10001a080000 +1a0=10001a080000 +1a8=10001a080000 +1b0=10001a080000 +1b8=10001a080000 +1c0=10001a080000 +1c8=10001a080000 +1d0=10001a080000 +1d8=10001a080000 +1e0=10001a080000 +1e8=10001a080000 +1f0=10001a080000 +1f8=10001a080000 +200=10001a080000 +208=10001a080000 +210=10001a080000 +218=10001a080000 +220=10001a080000 +228=10001a080000 +230=10001a080000 +238=10001a080000 +240=10001a080000 +248=10001a080000 +250=10001a080000 +258=10001a080000 +260=10001a080000 +268=10001a080000 +270=10001a080000 +278=10001a080000 +280=10001a080000 +288=10001a080000 +290=10001a080000 +298=10001a080000 +2a0=10001a080000 +2a8=10001a080000 +2b0=10001a080000 +2b8=10001a080000 +2c0=10001a080000 +2c8=10001a080000 +2d0=10001a080000 +2d8=10001a080000 +2e0=10001a080000 +2e8=10001a080000 +2f0=10001a080000 +2f8=10001a080000',
  ],
  ['XSETBV above level 0', 'bits=64 code=3e670f01d1 rip=10000b69', 'vector=13 rip=10000b69 flags=0'],
];

describe.each(TIERS)('what silicon does, with the JIT %s', tier => {
  const software = new Software(tier);
  test.each(CASES)('%s', (_instruction, before, after) => {
    const c = parseCase(before);
    expect(formatOutcome(software.run(c))).toBe(after);
    // Again, with the page in the TLB.
    expect(formatOutcome(software.run(c))).toBe(after);
  });
});
