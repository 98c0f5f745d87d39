/** State components, as bits of XCR0 and XSTATE_BV (SDM vol. 1 §13.1). */
export const XSTATE = { x87: 1, sse: 2 } as const;

/** Offsets in an XSAVE area of the standard format (SDM vol. 1 §13.4); below them lies an image of FXSAVE. */
export const XSAVE_HEADER = { stateBv: 512, compactionBv: 520, end: 576 } as const;

/** Bytes of an area: the legacy region and the header, as no component of ours lies behind them. */
export const XSAVE_SIZE: number = XSAVE_HEADER.end;
