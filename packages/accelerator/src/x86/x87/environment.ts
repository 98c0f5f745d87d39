import { type Float80, KIND, kind } from './float80.ts';
import { type X87, X87_LAYOUT } from './state.ts';

/** The four layouts of the environment in memory (SDM vol. 1 figures 8-9 to 8-12). Virtual-8086 mode counts as real. */
export type EnvironmentFormat = 'real16' | 'protected16' | 'real32' | 'protected32';

export const environmentSize = (format: EnvironmentFormat): 14 | 28 => (is32(format) ? 28 : 14);
/** The environment and eight registers of ten bytes. */
export const stateSize = (format: EnvironmentFormat): 94 | 108 => (is32(format) ? 108 : 94);

const is32 = (format: EnvironmentFormat): boolean => format === 'real32' || format === 'protected32';

/** The full tag word (§8.1.7): two bits a physical register, 0 valid, 1 zero, 2 special, 3 empty. */
export function fullTags(fpu: X87): number {
  const valid = fpu.tags;
  const value = fpu.context.a;
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    let tag = 3;
    if ((valid & (1 << register)) !== 0) {
      fpu.readPhysical(register, value);
      const k = kind(value);
      tag = k === KIND.normal ? 0 : k === KIND.zero ? 1 : 2;
    }
    tags |= tag << (2 * register);
  }
  return tags;
}

/** Sets the tags from a full tag word; only "empty" matters, the rest follows from the registers. */
export function setFullTags(fpu: X87, tags: number): void {
  let valid = 0;
  for (let register = 0; register < 8; register++) if (((tags >> (2 * register)) & 3) !== 3) valid |= 1 << register;
  fpu.tags = valid;
}

/** FNSTENV's image; {@link environmentSize} bytes. */
export function writeEnvironment(fpu: X87, image: DataView, format: EnvironmentFormat): void {
  const { view, base } = fpu;
  const opcode = view.getUint16(base + X87_LAYOUT.opcode, true) & 0x7ff;
  const cs = view.getUint16(base + X87_LAYOUT.instructionSelector, true);
  const ds = view.getUint16(base + X87_LAYOUT.dataSelector, true);
  const ip = view.getUint32(base + X87_LAYOUT.instructionPointer, true);
  const dp = view.getUint32(base + X87_LAYOUT.dataPointer, true);
  const linearIp = (cs * 16 + ip) >>> 0;
  const linearDp = (ds * 16 + dp) >>> 0;
  if (is32(format)) {
    image.setUint32(0, 0xffff0000 | fpu.control, true);
    image.setUint32(4, 0xffff0000 | fpu.status, true);
    image.setUint32(8, 0xffff0000 | fullTags(fpu), true);
    if (format === 'protected32') {
      image.setUint32(12, ip, true);
      image.setUint32(16, (opcode << 16) | cs, true);
      image.setUint32(20, dp, true);
      image.setUint32(24, 0xffff0000 | ds, true);
    } else {
      image.setUint32(12, 0xffff0000 | (linearIp & 0xffff), true);
      image.setUint32(16, ((linearIp >>> 16) << 12) | opcode, true);
      image.setUint32(20, 0xffff0000 | (linearDp & 0xffff), true);
      image.setUint32(24, (linearDp >>> 16) << 12, true);
    }
    return;
  }
  image.setUint16(0, fpu.control, true);
  image.setUint16(2, fpu.status, true);
  image.setUint16(4, fullTags(fpu), true);
  if (format === 'protected16') {
    image.setUint16(6, ip, true);
    image.setUint16(8, cs, true);
    image.setUint16(10, dp, true);
    image.setUint16(12, ds, true);
  } else {
    image.setUint16(6, linearIp, true);
    image.setUint16(8, ((linearIp >>> 4) & 0xf000) | opcode, true);
    image.setUint16(10, linearDp, true);
    image.setUint16(12, (linearDp >>> 4) & 0xf000, true);
  }
}

/** FLDENV: takes an image of {@link writeEnvironment}. A pending exception stays pending, or becomes so (§8.1.10). */
export function readEnvironment(fpu: X87, image: DataView, format: EnvironmentFormat): void {
  const wide = is32(format);
  const step = wide ? 4 : 2;
  fpu.control = image.getUint16(0, true);
  fpu.status = image.getUint16(step, true);
  setFullTags(fpu, image.getUint16(2 * step, true));
  switch (format) {
    case 'protected32': {
      const selector = image.getUint32(16, true);
      fpu.setPointers(
        (selector >>> 16) & 0x7ff,
        selector & 0xffff,
        image.getUint32(12, true),
        0,
        image.getUint16(24, true),
        image.getUint32(20, true),
        0,
      );
      break;
    }
    case 'real32': {
      const upper = image.getUint32(16, true);
      const ip = (image.getUint16(12, true) | (((upper >>> 12) & 0xffff) << 16)) >>> 0;
      const dp = (image.getUint16(20, true) | (((image.getUint32(24, true) >>> 12) & 0xffff) << 16)) >>> 0;
      fpu.setPointers(upper & 0x7ff, 0, ip, 0, 0, dp, 0);
      break;
    }
    case 'protected16':
      fpu.setPointers(
        0,
        image.getUint16(8, true),
        image.getUint16(6, true),
        0,
        image.getUint16(12, true),
        image.getUint16(10, true),
        0,
      );
      break;
    case 'real16': {
      const upper = image.getUint16(8, true);
      const ip = image.getUint16(6, true) | ((upper & 0xf000) << 4);
      fpu.setPointers(
        upper & 0x7ff,
        0,
        ip,
        0,
        0,
        image.getUint16(10, true) | ((image.getUint16(12, true) & 0xf000) << 4),
        0,
      );
      break;
    }
  }
}

/** FNSAVE's image, {@link stateSize} bytes; ST(0) comes first. The caller initializes the FPU afterwards. */
export function writeState(fpu: X87, image: DataView, format: EnvironmentFormat): void {
  writeEnvironment(fpu, image, format);
  const value = fpu.context.a;
  for (let i = 0; i < 8; i++) {
    const at = environmentSize(format) + 10 * i;
    fpu.read(i, value);
    writeFloat80(image, at, value);
  }
}

/** FRSTOR. */
export function readState(fpu: X87, image: DataView, format: EnvironmentFormat): void {
  readEnvironment(fpu, image, format);
  const value = fpu.context.a;
  for (let i = 0; i < 8; i++) {
    readFloat80(image, environmentSize(format) + 10 * i, value);
    fpu.writePhysical((fpu.top + i) & 7, value);
  }
}

export function readFloat80(bytes: DataView, at: number, out: Float80): void {
  out.set(bytes.getUint16(at + 8, true), bytes.getInt32(at + 4, true), bytes.getInt32(at, true));
}
export function writeFloat80(bytes: DataView, at: number, value: Float80): void {
  bytes.setInt32(at, value.lo, true);
  bytes.setInt32(at + 4, value.hi, true);
  bytes.setUint16(at + 8, value.se, true);
}
