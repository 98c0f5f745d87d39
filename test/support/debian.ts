import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Debian's kernels and their initrds: where they lie, or why they cannot be had on this host. */
export interface DebianGuests {
  /** Folder with `amd64` and `i386`. */
  readonly folder: string;
  readonly missing: string | undefined;
}

/** Fetches the guests, unless they are in the cache; see scripts/debian-guests.mjs. */
export function debianGuests(): DebianGuests {
  const script = fileURLToPath(new URL('../../scripts/debian-guests.mjs', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  return { folder: stdout.trim(), missing: status === 0 ? undefined : stderr.trim() };
}
