import type { Attributes, Feature } from './row.ts';

/** The attributes of rows, under the names that the tables use. See {@link Attributes} for what each means. */
export const i64 = { i64: true } as const;
export const o64 = { o64: true } as const;
export const d64 = { d64: true } as const;
export const f64 = { f64: true } as const;
export const lock = { lock: true } as const;
export const cpl0 = { privilege: 'cpl0' } as const;
export const iopl = { privilege: 'iopl' } as const;
export const io = { privilege: 'io' } as const;
export const protectedOnly = { protectedOnly: true } as const;
export const rep = { rep: 'rep' } as const;
export const repz = { rep: 'repz' } as const;
export const impliedMemory = { impliedMemory: true } as const;
export const anyMod = { anyMod: true } as const;
export const unaligned = { unaligned: true } as const;
/** Overrides the unit of an SSE row that also touches MMX registers. */
export const withMmx = { unit: 'sse+mmx' } as const;

export const cpuid = (feature: Feature): Attributes => ({ cpuid: feature });
/** Flags left undefined: a mask of `CF | PF | …`. */
export const undef = (flags: number): Attributes => ({ undef: flags });

export const x87 = { unit: 'x87', cpuid: 'fpu' } as const;
export const x87NoWait = { unit: 'x87-nowait', cpuid: 'fpu' } as const;
export const wait = { unit: 'wait' } as const;
export const xsave = { unit: 'xsave', cpuid: 'xsave' } as const;
export const mmx = { unit: 'mmx', cpuid: 'mmx' } as const;
export const mmxSse = { unit: 'mmx', cpuid: 'sse' } as const;
export const mmxSse2 = { unit: 'mmx', cpuid: 'sse2' } as const;
export const mmxSsse3 = { unit: 'mmx', cpuid: 'ssse3' } as const;

/** A function from the exception type to the attributes of a row of an SSE extension. */
const xmm =
  (feature: Feature) =>
  (exception: NonNullable<Attributes['exception']>): Attributes => ({ unit: 'sse', cpuid: feature, exception });
export const sse = xmm('sse');
export const sse2 = xmm('sse2');
export const sse3 = xmm('sse3');
export const ssse3 = xmm('ssse3');
export const sse41 = xmm('sse4.1');
export const sse42 = xmm('sse4.2');
export const aes = xmm('aes');
export const pclmul = xmm('pclmulqdq');
/** DEVIATION (Intel): AMD's processors ask for no alignment here, and ours says that it is one of theirs. */
export const sha = (exception: 4): Attributes => ({ ...xmm('sha')(exception), unaligned: true });
