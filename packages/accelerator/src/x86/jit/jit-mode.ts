/** What is compiled. `on`: hot code. `off`: nothing. `eager`: everything, when it is first decoded, for tests. */
export type JitMode = 'on' | 'off' | 'eager';
