// The connected region of like colour around a pixel.

import { spanFill } from './span_fill.js';

/**
 * All pixels whose red, green and blue each differ by at most `tolerance` from those of pixel (x, y) and
 * that are 4-connected to it through such pixels.
 * @param {Uint8ClampedArray | Uint8Array} rgba 4 · `width` · `height` bytes, row by row, as in an
 *   ImageData
 * @param {number} width
 * @param {number} height
 * @param {number} x
 * @param {number} y
 * @param {number} tolerance whole number, 0 … 255
 * @returns {import('./region.js').Region | null} null outside the image
 */
export function floodFill(rgba, width, height, x, y, tolerance) {
  const packed = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const seed = packed[y * width + x];
  const span = 2 * tolerance;
  const red = (seed & 255) - tolerance;
  const green = ((seed >>> 8) & 255) - tolerance;
  const blue = ((seed >>> 16) & 255) - tolerance;
  // Read as unsigned, a difference below zero is larger than any span: one comparison tests both ends.
  const markAlike = (members, from, to) => {
    for (let i = from; i < to; i++) {
      const pixel = packed[i];
      members[i] =
        ((pixel & 255) - red) >>> 0 <= span &&
        (((pixel >>> 8) & 255) - green) >>> 0 <= span &&
        (((pixel >>> 16) & 255) - blue) >>> 0 <= span
          ? 1
          : 0;
    }
  };
  return spanFill(width, height, x, y, markAlike);
}
