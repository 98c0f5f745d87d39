import { describe, expect, test } from '@jest/globals';
import type { Assembler, AssemblerOptions } from './index.ts';
import * as x from './index.ts';

const { assembler, at, byte, distance, dword, far, linear, m, qword } = x;

function bytes(options: AssemblerOptions, program: (a: Assembler) => void): string {
  const a = assembler(options);
  program(a);
  return Buffer.from(a.assemble()).toString('hex');
}

describe('encodings, as in the opcode tables of Intel SDM vol. 2', () => {
  const rows: readonly [16 | 32 | 64, string, (a: Assembler) => void, string][] = [
    [16, 'mov ax, 1234h', a => a.mov(x.ax, 0x1234), 'b83412'],
    [16, 'mov eax, 12345678h', a => a.mov(x.eax, 0x12345678), '66b878563412'],
    [16, 'mov ds, ax', a => a.mov(x.ds, x.ax), '8ed8'],
    [16, 'mov al, es:[bx+si+4]', a => a.mov(x.al, byte(x.es, x.bx, x.si, 4)), '268a4004'],
    [16, 'mov [1234h], al (the moffs form)', a => a.mov(byte(0x1234), x.al), 'a23412'],
    [16, 'mov eax, [100000h] (32-bit address)', a => a.mov(x.eax, dword(0x100000)), '6667a100001000'],
    [16, 'in al, dx', a => a.in(x.al, x.dx), 'ec'],
    [16, 'out 80h, al', a => a.out(0x80, x.al), 'e680'],
    [16, 'mov cr0, eax', a => a.mov(x.cr0, x.eax), '0f22c0'],
    [16, 'jmp F000:1234', a => a.jmp(far(0xf000, 0x1234)), 'ea341200f0'],
    [16, 'jmp 8:12345678h', a => a.jmp(far(8, 0x12345678, 32)), '66ea785634120800'],
    [16, 'push 5', a => a.push(5), '6a05'],
    [16, 'iret', a => a.iret(), 'cf'],
    [16, 'add [bp+0], al: no form without a displacement', a => a.add(byte(x.bp), x.al), '004600'],
    [32, 'mov eax, [ebx+ecx*4+8]', a => a.mov(x.eax, dword(x.ebx, x.ecx.times(4), 8)), '8b448b08'],
    [32, 'add eax, 1: the byte form', a => a.add(x.eax, 1), '83c001'],
    [32, 'add eax, FFFFFFFFh: sign-extended byte', a => a.add(x.eax, 0xffffffff), '83c0ff'],
    [32, 'and eax, 80000000h: the accumulator form', a => a.and(x.eax, 0x80000000), '2500000080'],
    [32, 'mov [ebx], imm', a => a.mov(dword(x.ebx), 1), 'c70301000000'],
    [32, 'rep movsd', a => a.rep().movsd(), 'f3a5'],
    [32, 'rep outsb', a => a.rep().outsb(), 'f36e'],
    [32, 'lodsb from fs', a => a.seg(x.fs).lodsb(), '64ac'],
    [32, 'lock cmpxchg [ebx], ecx', a => a.lock().cmpxchg(dword(x.ebx), x.ecx), 'f00fb10b'],
    [32, 'int 80h', a => a.int(0x80), 'cd80'],
    [32, 'iretd', a => a.iretd(), 'cf'],
    [32, 'enter 16, 1', a => a.enter(16, 1), 'c8100001'],
    [32, 'call 10h:100000h', a => a.call(far(0x10, 0x100000)), '9a000010001000'],
    [32, 'shl eax, cl', a => a.shl(x.eax, x.cl), 'd3e0'],
    [32, 'shl eax, 1: the short form', a => a.shl(x.eax, 1), 'd1e0'],
    [32, 'xlatb', a => a.xlatb(), 'd7'],
    [32, 'lgdt [1234h]', a => a.lgdt(m(0x1234)), '0f011534120000'],
    [64, 'mov rax, -1', a => a.mov(x.rax, -1), '48c7c0ffffffff'],
    [64, 'mov rax, 123456789ABCDEF0h', a => a.mov(x.rax, 0x123456789abcdef0n), '48b8f0debc9a78563412'],
    [64, 'mov r9d, [r13+r12*2]', a => a.mov(x.r9d, dword(x.r13, x.r12.times(2))), '478b4c6500'],
    [64, 'mov al, [1000h], absolute', a => a.mov(x.al, byte(0x1000)), '8a042500100000'],
    [64, 'push r15', a => a.push(x.r15), '4157'],
    [64, 'push 1234h: 64 bits, although 16 are shorter', a => a.push(0x1234), '6834120000'],
    [32, 'push es', a => a.push(x.es), '06'],
    [16, 'push 1234h', a => a.push(0x1234), '683412'],
    [
      32,
      'jz is je, setnc is setae, cmovc is cmovb',
      a => {
        a.label('x');
        a.jz('x');
        a.setnc(x.al);
        a.cmovc(x.eax, x.ebx);
      },
      '74fe0f93c00f42c3',
    ],
    [64, 'ret', a => a.ret(), 'c3'],
    [64, 'retfq', a => a.exact('Retfq'), '48cb'],
    [64, 'iretq', a => a.iretq(), '48cf'],
    [64, 'swapgs', a => a.swapgs(), '0f01f8'],
    [64, 'syscall', a => a.syscall(), '0f05'],
    [64, 'sysretq', a => a.sysretq(), '480f07'],
    [64, 'mov cr8, rax', a => a.mov(x.cr8, x.rax), '440f22c0'],
    [64, 'movsd xmm1, xmm2 is not the string instruction', a => a.movsd(x.xmm1, x.xmm2), 'f20f10ca'],
    [64, 'stosq', a => a.rep().stosq(), 'f348ab'],
    [64, 'fld tword [rax]', a => a.fld(x.tword(x.rax)), 'db28'],
    [64, 'jmp far [rbx]', a => a.exact('Jmp_m1632', m(x.rbx)), 'ff2b'],
  ];
  for (const [bits, text, program, expected] of rows)
    test(`${bits} bits: ${text}`, () => expect(bytes({ bits }, program)).toBe(expected));
});

