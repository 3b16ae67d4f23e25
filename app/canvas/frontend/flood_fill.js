// The connected region of like colour around a pixel.

import { makeRoom, spanFill } from './span_fill.js';

/** What is filled for practice: so much that the browser compiles what a fill runs. */
const REHEARSED_SIDE = 192;
const REHEARSED_TIMES = 8;

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

/**
 * Fill small parts of a picture for nothing, so that the first fill finds its code compiled and its memory at hand.
 * @param {import('./image_pixels.js').Rgba} picture
 * @param {number} tolerance
 */
export function rehearseFill({ rgba, width, height }, tolerance) {
  makeRoom(width, height);
  const side = Math.min(REHEARSED_SIDE, width, height);
  const part = new Uint8ClampedArray(4 * side * side);
  for (let time = 0; time < REHEARSED_TIMES; time++) {
    const left = Math.floor(((width - side) * time) / REHEARSED_TIMES);
    const top = Math.floor(((height - side) * time) / REHEARSED_TIMES);
    for (let row = 0; row < side; row++) {
      const from = 4 * ((top + row) * width + left);
      part.set(rgba.subarray(from, from + 4 * side), 4 * row * side);
    }
    floodFill(part, side, side, side >> 1, side >> 1, tolerance);
  }
}
