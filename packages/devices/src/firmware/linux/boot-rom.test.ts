import { describe, expect, test } from '@jest/globals';
import { bootRom, handover } from './boot-rom.ts';
import { LAYOUT } from './layout.ts';

const rom = bootRom();
const view = new DataView(rom.buffer);

describe('Intel SDM vol. 3 §9.1.4: the first instruction', () => {
  test('at F000:FFF0 a near jump to CLI', () => {
    expect([rom.length, rom[0xfff0]]).toEqual([0x1_0000, 0xe9]);
    const target = (0xfff3 + view.getInt16(0xfff1, true)) & 0xffff;
    expect(rom[target]).toBe(0xfa);
  });

  test('LGDT finds the GDT in RAM', () => {
    const lgdt = rom.findIndex((_, i) => [0x2e, 0x66, 0x0f, 0x01, 0x16].every((byte, k) => rom[i + k] === byte));
    const gdtr = view.getUint16(lgdt + 5, true);
    expect([view.getUint16(gdtr, true), view.getUint32(gdtr + 2, true)]).toEqual([0x27, LAYOUT.gdt]);
  });

  test('far jumps go to code in the ROM', () => {
    const jumps = [...rom.keys()].filter(i => rom[i] === 0xea && view.getUint16(i + 3, true) === 0xffff);
    expect(jumps).toHaveLength(2);
    for (const jump of jumps) expect(rom[view.getUint32(jump + 1, true) - 0xffff_0000]).not.toBe(0xf4);
  });
});

describe('handover', () => {
  const read = (protocol: 'linux32' | 'linux64' | 'pvh') => {
    const segments = handover({ protocol, entry: 0x100_0200 });
    const block = new DataView(segments.find(s => s.address === LAYOUT.handover)!.bytes.buffer);
    const gdt = new DataView(segments.find(s => s.address === LAYOUT.gdt)!.bytes.buffer);
    return {
      registers: [0, 4, 8, 12].map(at => block.getUint32(at, true)),
      bootCs: gdt.getUint32(0x14, true),
      bootDs: gdt.getUint32(0x1c, true),
    };
  };

  test('boot.rst: ESI points to boot_params, EBX is 0, 10h is flat code, 18h flat data', () => {
    expect(read('linux32')).toEqual({
      registers: [0x100_0200, LAYOUT.bootParams, 0, 0],
      bootCs: 0x00cf_9b00,
      bootDs: 0x00cf_9300,
    });
    expect(read('linux64')).toEqual({
      registers: [0x100_0200, LAYOUT.bootParams, 0, 1],
      bootCs: 0x00af_9b00, // L instead of D
      bootDs: 0x00cf_9300,
    });
  });

  test('pvh.pandoc: EBX points to hvm_start_info', () => {
    expect(read('pvh').registers).toEqual([0x100_0200, 0, LAYOUT.startInfo, 0]);
  });
});
