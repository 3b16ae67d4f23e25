// Window, gamma, brightness and channel of an image as tables, applied to RGBA pixels. No DOM.

/** @typedef {{red: Uint32Array, green: Uint32Array, blue: Uint32Array}} AdjustmentTables */

/**
 * Tables whose entries for a pixel's red, green and blue make up the new pixel together.
 * @param {import('./display.js').Adjustment} adjustment
 * @returns {AdjustmentTables}
 */
export function adjustmentTables({ low, high, gamma, brightness, channel }) {
  const levels = Uint8ClampedArray.from({ length: 256 }, (_, value) => {
    const share = Math.min(1, Math.max(0, (value - low) / Math.max(1, high - low)));
    return 255 * (share ** (1 / gamma) + brightness);
  });
  const none = new Uint32Array(256);
  const times = (factor) => Uint32Array.from(levels, (value) => value * factor);
  if (channel === 'all') return { red: times(1), green: times(0x100), blue: times(0x10000) };
  return { red: none, green: none, blue: none, [channel]: times(0x10101) };
}

/**
 * Adjust pixels in place.
 * @param {Uint32Array} pixels RGBA, little-endian
 * @param {AdjustmentTables} tables
 */
export function adjust(pixels, { red, green, blue }) {
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i];
    pixels[i] = (pixel & 0xff000000) | red[pixel & 0xff] | green[(pixel >> 8) & 0xff] | blue[(pixel >> 16) & 0xff];
  }
}
