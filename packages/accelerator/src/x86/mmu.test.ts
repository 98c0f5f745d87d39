import { beforeEach, describe, expect, test } from '@jest/globals';
import { ACCELERATOR_ARENA } from '@mainboard/core';
import { ACCESS } from './interpreter/access.ts';
import { PRIVILEGE } from './privilege.ts';
import { STATE } from './state.ts';
import { AT, VcpuBench } from './vcpu-bench.ts';

let bench: VcpuBench;
beforeEach(() => {
  bench = new VcpuBench();
});

const flagsOf = (linear: number): number => bench.view.getUint32(bench.entry(linear), true) & 0xfff;
const cr2 = (): number => Number(bench.vcpu.save().cr2);
/** An access as handlers make it. @returns offset in guest RAM; the error code of the page fault as a negative number */
function access(linear: number, info: number, user = false): number {
  const { cpu } = bench.vcpu;
  const at = cpu.mmu.translate(linear | 0, 0, info, user ? PRIVILEGE.user : PRIVILEGE.supervisor);
  if (at === 0) return -cpu.fault.error;
  return at === STATE.bounce ? at : at - ACCELERATOR_ARENA;
}
const READ = ACCESS.read | 4;
const WRITE = ACCESS.write | 4;

describe('accessed and dirty bits (SDM vol. 3 §4.8)', () => {
  test('a read sets A at all levels, D at none', () => {
    bench.long();
    bench.run('8b042500000200 f4');
    expect(flagsOf(AT.data)).toBe(0x23);
    expect(bench.view.getUint32(AT.pml4, true) & 0x60).toBe(0x20);
  });

  test('the first write after reads sets D', () => {
    bench.long();
    bench.run('8b042500000200 89042500000200 f4');
    expect(flagsOf(AT.data)).toBe(0x63);
  });

  test('RMW sets D; a fault sets neither', () => {
    bench.long();
    bench.map(AT.data + 0x1000, AT.data, 1n);
    bench.run('83042500000200 01 83042500100200 01 f4');
    expect([bench.exception, flagsOf(AT.data), flagsOf(AT.data + 0x1000)]).toEqual([14, 0x63, 1]);
  });

  test('a guest that clears D and flushes sees it again', () => {
    bench.long();
    // MOV [data], EAX; AND DWORD [entry], ~0x40; INVLPG [data]; MOV [data], EAX
    bench.run('89042500000200 812425 00410000 bfffffff 0f013c2500000200 89042500000200 f4');
    expect(flagsOf(AT.data)).toBe(0x63);
  });
});

describe('access rights (SDM vol. 3 §4.6, §4.7)', () => {
  test.each([
    // [page flags, user, access, error code or 0]
    [1n, false, READ, 0],
    [1n, false, WRITE, 3],
    [3n, false, WRITE, 0],
    [3n, true, READ, 5],
    [5n, true, READ, 0],
    [5n, true, WRITE, 7],
    [5n, false, WRITE, 3],
    [7n, true, WRITE, 0],
    [0n, true, WRITE, 6],
    [0n, false, READ, 0x100],
    [7n | (1n << 63n), true, READ, 0],
    [7n | (1n << 45n), true, READ, 0xd],
  ])('flags %p, user %p, access %p: error %p', (flags, user, info, error) => {
    bench.long();
    bench.map(AT.data, AT.data, flags);
    const expected = error === 0x100 ? -0 : error === 0 ? AT.data : -error;
    expect(access(AT.data, info, user)).toBe(expected);
  });

  test('a fetch from a page with NX: bit 4 of the error code', () => {
    bench.long();
    bench.map(AT.data, AT.data, 3n | (1n << 63n));
    bench.set({ rip: BigInt(AT.data) });
    bench.run('90');
    expect([bench.exception, bench.stack(0), cr2()]).toEqual([14, 0x11, AT.data]);
  });

  test('CR0.WP: without it a supervisor writes what is read-only; a change takes effect at once', () => {
    bench.long();
    bench.map(AT.data, AT.data, 1n);
    bench.set({ cr0: 0x8000_0031n });
    // MOV [data], EAX; MOV RAX, CR0; BTS EAX, 16; MOV CR0, RAX; MOV [data], EAX
    bench.run('89042500000200 0f20c0 0fbae810 0f22c0 89042500000200 f4');
    expect([bench.exception, bench.stack(1)]).toEqual([14, AT.code + 17]);
  });

  test('supervisor and user have a TLB each', () => {
    bench.long();
    const { cpu } = bench.vcpu;
    expect(cpu.load32(BigInt(AT.data), false)).toBe(0);
    let thrown: unknown;
    try {
      cpu.load32(BigInt(AT.data), true);
    } catch (fault) {
      thrown = fault;
    }
    expect(thrown).toBe(cpu.fault);
    expect(cpu.fault.error).toBe(5);
    expect(cpu.load32(BigInt(AT.data), false)).toBe(0);
  });
});