describe('labels', () => {
  test('a short branch backwards and forwards', () => {
    const program = (a: Assembler) => {
      a.label('back');
      a.jne('ahead');
      a.jmp('back');
      a.label('ahead');
    };
    for (const bits of [16, 32, 64] as const) expect(bytes({ bits }, program)).toBe('7502ebfc');
  });

  test('a branch that does not reach grows, and those that reach across it with it', () => {
    const program = (a: Assembler) => {
      a.jmp('end');
      a.jmp('end');
      a.fill(0x7e, 0x90);
      a.label('end');
    };
    const code = bytes({ bits: 32 }, program);
    expect(code.slice(0, 14)).toBe('e980000000eb7e');
    expect(bytes({ bits: 16 }, program).slice(0, 10)).toBe('e98000eb7e');
  });

  test('in a section with a base, a label is an offset; linear() is its address', () => {
    const code = bytes({ bits: 16, origin: 0xf1000 }, a => {
      a.bits(16, 0xf0000);
      a.label('here');
      a.mov(x.bx, 'here');
      a.mov(x.eax, linear('here'));
      a.dw('here', at('here', 2));
      a.dd(linear('here'));
    });
    expect(code).toBe('bb001066b800100f000010021000100f00');
  });

  test('64 bits: a label alone is RIP-relative, with a register absolute', () => {
    const code = bytes({ bits: 64, origin: 0x1000 }, a => {
      a.mov(x.rax, qword('data'));
      a.mov(x.rax, qword('data', x.rcx.times(8)));
      a.lea(x.rsi, m('data'));
      a.label('data');
    });
    // 1000h + 7 + Fh; 1016h; 100Fh + 7 + 0
    expect(code).toBe('488b050f000000488b04cd16100000488d3500000000');
  });

  test('64 bits: addresses in the upper half', () => {
    const code = bytes({ bits: 64, origin: 0xffffffff81000000n }, a => {
      a.label('top');
      a.lea(x.rax, m('top'));
      a.mov(x.rbx, 'top');
      a.dq('top');
    });
    expect(code).toBe('488d05f9ffffff48c7c300000081000000' + '81ffffffff');
  });

  test('distance() between labels, as immediate and as data', () => {
    const code = bytes({ bits: 32, origin: 0x5000 }, a => {
      a.mov(x.ecx, distance('start', 'end'));
      a.label('start');
      a.db('abc');
      a.label('end');
      a.dw(distance('start', 'end', -1));
    });
    expect(code).toBe('b90300000061626302' + '00');
  });

  test('far jump from 16-bit code to a 32-bit label', () => {
    const code = bytes({ bits: 16, origin: 0xf0000 }, a => {
      a.bits(16, 0xf0000);
      a.jmp(far(8, linear('pm'), 32));
      a.bits(32);
      a.label('pm');
      a.nop();
    });
    expect(code).toBe('66ea08000f00080090');
  });

  test('address() after assemble()', () => {
    const a = assembler({ bits: 32, origin: 0x100 });
    a.nop();
    a.label('x');
    a.assemble();
    expect(a.address('x')).toBe(0x101n);
  });

  test('fresh() names are all different', () => {
    const a = assembler({ bits: 32 });
    expect(a.fresh('x')).not.toBe(a.fresh('x'));
  });
});

