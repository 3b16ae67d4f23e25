// Four pixels of a label map at a time, as one number. No DOM.

/** @param {number} value of a pixel @returns {number} four pixels of it */
export function fourOf(value) {
  return Math.imul(value, 0x01010101) >>> 0;
}

/**
 * @param {Uint8Array} pixels
 * @returns {Uint32Array | null} the same memory, less up to three pixels at the end; null where it does not begin on
 *   a whole word
 */
export function wordsOf(pixels) {
  if (pixels.byteOffset % 4 !== 0) return null;
  return new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length >> 2);
}

/** @param {Uint32Array | Uint8Array} cells @returns {boolean} whether all of them are equal */
export function isUniform(cells) {
  const first = cells[0];
  const end = cells.length & ~7;
  let at = 0;
  // Eight to a test: most time goes into tests.
  for (; at < end; at += 8) {
    const one = (cells[at] ^ first) | (cells[at + 1] ^ first) | (cells[at + 2] ^ first) | (cells[at + 3] ^ first);
    const other = (cells[at + 4] ^ first) | (cells[at + 5] ^ first) | (cells[at + 6] ^ first) | (cells[at + 7] ^ first);
    if ((one | other) !== 0) return false;
  }
  for (; at < cells.length; at++) if (cells[at] !== first) return false;
  return true;
}
