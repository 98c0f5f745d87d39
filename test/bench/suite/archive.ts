/** Bytes of a header in cpio's "newc" format, and where its fields of 8 hexadecimal digits start. */
const HEADER = 110;
const FIELDS = 6;
const FILE_SIZE = 6;
const NAME_SIZE = 11;

const padded = (at: number): number => (at + 3) & ~3;

/** @returns the contents of a file in an archive that scripts/cpio.mjs made; undefined where it is not in there. */
export function readArchive(archive: Buffer, path: string): Buffer | undefined {
  for (let at = 0; at + HEADER <= archive.length; ) {
    const field = (n: number): number =>
      Number.parseInt(archive.toString('latin1', at + FIELDS + 8 * n, at + FIELDS + 8 * n + 8), 16);
    const nameAt = at + HEADER;
    const name = archive.toString('latin1', nameAt, nameAt + field(NAME_SIZE) - 1);
    const data = padded(nameAt + field(NAME_SIZE));
    if (name === path) return archive.subarray(data, data + field(FILE_SIZE));
    at = padded(data + field(FILE_SIZE));
  }
  return undefined;
}
