import iced from 'iced-x86';
import type { Mem, Operand, Reg } from './operands.ts';

const { Code, CodeExt, MemorySizeExt, Mnemonic, OpCodeOperandKind: Kind, RegisterExt } = iced;

export type Bits = 16 | 32 | 64;

/** One encodable form of an instruction: iced-x86's `Code` with what choosing it needs. */
export interface Form {
  readonly code: number;
  readonly name: string;
  /** `OpCodeOperandKind` of each operand. */
  readonly kinds: readonly number[];
  /** Bytes of its memory operand, 0 if it has none or takes any. */
  readonly memoryBytes: number;
  /** Bits of the operand size that the form is for; 0 when it is not for one. */
  readonly operandSize: number;
  readonly modes: { readonly 16: boolean; readonly 32: boolean; readonly 64: boolean };
  /** All operands are implied by the mnemonic (`movsb`, `xlatb`). */
  readonly string: boolean;
}

type CodeName = Extract<keyof typeof Code, string>;

export type { CodeName };

/** Indirect far jumps share mnemonic and operand size with near ones; only `exact` reaches them. */
const FAR_INDIRECT = /^(Jmp|Call)_m16/;

let byMnemonic: Map<string, CodeName[]> | undefined;
const forms = new Map<string, readonly Form[]>();

function index(): Map<string, CodeName[]> {
  const map = new Map<string, CodeName[]>();
  for (const name of Object.keys(Code) as CodeName[]) {
    if (/^\d/.test(name)) continue;
    const info = CodeExt.opCode(Code[name]);
    // A decoder option marks opcodes of old steppings, such as the first CMPXCHG of the 486.
    if (info.isInstruction && info.decoderOption === 0 && !FAR_INDIRECT.test(name)) {
      const mnemonic = Mnemonic[info.mnemonic]!.toLowerCase();
      const names = map.get(mnemonic);
      if (names) names.push(name);
      else map.set(mnemonic, [name]);
    }
    info.free();
  }
  return map;
}

function describe(name: CodeName): Form {
  const info = CodeExt.opCode(Code[name]);
  const kinds = [info.op0Kind, info.op1Kind, info.op2Kind, info.op3Kind, info.op4Kind].slice(0, info.opCount);
  const form: Form = {
    code: Code[name],
    name,
    kinds,
    memoryBytes: MemorySizeExt.size(info.memorySize),
    operandSize: info.operandSize,
    modes: { 16: info.mode16, 32: info.mode32, 64: info.mode64 },
    string: kinds.some(kind => isStringOperand(kind)),
  };
  info.free();
  return form;
}

/** The forms of a mnemonic (lower case), in the order of the opcode map; empty for an unknown one. */
export function formsOf(mnemonic: string): readonly Form[] {
  const known = forms.get(mnemonic);
  if (known) return known;
  byMnemonic ??= index();
  const found = (byMnemonic.get(mnemonic) ?? []).map(describe);
  forms.set(mnemonic, found);
  return found;
}

/** The form that iced-x86 calls `name`, such as `Retfq` or `Jmp_m1632`. */
export function formNamed(name: CodeName): Form {
  return describe(name);
}

function isStringOperand(kind: number): boolean {
  return kind === Kind.seg_rSI || kind === Kind.es_rDI || kind === Kind.seg_rDI || kind === Kind.seg_rBX_al;
}

function matchesRegister(kind: number, { id }: Reg): boolean {
  const name = Kind[kind]!;
  if (/^r8_/.test(name)) return RegisterExt.isGPR8(id);
  if (/^r16_/.test(name)) return RegisterExt.isGPR16(id);
  if (/^r32_/.test(name)) return RegisterExt.isGPR32(id);
  if (/^r64_/.test(name)) return RegisterExt.isGPR64(id);
  if (/^mm_/.test(name)) return RegisterExt.isMM(id);
  if (/^xmm_/.test(name)) return RegisterExt.isXMM(id);
  switch (kind) {
    case Kind.seg_reg:
      return RegisterExt.isSegmentRegister(id);
    case Kind.cr_reg:
      return RegisterExt.isCR(id);
    case Kind.dr_reg:
      return RegisterExt.isDR(id);
    case Kind.sti_opcode:
      return RegisterExt.isST(id);
    default:
      // The rest name one register each: al, cl, ax, dx, eax, rax, es … gs, st0.
      return iced.Register[id]!.toLowerCase() === name;
  }
}

/** Whether a form takes this number: `sex` forms take what sign extension gives back. */
function matchesImmediate(kind: number, value: bigint): boolean {
  const signed = (bits: number, width: number) => {
    const v = BigInt.asIntN(width, value);
    return value === v || value === BigInt.asUintN(width, value) ? v === BigInt.asIntN(bits, v) : false;
  };
  const plain = (bits: number) => value === BigInt.asIntN(bits, value) || value === BigInt.asUintN(bits, value);
  switch (kind) {
    case Kind.imm8:
      return plain(8);
    case Kind.imm8_const_1:
      return value === 1n;
    case Kind.imm8sex16:
      return signed(8, 16);
    case Kind.imm8sex32:
      return signed(8, 32);
    case Kind.imm8sex64:
      return signed(8, 64);
    case Kind.imm16:
      return plain(16);
    case Kind.imm32:
      return plain(32);
    case Kind.imm32sex64:
      return signed(32, 64);
    case Kind.imm64:
      return plain(64);
    default:
      return false;
  }
}

export function isBranch(kind: number): boolean {
  return kind >= Kind.br16_1 && kind <= Kind.br64_4;
}

function matchesBranch(kind: number, bits: Bits): boolean {
  if (bits === 16) return kind === Kind.br16_1 || kind === Kind.br16_2;
  if (bits === 32) return kind === Kind.br32_1 || kind === Kind.br32_4;
  return kind === Kind.br64_1 || kind === Kind.br64_4;
}

function matchesMemory(form: Form, kind: number, memory: Mem, bits: Bits): boolean {
  if (kind === Kind.mem_offs) return bits !== 64 && !memory.base && !memory.index && sized(form, memory);
  if (kind === Kind.mem || kind === Kind.mem_mpx || kind === Kind.mem_mib) return sized(form, memory);
  return Kind[kind]!.endsWith('_or_mem') && sized(form, memory);
}

function sized(form: Form, memory: Mem): boolean {
  return memory.size === 0 || form.memoryBytes === 0 || form.memoryBytes === memory.size;
}

/** Whether `form` exists in this mode and takes these operands. */
export function matches(form: Form, operands: readonly Operand[], bits: Bits): boolean {
  if (!form.modes[bits]) return false;
  if (form.string && operands.length === 0) return true;
  if (form.kinds.length !== operands.length) return false;
  return operands.every((operand, i) => {
    const kind = form.kinds[i]!;
    if (typeof operand === 'number' || typeof operand === 'bigint')
      return isBranch(kind) ? matchesBranch(kind, bits) : matchesImmediate(kind, BigInt(operand));
    if (typeof operand === 'string' || operand.kind === 'label')
      // A label as a number takes the full width, so that its size does not depend on where the label lies.
      return isBranch(kind)
        ? matchesBranch(kind, bits)
        : kind === Kind.imm16 || kind === Kind.imm32 || kind === Kind.imm32sex64;
    if (operand.kind === 'register') return matchesRegister(kind, operand);
    if (operand.kind === 'memory') return matchesMemory(form, kind, operand, bits);
    return kind === ((operand.bits ?? bits) === 16 ? Kind.farbr2_2 : Kind.farbr4_2);
  });
}
