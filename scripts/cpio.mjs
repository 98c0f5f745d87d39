/**
 * An archive in the "newc" format that Linux unpacks as an initramfs (Documentation/driver-api/early-userspace/
 * buffer-format.rst). Entries: `path`, `mode` with its file type bits, `data` for files, `device` [major, minor].
 */
export function cpio(entries) {
  const parts = [];
  const pad = length => parts.push(Buffer.alloc((4 - (length % 4)) % 4));
  [...entries, { path: 'TRAILER!!!', mode: 0 }].forEach(
    ({ path, mode, data = Buffer.alloc(0), device: [major, minor] = [0, 0] }, index) => {
      const fields = [index + 1, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, path.length + 1, 0];
      const header = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}${path}\0`;
      parts.push(Buffer.from(header, 'latin1'));
      pad(header.length);
      parts.push(data);
      pad(data.length);
    },
  );
  return Buffer.concat(parts);
}
