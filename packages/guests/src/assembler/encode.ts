import iced from 'iced-x86';
import { AssemblerError } from './errors.ts';
import type { Bits, Form } from './forms.ts';
import { isBranch } from './forms.ts';
import type { LabelRef, Mem, Operand } from './operands.ts';
import { at } from './operands.ts';

const { Encoder, Instruction, OpCodeOperandKind: Kind, OpKind, Register } = iced;
type Instruction = InstanceType<typeof Instruction>;

export interface Prefixes {
  readonly lock: boolean;
  readonly rep: 'rep' | 'repne' | undefined;
  /** iced-x86's `Register` of a segment override for a string instruction; 0 for none. */
  readonly segment: number;
}
export const NO_PREFIXES: Prefixes = { lock: false, rep: undefined, segment: 0 };

/** What labels and branch targets are measured with. */
export interface Place {
  readonly bits: Bits;
  /** The instruction's address less the base of its section. */
  readonly ip: bigint;
  resolve(ref: LabelRef): bigint;
}

const encoders = { 16: new Encoder(16), 32: new Encoder(32), 64: new Encoder(64) };

/** The bytes of one instruction. @returns undefined when an operand does not fit the form (a short jump too far). */
export function encode(
  form: Form,
  operands: readonly Operand[],
  prefixes: Prefixes,
  place: Place,
): Uint8Array | undefined {
  const instruction =
    form.string && operands.length === 0 ? stringInstruction(form, prefixes, place.bits) : new Instruction();
  try {
    if (!form.string || operands.length > 0) {
      instruction.code = form.code;
      for (const [i, operand] of operands.entries()) setOperand(instruction, i, form.kinds[i]!, operand, place);
    }
    if (prefixes.lock) instruction.hasLockPrefix = true;
    if (prefixes.rep === 'rep') instruction.hasRepPrefix = true;
    if (prefixes.rep === 'repne') instruction.hasRepnePrefix = true;
    const encoder = encoders[place.bits];
    encoder.encode(instruction, place.ip);
    return encoder.takeBuffer();
  } catch (error) {
    if (error instanceof AssemblerError) throw error;
    // A failed encode leaves what it wrote so far in the encoder.
    encoders[place.bits].takeBuffer();
    return undefined;
  } finally {
    instruction.free();
  }
}

function stringInstruction(form: Form, prefixes: Prefixes, bits: Bits): Instruction {
  const instruction = new Instruction();
  instruction.code = form.code;
  const si = bits === 16 ? OpKind.MemorySegSI : bits === 32 ? OpKind.MemorySegESI : OpKind.MemorySegRSI;
  const di = bits === 16 ? OpKind.MemoryESDI : bits === 32 ? OpKind.MemoryESEDI : OpKind.MemoryESRDI;
  for (const [i, kind] of form.kinds.entries()) {
    if (kind === Kind.seg_rSI) instruction.setOpKind(i, si);
    else if (kind === Kind.es_rDI) instruction.setOpKind(i, di);
    else if (kind === Kind.seg_rBX_al) {
      instruction.setOpKind(i, OpKind.Memory);
      instruction.memoryBase = bits === 16 ? Register.BX : bits === 32 ? Register.EBX : Register.RBX;
      instruction.memoryIndex = Register.AL;
    } else {
      instruction.setOpKind(i, OpKind.Register);
      instruction.setOpRegister(i, Register[Kind[kind]!.toUpperCase() as keyof typeof Register]);
    }
  }
  if (prefixes.segment) instruction.segmentPrefix = prefixes.segment;
  return instruction;
}

function setOperand(instruction: Instruction, i: number, kind: number, operand: Operand, place: Place): void {
  if (typeof operand === 'string') setOperand(instruction, i, kind, at(operand), place);
  else if (typeof operand === 'number' || typeof operand === 'bigint') setNumber(instruction, i, kind, BigInt(operand));
  else setObject(instruction, i, kind, operand, place);
}

type ObjectOperand = Extract<Operand, object>;

function setObject(instruction: Instruction, i: number, kind: number, operand: ObjectOperand, place: Place): void {
  switch (operand.kind) {
    case 'register':
      instruction.setOpKind(i, OpKind.Register);
      instruction.setOpRegister(i, operand.id);
      return;
    case 'label':
      setNumber(instruction, i, kind, place.resolve(operand));
      return;
    case 'far':
      instruction.setOpKind(i, kind === Kind.farbr2_2 ? OpKind.FarBranch16 : OpKind.FarBranch32);
      instruction.farBranchSelector = operand.selector;
      setFarOffset(
        instruction,
        kind,
        typeof operand.offset === 'number' ? operand.offset : Number(place.resolve(operand.offset)),
      );
      return;
    case 'memory':
      setMemory(instruction, i, operand, place);
  }
}

