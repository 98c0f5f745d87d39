/** Second names of the condition codes (Intel SDM vol. 1 appendix B) and what iced-x86 calls them. */
const CONDITIONS = {
  c: 'b',
  nae: 'b',
  nc: 'ae',
  nb: 'ae',
  z: 'e',
  nz: 'ne',
  na: 'be',
  nbe: 'a',
  pe: 'p',
  po: 'np',
  nge: 'l',
  nl: 'ge',
  ng: 'le',
  nle: 'g',
} as const;
type Condition = keyof typeof CONDITIONS;

const OTHERS = {
  loopz: 'loope',
  loopnz: 'loopne',
  xlat: 'xlatb',
  iretw: 'iret',
  pushfw: 'pushf',
  popfw: 'popf',
} as const;

export type Alias = `${'j' | 'set' | 'cmov'}${Condition}` | keyof typeof OTHERS;

/** Mnemonics by their second names. */
export const ALIASES: Readonly<Record<Alias, string>> = {
  ...(Object.fromEntries(
    Object.entries(CONDITIONS).flatMap(([alias, name]) =>
      ['j', 'set', 'cmov'].map(stem => [stem + alias, stem + name]),
    ),
  ) as Record<`${'j' | 'set' | 'cmov'}${Condition}`, string>),
  ...OTHERS,
};
