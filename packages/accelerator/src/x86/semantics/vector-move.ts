import { GPR } from '../state.ts';
import type { Description, Descriptions } from './description.ts';
import type { Width } from './form.ts';
import type { Ops } from './ops.ts';
import { immediate, iota, isMemory, isMmx, lanes32, lowHalf, zeroVector } from './vector.ts';

const _HIGH_TO_LOW = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
const size = (operand: { readonly size: number }): Width => operand.size as Width;

/** All of an operand to another as wide; what is wider than a memory source becomes 0. */
const whole: Description = { hot: true, run: o => o.writeVector(0, o.readVector(1)) };

/** MOVSS and MOVSD: from memory the rest becomes 0, between registers it stays (SDM vol. 2 MOVSS, MOVSD). */
const scalar = (lane: 'i32' | 'i64'): Description => ({
  hot: true,
  run(o, f) {
    if (isMemory(f, 1)) o.writeVector(0, o.readVector(1));
    else if (isMemory(f, 0)) o.write(0, o.readLane(1, lane));
    else o.writeLane(0, lane, o.readLane(1, lane));
  },
});

/** MOVQ: to a register, the upper half becomes 0. */
const movq: Description = {
  hot: true,
  run(o, f) {
    if (isMemory(f, 0)) o.write(0, o.readLane(1, 'i64'));
    else if (isMemory(f, 1) || isMmx(f)) o.writeVector(0, o.readVector(1));
    else o.writeVector(0, o.vector('v128.and', o.readVector(1), lowHalf(o)));
  },
};

/** MOVD, and MOVQ by REX.W: between a general register or memory and a vector, which is zero-extended. */
const movd: Description = {
  hot: true,
  run(o, f) {
    const [to, from] = f.operands as [{ kind: number; size: number }, { kind: number; size: number }];
    if (to.size <= 64 && from.size > to.size) return o.write(0, o.readLane(1, to.size === 64 ? 'i64' : 'i32'));
    if (isMmx(f) || to.size === 128) {
      const shape = from.size === 64 ? 'i64x2' : 'i32x4';
      return o.writeVector(0, o.lane(`${shape}.replace_lane`, 0, zeroVector(o), o.read(1)));
    }
    // An MMX register to a general register or memory of 64 bits.
    o.write(0, o.readLane(1, 'i64'));
  },
};

/** MOVLPS and MOVLPD: the low half alone. */
const low: Description = {
  run(o, f) {
    if (isMemory(f, 0)) o.write(0, o.readLane(1, 'i64'));
    else o.writeLane(0, 'i64', o.readLane(1, 'i64'));
  },
};

/** MOVHPS and MOVHPD: the high half alone. */
const high: Description = {
  run(o, f) {
    if (isMemory(f, 0)) o.write(0, o.lane('i64x2.extract_lane', 1, o.readVector(1)));
    else o.writeVector(0, o.lane('i64x2.replace_lane', 1, o.readVector(0), o.readLane(1, 'i64')));
  },
};

/** A general register gets a small number. */
const writeNumber = <V>(o: Ops<V>, w: Width, value: V): void => o.write(0, o.zeroExtend(32, w, value));

/** The sign bits of a vector's lanes; lanes that an MMX register does not have are 0. */
const signs = (op: string): Description => ({
  hot: true,
  run: (o, f) => writeNumber(o, size(f.operands[0]!), o.vector(op, o.readVector(1))),
});

/** A lane by number: the vector turned so that the lane comes first. */
const turned = <V>(o: Ops<V>, vector: V, byte: V): V =>
  o.vector('i8x16.swizzle', vector, o.vector('i8x16.add', o.vector('i8x16.splat', byte), iota(o)));

/** PEXTRB, PEXTRW, PEXTRD (PEXTRQ by REX.W), EXTRACTPS: a lane by number, zero-extended. */
const extract = (bytes: 1 | 2 | 4): Description => ({
  run(o, f) {
    const w = size(f.operands[0]!);
    const wide = bytes === 4 && w === 64 && f.mnemonic === 'pextrd' ? 8 : bytes;
    const lanes = (f.operands[1]!.size === 64 ? 8 : 16) / wide;
    const byte = o.binary('shl', 32, immediate(o, 2, lanes - 1), o.constant(32, Math.log2(wide)));
    const vector = turned(o, o.readVector(1), byte);
    if (wide === 8) return o.write(0, o.lane('i64x2.extract_lane', 0, vector));
    const op = { 1: 'i8x16.extract_lane_u', 2: 'i16x8.extract_lane_u', 4: 'i32x4.extract_lane' }[wide];
    writeNumber(o, w, o.lane(op, 0, vector));
  },
});

/** PINSRB, PINSRW, PINSRD (PINSRQ by REX.W): replaces a lane by number. */
const insert = (bytes: 1 | 2 | 4): Description => ({
  run(o, f) {
    const from = size(f.operands[1]!);
    const wide = bytes === 4 && from === 64 ? 8 : bytes;
    const value = o.read(1);
    const shape = ({ 1: 'i8x16', 2: 'i16x8', 4: 'i32x4', 8: 'i64x2' } as const)[wide];
    const narrow = from === 64 && wide !== 8 ? o.truncate(64, 32, value) : value;
    const lane = immediate(o, 2, (isMmx(f) ? 8 : 16) / wide - 1);
    // The bytes whose number, less its low bits, is the lane's.
    const numbers = o.vectorConstant(Array.from({ length: 16 }, (_, i) => Math.floor(i / wide)));
    const mask = o.vector('i8x16.eq', o.vector('i8x16.splat', lane), numbers);
    o.writeVector(0, o.vector('v128.bitselect', o.vector(`${shape}.splat`, narrow), o.readVector(0), mask));
  },
});