function setFarOffset(instruction: Instruction, kind: number, offset: number): void {
  if (kind === Kind.farbr2_2) {
    if (offset > 0xffff) throw new RangeError('offset');
    instruction.farBranch16 = offset;
  } else instruction.farBranch32 = offset >>> 0;
}

function setNumber(instruction: Instruction, i: number, kind: number, value: bigint): void {
  if (isBranch(kind)) {
    if (kind === Kind.br16_1 || kind === Kind.br16_2) {
      instruction.setOpKind(i, OpKind.NearBranch16);
      instruction.nearBranch16 = Number(value & 0xffffn);
    } else if (kind === Kind.br32_1 || kind === Kind.br32_4) {
      instruction.setOpKind(i, OpKind.NearBranch32);
      instruction.nearBranch32 = Number(value & 0xffffffffn);
    } else {
      instruction.setOpKind(i, OpKind.NearBranch64);
      instruction.nearBranch64 = BigInt.asUintN(64, value);
    }
    return;
  }
  switch (kind) {
    case Kind.imm8:
    case Kind.imm8_const_1: {
      // ENTER, INSERTQ and EXTRQ have a second one.
      const second = i > 0 && instruction.opKind(i - 1) === OpKind.Immediate16;
      instruction.setOpKind(i, second ? OpKind.Immediate8_2nd : OpKind.Immediate8);
      if (second) instruction.setImmediateU32(i, Number(value & 0xffn));
      else instruction.immediate8 = Number(value & 0xffn);
      return;
    }
    case Kind.imm16:
      if (value < -0x8000n || value > 0xffffn) throw new RangeError('imm16');
      instruction.setOpKind(i, OpKind.Immediate16);
      instruction.immediate16 = Number(value & 0xffffn);
      return;
    case Kind.imm32:
      if (value < -0x8000_0000n || value > 0xffff_ffffn) throw new RangeError('imm32');
      instruction.setOpKind(i, OpKind.Immediate32);
      instruction.immediate32 = Number(value & 0xffffffffn);
      return;
    case Kind.imm64:
      instruction.setOpKind(i, OpKind.Immediate64);
      instruction.immediate64 = BigInt.asUintN(64, value);
      return;
    case Kind.imm8sex16:
      instruction.setOpKind(i, OpKind.Immediate8to16);
      instruction.immediate8to16 = Number(BigInt.asIntN(8, value));
      return;
    case Kind.imm8sex32:
      instruction.setOpKind(i, OpKind.Immediate8to32);
      instruction.immediate8to32 = Number(BigInt.asIntN(8, value));
      return;
    case Kind.imm8sex64:
      instruction.setOpKind(i, OpKind.Immediate8to64);
      instruction.immediate8to64 = BigInt.asIntN(8, value);
      return;
    case Kind.imm32sex64:
      if (BigInt.asIntN(32, value) !== BigInt.asIntN(64, value)) throw new RangeError('imm32sex64');
      instruction.setOpKind(i, OpKind.Immediate32to64);
      instruction.immediate32to64 = BigInt.asIntN(32, value);
  }
}

/** Bytes of an address made of this operand's registers; the section's when it has none. */
function addressBytes(memory: Mem, bits: Bits): number {
  const register = memory.base ?? memory.index?.register;
  if (register) return register.size;
  if (bits === 16) return memory.displacement > 0xffffn ? 4 : 2;
  return bits / 8;
}

function setMemory(instruction: Instruction, i: number, memory: Mem, place: Place): void {
  const { base, index, label } = memory;
  const address = (label ? place.resolve(label) : 0n) + memory.displacement;
  instruction.setOpKind(i, OpKind.Memory);
  if (memory.segment) instruction.segmentPrefix = memory.segment.id;
  if (base) instruction.memoryBase = base.id;
  if (index) {
    instruction.memoryIndex = index.register.id;
    instruction.memoryIndexScale = index.scale;
  }
  const bytes = addressBytes(memory, place.bits);
  if (label && place.bits === 64 && !base && !index) {
    instruction.memoryBase = Register.RIP;
    instruction.memoryDisplSize = 8;
  } else if (label || !base) instruction.memoryDisplSize = bytes;
  // 1 lets the encoder take the shortest; [bp] and [rbp] have no form without a displacement.
  else instruction.memoryDisplSize = address !== 0n || /bp$|^r13/.test(base.name) ? 1 : 0;
  instruction.memoryDisplacement = BigInt.asIntN(64, address);
}
