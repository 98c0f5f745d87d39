import { formatSize, MainboardError } from '@mainboard/core';

/** The reset vector's segment: ROM images are a multiple of it. */
const SEGMENT = 0x1_0000;
/** Room for a ROM below 4 GiB on a board of ours. */
const MOST = 16 * 2 ** 20;

/**
 * A firmware image as a ROM chip holds it: filled up at its front with FFh to whole segments of 64 KiB, since its end
 * is what lies at 4 GiB.
 * @param image raw code whose last 16 bytes are the reset vector.
 * @throws MainboardError `bad-image`
 */
export function firmwareImage(image: Uint8Array): Uint8Array {
  if (image.length < 16 || image.length > MOST) {
    throw new MainboardError(
      'bad-image',
      `The firmware image has ${image.length} bytes; it needs 16 (the reset vector) at least and ${formatSize(MOST)} at most.`,
      { reason: 'firmware-size', size: image.length },
    );
  }
  const size = Math.ceil(image.length / SEGMENT) * SEGMENT;
  if (size === image.length) return image;
  const rom = new Uint8Array(size).fill(0xff);
  rom.set(image, size - image.length);
  return rom;
}