/** INSERTPS: a lane of the source (the only one, in memory) to a lane of the destination; some lanes become 0. */
const insertps: Description = {
  run(o, f) {
    const control = o.read(2);
    const field = (bit: number): typeof control =>
      o.binary('and', 32, o.binary('shr', 32, control, o.constant(32, bit)), o.constant(32, 3));
    const source = o.readVector(1);
    const from = isMemory(f, 1) ? source : turned(o, source, o.binary('shl', 32, field(6), o.constant(32, 2)));
    const value = o.vector('i32x4.splat', o.lane('i32x4.extract_lane', 0, from));
    const here = o.vector('i32x4.eq', o.vector('i32x4.splat', field(4)), lanes32(o, 0, 1, 2, 3));
    const bits = o.vector('v128.and', o.vector('i32x4.splat', control), lanes32(o, 1, 2, 4, 8));
    const kept = o.vector('i32x4.eq', bits, zeroVector(o));
    o.writeVector(0, o.vector('v128.and', o.vector('v128.bitselect', value, o.readVector(0), here), kept));
  },
};

/** MASKMOVQ and MASKMOVDQU: the bytes at rDI whose mask bytes are negative. */
const maskMove: Description = {
  dimensions: ['asize', 'flat', 'long'],
  run(o, f) {
    const bytes = isMmx(f) ? 8 : 16;
    const linear = o.segment('effective', f.asize, o.gpr(f.asize, GPR.rdi), bytes, true);
    const value = o.readVector(0);
    const selected = o.vector('i8x16.bitmask', o.readVector(1));
    const n = o.cell(32, o.constant(32, 0));
    o.repeat(stop => {
      const i = n.get();
      o.if(o.compare('eq', 32, i, o.constant(32, bytes)), stop);
      const bit = o.binary('and', 32, o.binary('shr', 32, selected, i), o.constant(32, 1));
      o.if(bit, () => {
        const byte = o.lane('i8x16.extract_lane_u', 0, o.vector('i8x16.swizzle', value, o.vector('i8x16.splat', i)));
        const sum = o.binary('add', 64, linear, o.zeroExtend(32, 64, i));
        o.store(8, f.long ? sum : o.binary('and', 64, sum, o.constant(64, 0xffff_ffffn)), byte);
      });
      n.set(o.binary('add', 32, i, o.constant(32, 1)));
    });
  },
};

const duplicate = (lanes: readonly number[]): Description => ({
  run(o) {
    const a = o.readVector(1);
    o.writeVector(0, o.shuffle(a, a, lanes));
  },
});

/** PMOVSX and PMOVZX: widens the low lanes, by shifts from twice as wide where the source is much narrower. */
const widen = (sign: 's' | 'u', ...steps: ('i16x8' | 'i32x4' | 'i64x2')[]): Description => ({
  run(o) {
    const from = { i16x8: 'i8x16', i32x4: 'i16x8', i64x2: 'i32x4' } as const;
    let value = o.readVector(1);
    for (const to of steps) value = o.vector(`${to}.extend_low_${from[to]}_${sign}`, value);
    o.writeVector(0, value);
  },
});

const nothing: Description = { run: () => {} };
const hint: Description = { ignoresMemory: true, run: () => {} };

export const vectorMove = {
  movups: whole,
  movupd: whole,
  movaps: whole,
  movapd: whole,
  movdqa: whole,
  movdqu: whole,
  lddqu: whole,
  // Non-temporal hints change nothing that a guest can see.
  movntps: whole,
  movntpd: whole,
  movntdq: whole,
  movntdqa: whole,
  movntq: whole,
  movss: scalar('i32'),
  movsd: scalar('i64'),
  movq,
  movd,
  movq2dq: whole,
  movdq2q: whole,
  movlps: low,
  movlpd: low,
  movhps: high,
  movhpd: high,
  movhlps: { run: o => o.writeLane(0, 'i64', o.lane('i64x2.extract_lane', 1, o.readVector(1))) },
  movlhps: high,
  movddup: duplicate([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]),
  movsldup: duplicate([0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]),
  movshdup: duplicate([4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
  movmskps: signs('i32x4.bitmask'),
  movmskpd: signs('i64x2.bitmask'),
  pmovmskb: signs('i8x16.bitmask'),
  pextrb: extract(1),
  pextrw: extract(2),
  pextrd: extract(4),
  extractps: extract(4),
  pinsrb: insert(1),
  pinsrw: insert(2),
  pinsrd: insert(4),
  insertps,
  maskmovq: maskMove,
  maskmovdqu: maskMove,
  pmovsxbw: widen('s', 'i16x8'),
  pmovsxbd: widen('s', 'i16x8', 'i32x4'),
  pmovsxbq: widen('s', 'i16x8', 'i32x4', 'i64x2'),
  pmovsxwd: widen('s', 'i32x4'),
  pmovsxwq: widen('s', 'i32x4', 'i64x2'),
  pmovsxdq: widen('s', 'i64x2'),
  pmovzxbw: widen('u', 'i16x8'),
  pmovzxbd: widen('u', 'i16x8', 'i32x4'),
  pmovzxbq: widen('u', 'i16x8', 'i32x4', 'i64x2'),
  pmovzxwd: widen('u', 'i32x4'),
  pmovzxwq: widen('u', 'i32x4', 'i64x2'),
  pmovzxdq: widen('u', 'i64x2'),
  prefetchnta: hint,
  prefetcht0: hint,
  prefetcht1: hint,
  prefetcht2: hint,
  prefetchw: hint,
  // One processor runs at a time, and in order: there is nothing to wait for.
  lfence: nothing,
  mfence: nothing,
  sfence: nothing,
} satisfies Descriptions;
