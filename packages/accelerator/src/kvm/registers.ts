import { type CpuState, GPRS, SEGMENTS, type SegmentName, type SegmentState, type TableState } from '@mainboard/core';
import type { Struct } from './abi/layout.ts';
import { kvmDtable, type kvmRegs, kvmSegment, kvmSregs } from './abi/structs.ts';

type Regs = Struct<keyof typeof kvmRegs.fields>;
type Sregs = Struct<keyof typeof kvmSregs.fields>;
type GprName = (typeof GPRS)[number];

/** KVM says `ldt` where the rest of the world says LDTR. */
const kvmName = (name: SegmentName): keyof typeof kvmSregs.fields => (name === 'ldtr' ? 'ldt' : name);

export const readRegs = (regs: Regs, state: CpuState): void => {
  GPRS.forEach((name: GprName, i) => {
    state.gpr[i] = regs.get64(name);
  });
  state.rip = regs.get64('rip');
  state.rflags = regs.get64('rflags');
};

export const writeRegs = (regs: Regs, state: CpuState): void => {
  GPRS.forEach((name: GprName, i) => {
    regs.set64(name, state.gpr[i]!);
  });
  regs.set64('rip', state.rip);
  regs.set64('rflags', state.rflags);
};

const s = kvmSegment.fields;

const readSegment = (view: DataView, at: number): SegmentState => ({
  selector: view.getUint16(at + s.selector.offset, true),
  base: view.getBigUint64(at + s.base.offset, true),
  limit: view.getUint32(at + s.limit.offset, true),
  rights:
    view.getUint8(at + s.type.offset) |
    (view.getUint8(at + s.s.offset) << 4) |
    (view.getUint8(at + s.dpl.offset) << 5) |
    (view.getUint8(at + s.present.offset) << 7) |
    (view.getUint8(at + s.avl.offset) << 12) |
    (view.getUint8(at + s.l.offset) << 13) |
    (view.getUint8(at + s.db.offset) << 14) |
    (view.getUint8(at + s.g.offset) << 15) |
    (view.getUint8(at + s.unusable.offset) << 16),
});

const writeSegment = (view: DataView, at: number, { selector, base, limit, rights }: SegmentState): void => {
  view.setUint16(at + s.selector.offset, selector, true);
  view.setBigUint64(at + s.base.offset, base, true);
  view.setUint32(at + s.limit.offset, limit, true);
  view.setUint8(at + s.type.offset, rights & 0xf);
  view.setUint8(at + s.s.offset, (rights >> 4) & 1);
  view.setUint8(at + s.dpl.offset, (rights >> 5) & 3);
  view.setUint8(at + s.present.offset, (rights >> 7) & 1);
  view.setUint8(at + s.avl.offset, (rights >> 12) & 1);
  view.setUint8(at + s.l.offset, (rights >> 13) & 1);
  view.setUint8(at + s.db.offset, (rights >> 14) & 1);
  view.setUint8(at + s.g.offset, (rights >> 15) & 1);
  view.setUint8(at + s.unusable.offset, (rights >> 16) & 1);
};

const readTable = (view: DataView, at: number): TableState => ({
  base: view.getBigUint64(at + kvmDtable.fields.base.offset, true),
  limit: view.getUint16(at + kvmDtable.fields.limit.offset, true),
});

const writeTable = (view: DataView, at: number, { base, limit }: TableState): void => {
  view.setBigUint64(at + kvmDtable.fields.base.offset, base, true);
  view.setUint16(at + kvmDtable.fields.limit.offset, limit, true);
};

const CONTROL = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer'] as const;

export const readSregs = (sregs: Sregs, state: CpuState): void => {
  for (const name of SEGMENTS) state.segments[name] = readSegment(sregs.view, kvmSregs.fields[kvmName(name)].offset);
  state.gdtr = readTable(sregs.view, kvmSregs.fields.gdt.offset);
  state.idtr = readTable(sregs.view, kvmSregs.fields.idt.offset);
  for (const name of CONTROL) state[name] = sregs.get64(name);
};

/** Leaves `apic_base` as it is in `sregs`: it belongs to the interrupt controllers, not to the processor's state. */
export const writeSregs = (sregs: Sregs, state: CpuState): void => {
  for (const name of SEGMENTS) writeSegment(sregs.view, kvmSregs.fields[kvmName(name)].offset, state.segments[name]);
  writeTable(sregs.view, kvmSregs.fields.gdt.offset, state.gdtr);
  writeTable(sregs.view, kvmSregs.fields.idt.offset, state.idtr);
  for (const name of CONTROL) sregs.set64(name, state[name]);
  // KVM would take a bit here for an interrupt to deliver; those travel in the events.
  for (let i = 0; i < 4; i++) sregs.set64('interrupt_bitmap', 0n, i);
};