describe('paging modes', () => {
  const { cr3, entries } = { cr3: 0x5_0000, entries: 0x5_1000 };

  test('§4.3 32-bit paging: 4 KiB and 4 MiB pages, PSE-36', () => {
    bench.protected();
    bench.view.setUint32(cr3 + 4, entries | 7, true);
    bench.view.setUint32(entries + 8, AT.data | 3, true);
    bench.view.setUint32(cr3 + 8, 0x83, true);
    bench.view.setUint32(cr3 + 12, 0x2083, true); // address bit 32
    bench.set({ cr3: BigInt(cr3), cr4: 0x10n, cr0: 0x8000_0011n });
    expect(access(0x40_2004, READ)).toBe(AT.data + 4);
    expect(access(0x80_0000 + AT.data, WRITE)).toBe(AT.data);
    expect(bench.view.getUint32(cr3 + 8, true)).toBe(0xe3);
    expect(access(0xc0_0000, READ)).toBe(STATE.bounce);
    expect(bench.accesses.at(-1)!.address).toBe(0x1_0000_0000);
  });

  test('PSE-36: bits above the address bits of the model are reserved, and 21 always', () => {
    for (const [model, reserved] of [
      ['max', 0x20_0000],
      ['pentium3', 0x2_0000],
    ] as const) {
      bench = new VcpuBench('off', model).protected();
      bench.view.setUint32(cr3 + 4, reserved | 0x83, true);
      bench.view.setUint32(cr3 + 8, (reserved >> 1) | 0x83, true);
      bench.set({ cr3: BigInt(cr3), cr4: 0x10n, cr0: 0x8000_0011n });
      expect(access(0x40_0000, READ)).toBe(-9);
      expect(access(0x80_0000, READ)).toBe(STATE.bounce);
    }
    bench = new VcpuBench();
  });

  test('§4.4 PAE paging: the pointers have no rights, bits 62:52 are reserved', () => {
    bench.protected();
    bench.view.setUint32(cr3 + 0x20 + 24, entries | 1, true);
    bench.view.setUint32(entries + 8, 0xe7, true);
    bench.view.setUint32(entries + 16, 0xe7, true);
    bench.view.setUint32(entries + 20, 0x10_0000, true);
    bench.set({ cr3: BigInt(cr3 + 0x20), cr4: 0x20n, cr0: 0x8000_0011n });
    expect(access(0xc020_0000 + AT.data, WRITE, true)).toBe(AT.data);
    expect(access(0xc040_0000, READ, false)).toBe(-9);
    expect(access(0x4000_0000, READ, false)).toBe(-0);
  });

  test('§4.5 2 MiB pages: reserved bits; INVLPG of any part forgets all of it', () => {
    bench.long();
    const directory = AT.pml4 + 0x2000;
    bench.view.setUint32(directory + 8, 0x83, true);
    const { cpu } = bench.vcpu;
    bench.put(AT.data, '55');
    expect(cpu.load8(0x20_0000n + BigInt(AT.data))).toBe(0x55);
    bench.view.setUint32(directory + 8, 0x2083, true);
    expect(cpu.load8(0x20_0000n + BigInt(AT.data))).toBe(0x55);
    cpu.flushPage(0x20_0000 + AT.code);
    expect(access(0x20_0000 + AT.data, READ)).toBe(-9);
  });

  test('1 GiB pages: reserved in a model whose CPUID does not list them', () => {
    bench = new VcpuBench('off', 'x86-64-v2');
    bench.long();
    bench.view.setUint32(AT.pml4 + 0x1000 + 8, 0x83, true);
    expect(access(0x4000_0000, READ)).toBe(-9);
  });

  test('1 GiB pages (§4.5.4): bits 29:13 are reserved, 12 is PAT', () => {
    bench.long();
    const entry = AT.pml4 + 0x1000 + 8;
    bench.view.setUint32(entry, 0x1083, true);
    expect(access(0x4000_0000 + AT.data, READ)).toBe(AT.data);
    expect(bench.view.getUint32(entry, true)).toBe(0x10a3);
    expect(access(0x4000_0000 + AT.data + 8, WRITE)).toBe(AT.data + 8);
    expect(bench.view.getUint32(entry, true)).toBe(0x10e3);
    bench.vcpu.cpu.flushTlb();
    for (const bit of [13, 21, 29]) {
      bench.view.setUint32(entry, 0x83 | (1 << bit), true);
      expect(access(0x4000_0000, READ)).toBe(-9);
    }
  });

  test('1 GiB pages: INVLPG of any address in one forgets all parts', () => {
    bench.long();
    const entry = AT.pml4 + 0x1000 + 8;
    bench.view.setUint32(entry, 0x83, true);
    expect(access(0x4000_0000 + AT.data, READ)).toBe(AT.data);
    bench.view.setUint32(entry, 0, true);
    bench.vcpu.cpu.flushPage(0x7fff_f000);
    expect(access(0x4000_0000 + AT.data, READ)).toBe(-0);
    expect(cr2()).toBe(0x4000_0000 + AT.data);
  });

  test('tables that are read through the bus, and A20', () => {
    bench.protected();
    bench.vcpu.setA20(false);
    expect(access(0x10_0000 + AT.data, READ)).toBe(AT.data);
    bench.vcpu.setA20(true);
    expect(access(AT.window, READ)).toBe(STATE.bounce);
    new DataView(bench.device.buffer).setUint32(0, entries | 3, true);
    bench.view.setUint32(entries, AT.data | 0x23, true);
    bench.set({ cr3: BigInt(AT.window), cr0: 0x8000_0011n });
    expect(access(0, READ)).toBe(AT.data);
    expect(bench.accesses.at(-1)).toEqual({
      kind: 'write',
      address: AT.window,
      size: 4,
      value: entries | 0x23,
    });
  });
});

