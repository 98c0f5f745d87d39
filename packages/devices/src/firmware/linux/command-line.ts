import { bootError } from './errors.ts';
import { LAYOUT, type Segment, segment } from './layout.ts';

/**
 * The command line with its NUL, as the kernel reads it.
 * @param limit bytes the kernel takes, without the NUL
 */
export function commandLine(text: string, limit: number): Segment {
  const most = Math.min(limit, LAYOUT.commandLineRoom - 1);
  if (text.length > most) {
    throw bootError(
      'command-line-too-long',
      `The kernel command line has ${text.length} characters and this kernel takes at most ${most}; shorten it.`,
    );
  }
  const bytes = new Uint8Array(text.length + 1);
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x20 || c > 0x7e) {
      throw bootError(
        'command-line-not-ascii',
        `The kernel command line has a character that is not printable ASCII at position ${i + 1}; remove it.`,
      );
    }
    bytes[i] = c;
  }
  return segment(LAYOUT.commandLine, bytes);
}
