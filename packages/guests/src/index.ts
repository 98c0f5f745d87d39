import { EMBEDDED_IMAGE } from './embedded/image.ts';

/**
 * The guest that boots where nobody names another; `src/embedded` says what it does. The ROM, 4 to 64 KiB and a power
 * of two, ends at 4 GiB and as an alias at 1 MiB, and holds the reset vector. A new copy each time.
 */
export function embeddedGuest(): Uint8Array {
  return Uint8Array.from(atob(EMBEDDED_IMAGE), character => character.charCodeAt(0));
}