describe('data and layout', () => {
  test('db, dw, dd, dq, asciz in little-endian order', () => {
    const code = bytes({ bits: 32 }, a => {
      a.db(1, 'A', 255);
      a.dw(0x1234, -1);
      a.dd(0x12345678);
      a.dq(0x1122334455667788n);
      a.asciz('Hi');
    });
    expect(code).toBe('0141ff3412ffff785634128877665544332211486900');
  });

  test('align and org fill', () => {
    const code = bytes({ bits: 32, origin: 0x10 }, a => {
      a.nop();
      a.align(4, 0xcc);
      a.nop();
      a.org(0x18, 0xff);
      a.nop();
    });
    expect(code).toBe('90cccccc90ffffff90');
  });
});

describe('errors say what to do', () => {
  const fails = (program: (a: Assembler) => void) => expect(() => bytes({ bits: 32 }, program));
  test('label missing', () => fails(a => a.jmp('nowhere')).toThrow(/No label "nowhere"/));
  test('label twice', () =>
    fails(a => {
      a.label('x');
      a.label('x');
    }).toThrow(/defined twice/));
  test('no such form', () => fails(a => a.mov(x.eax, x.bl)).toThrow(/No form of mov eax, bl/));
  test('64-bit register in 32-bit code', () => fails(a => a.push(x.rax)).toThrow(/No form/));
  test('size unknown', () => fails(a => a.mov(m(x.ebx), 1)).toThrow(/write byte/));
  test('loop does not reach', () =>
    fails(a => {
      a.label('x');
      a.fill(200);
      a.loop('x');
    }).toThrow(/does not fit/));
  test('org backwards', () =>
    fails(a => {
      a.dd(1);
      a.org(1);
    }).toThrow(/cannot go back/));
  test('datum too wide', () => fails(a => a.dw(0x12345)).toThrow(/does not fit/));
  test('16-bit label out of its segment', () =>
    expect(() =>
      bytes({ bits: 16, origin: 0xf0000 }, a => {
        a.label('x');
        a.mov(x.ax, 'x');
      }),
    ).toThrow(/does not fit/));
});

test('every mnemonic of iced-x86 is a method', () => {
  const a = assembler({ bits: 64 });
  for (const name of ['vaddps', 'cmpxchg16b', 'xsave', 'in', 'int', 'loop', 'sysretq'] as const)
    expect(typeof a[name]).toBe('function');
});
