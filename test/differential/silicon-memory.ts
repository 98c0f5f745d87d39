/** Where the program on silicon has what is its own. */

/** Where no case looks but by chance. Nothing else of the process stays, as Linux puts it where cases do look. */
export const ORIGIN = 0x5a5a_5a50_0000;
/** Behind the program, as far apart as the largest is: outcomes, cases, and what cases run in, to write. */
export const AT = {
  outputs: ORIGIN + 0x4000_0000,
  inputs: ORIGIN + 0x8000_0000,
  code: ORIGIN + 0xc000_0000,
  data: ORIGIN + 0xd000_0000,
  end: ORIGIN + 0xe000_0000,
} as const;
export const END_OF_USER_SPACE = 0x7fff_ffff_f000;
/** Bytes of the stack that signals are taken on, behind the program: an XSAVE image takes up to 11 KiB. */
export const STACK = 0x4_0000;
/** Bytes of address space for all cases, and for all outcomes. */
export const ROOM = 0x4000_0000;
