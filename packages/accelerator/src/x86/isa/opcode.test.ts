import { describe, expect, test } from '@jest/globals';
import { parseOpcode } from './opcode.ts';
import { parseOperands } from './operand.ts';

describe('opcode column', () => {
  test.each([
    ['01', { map: 0, byte: 0x01, plusR: false }],
    ['50+r', { map: 0, byte: 0x50, plusR: true }],
    ['80 /5', { map: 0, byte: 0x80, plusR: false, ext: 5 }],
    ['0f b6', { map: 1, byte: 0xb6, plusR: false }],
    ['66 0f 38 00', { map: 2, byte: 0x00, plusR: false, prefix: '66' }],
    ['np 0f 3a 0f', { map: 3, byte: 0x0f, plusR: false, prefix: 'np' }],
    ['w1 0f c7 /1 mem', { map: 1, byte: 0xc7, plusR: false, rex: 'w1', ext: 1, mod: 'mem' }],
    ['d8 c8+i', { map: 0, byte: 0xd8, plusR: false, mod: 'reg', ext: 1 }],
    ['d9 e8', { map: 0, byte: 0xd9, plusR: false, mod: 'reg', ext: 5, rm: 0 }],
    ['f3 0f 1e fa', { map: 1, byte: 0x1e, plusR: false, prefix: 'f3', mod: 'reg', ext: 7, rm: 2 }],
  ])('%s', (text, expected) => {
    expect(parseOpcode(text)).toEqual(expected);
  });

  test.each(['', '1', 'zz', '51+r', '80 /8', '80 3f', 'd8 c1+i', '0f', '66', '0f 38', 'f3 0f', '90 any'])(
    "'%s' is refused",
    text => {
      expect(() => parseOpcode(text)).toThrow(`opcode '${text}' is not in the notation`);
    },
  );
});

describe('operand column', () => {
  test('letter and type', () => {
    expect(parseOperands('Gv,Ev,Iz')).toMatchObject([
      { code: 'Gv', addressing: 'G', type: 'v', memoryType: 'v' },
      { code: 'Ev', addressing: 'E', type: 'v', memoryType: 'v' },
      { code: 'Iz', addressing: 'I', type: 'zs', memoryType: 'zs' },
    ]);
  });

  test('a register of one type or memory of another', () => {
    expect(parseOperands('Ry/Mb,Vdq,Ib')[0]).toMatchObject({ addressing: 'E', type: 'y', memoryType: 'b' });
    expect(parseOperands('Vdq,Udq/Mq')[1]).toMatchObject({ addressing: 'W', type: 'dq', memoryType: 'q' });
  });

  test('named registers', () => {
    expect(parseOperands('eAX,DX,CL,GS')).toMatchObject([
      { addressing: 'gpr', type: 'z', reg: 0 },
      { addressing: 'gpr', type: 'w', reg: 2 },
      { addressing: 'gpr', type: 'b', reg: 1 },
      { addressing: 'seg', type: 'w', reg: 5 },
    ]);
  });

  test('none', () => {
    expect(parseOperands('')).toEqual([]);
  });

  test.each(['Ekk', 'Kv', 'Rb/Wd', 'EAX', 'E', 'Eb,'])("'%s' is refused", text => {
    expect(() => parseOperands(text)).toThrow('is not in isa/operand.ts');
  });
});