describe('addresses', () => {
  test('vol. 1 §3.3.7.1 not canonical: #GP, by the stack #SS; also what only ends there', () => {
    for (const [code, vector] of [
      ['48b80000000000800000 8b00', 13],
      ['48b8feffffffff7f0000 8b00', 13],
      ['48bc0000000000800000 58', 12],
    ] as const) {
      bench.long();
      const stackTable = 0x9_0000; // IST 1 for #SS, whose stack pointer is no good
      bench.view.setUint8(AT.idt + 16 * 12 + 4, 1);
      bench.view.setBigUint64(stackTable + 0x24, BigInt(AT.stack), true);
      const { segments } = bench.vcpu.save();
      bench.set({
        segments: { ...segments, tr: { selector: 0x18, base: BigInt(stackTable), limit: 0x67, rights: 0x8b } },
      });
      bench.run(code);
      expect(bench.exception).toBe(vector);
    }
  });

  test('32-bit: an access over 4 GiB goes on at 0, and CR2 has 32 bits', () => {
    bench.protected();
    bench.view.setUint32(0x5_0000 + 0xffc, 0x5_1003, true);
    bench.view.setUint32(0x5_0000, 0x5_2003, true);
    bench.view.setUint32(0x5_1ffc, AT.data | 3, true);
    bench.set({ cr3: 0x5_0000n, cr0: 0x8000_0011n });
    expect(access(0xffff_fffe, READ)).toBe(-0);
    expect(cr2()).toBe(0);
    bench.view.setUint32(0x5_2000, AT.code | 3, true);
    bench.put(AT.data + 0xffe, '1122');
    bench.put(AT.code, '3344');
    expect(access(0xffff_fffe, READ)).toBe(STATE.bounce);
    expect(bench.vcpu.cpu.r.u32[STATE.bounce / 4]).toBe(0x4433_2211);
  });
});

