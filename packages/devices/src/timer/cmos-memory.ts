const K = 1024;
const M = 1024 * K;

/**
 * Writes how much memory there is into CMOS, where BIOSes look for it (IBM PC/AT Technical Reference §5; 34h and 5Bh
 * are later conventions). GUEST: SeaBIOS reads 34h and 5Bh to size RAM.
 * @param below4G bytes from address 0.
 * @param above4G bytes from 4 GiB.
 */
export function fillMemorySize(cmos: Uint8Array, below4G: number, above4G: number): void {
  const word = (at: number, value: number): void => {
    cmos[at] = value & 0xff;
    cmos[at + 1] = (value >> 8) & 0xff;
  };
  const base = Math.min(below4G, 640 * K) / K;
  const extended = Math.min(Math.max(below4G - M, 0) / K, 0xffff);
  word(0x15, base); // KiB below 640 KiB
  word(0x17, extended); // KiB above 1 MiB, as the setup program says
  word(0x30, extended); // and as the power-on test found
  word(0x34, Math.min(Math.max(below4G - 16 * M, 0) / (64 * K), 0xffff)); // 64 KiB above 16 MiB
  const high = Math.floor(above4G / (64 * K)); // 64 KiB above 4 GiB
  word(0x5b, high % 0x1_0000);
  cmos[0x5d] = Math.floor(high / 0x1_0000) & 0xff;
}