describe('accesses to two pages', () => {
  beforeEach(() => {
    bench.long();
    bench.map(AT.data + 0x1000, AT.data + 0x5000);
  });

  test('read, write and RMW', () => {
    bench.put(AT.data + 0xffe, '0102');
    bench.put(AT.data + 0x5000, '0304');
    // MOV EAX, [data+ffe]; ADD DWORD [data+ffe], 10101010; MOV [data+fff], BL
    bench.run('8b0425fe0f0200 810425fe0f0200 10101010 f4');
    expect(bench.gpr(0)).toBe(0x0403_0201);
    expect(bench.view.getUint16(AT.data + 0xffe, true)).toBe(0x1211);
    expect(bench.view.getUint16(AT.data + 0x5000, true)).toBe(0x1413);
  });

  test('a fault in the second leaves the first alone; CR2 is the second', () => {
    bench.map(AT.data + 0x1000, AT.data + 0x5000, 1n);
    bench.run('c70425fe0f0200 ffffffff f4');
    expect([bench.exception, bench.stack(0), cr2()]).toEqual([14, 3, AT.data + 0x1000]);
    expect(bench.view.getUint16(AT.data + 0xffe, true)).toBe(0);
  });

  test('PUSH over the edge', () => {
    bench.set({ gpr: bench.vcpu.save().gpr.with(4, BigInt(AT.data + 0x1004)) });
    bench.run('6a11 f4');
    expect([bench.view.getUint32(AT.data + 0xffc, true), bench.view.getUint32(AT.data + 0x5000, true)]).toEqual([
      0x11, 0,
    ]);
    expect(bench.gpr(4)).toBe(AT.data + 0xffc);
  });
});

describe('device memory and ROM', () => {
  const kinds = (): string[] =>
    bench.accesses.map(({ kind, size, value }) => `${kind}${8 * size} ${value.toString(16)}`);

  test.each([
    ['8b042500001000', ['read32 44332211']],
    ['8a042500001000', ['read8 11']],
    ['66c7042500001000 3412', ['write16 1234']],
    ['488b042500001000', ['read32 44332211', 'read32 88776655']],
    ['48890425 00001000', ['write32 55667788', 'write32 11223344']],
    ['83042500001000 01', ['read32 44332211', 'write32 44332212']],
    ['f0830c2500001000 00', ['read32 44332211', 'write32 44332211']],
    ['87042500001000', ['read32 44332211', 'write32 55667788']],
    // CMPXCHG that fails: the old value is written back.
    ['0fb11c2500001000', ['read32 44332211', 'write32 44332211']],
    // CMPXCHG8B that fails: both halves, after both were read.
    ['0fc70c2500001000', ['read32 44332211', 'read32 88776655', 'write32 44332211', 'write32 88776655']],
    // MOVSD from the device to the device.
    ['be00001000 bf08001000 a5', ['read32 44332211', 'write32 44332211']],
    // PUSH [window]
    ['ff342500001000', ['read32 44332211', 'read32 88776655']],
  ])('%s', (code, expected) => {
    bench.long();
    bench.device.set([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]);
    bench.set({ gpr: bench.vcpu.save().gpr.with(0, 0x1122_3344_5566_7788n) });
    bench.run(`${code} f4`);
    expect(bench.exception).toBeUndefined();
    expect(kinds()).toEqual(expected);
  });

  test('ROM: reads come from memory, writes go to the bus, RMW does both', () => {
    bench.long();
    bench.put(AT.rom, '01020304');
    bench.run('8b042500101000 83042500101000 01 891c2500101000 f4');
    expect(bench.gpr(0)).toBe(0x0403_0201);
    expect(kinds()).toEqual(['write32 4030202', 'write32 0']);
    expect(bench.view.getUint32(AT.rom, true)).toBe(0x0403_0201);
  });

  test('an access from RAM into device memory goes byte by byte', () => {
    bench.long();
    bench.device.set([0xaa, 0xbb]);
    bench.put(AT.window - 2, '1122');
    bench.run('8b0425feff0f00 f4');
    expect(bench.gpr(0)).toBe(0xbbaa_2211);
    expect(kinds()).toEqual(['read8 aa', 'read8 bb']);
  });

  test('nothing there: all ones; writes are lost', () => {
    bench.long();
    bench.map(AT.data, 0x8000_0000);
    bench.run('8a042500000200 88042500000200 f4');
    expect(bench.gpr(0)).toBe(0xff);
  });
});
