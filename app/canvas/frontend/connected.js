// The connected region of one value around a pixel.

import { spanFill } from './span_fill.js';

/**
 * All pixels that hold the same value as pixel (x, y) and are 4-connected to it through such pixels.
 * @param {Uint8Array} values `width` · `height`, row by row
 * @param {number} width
 * @param {number} height
 * @param {number} x
 * @param {number} y
 * @param {{values: Uint8Array, allowed: Uint8Array} | null} within a second map of the same size; only
 *   pixels whose value there has a 1 among the 256 entries of `allowed` count
 * @returns {import('./region.js').Region | null} null outside the image or where `within` forbids the pixel
 */
export function connectedRegion(values, width, height, x, y, within = null) {
  const wanted = values[y * width + x];
  /** @type {(members: Uint8Array, from: number, to: number) => void} */
  let markEqual = (members, from, to) => {
    for (let i = from; i < to; i++) members[i] = values[i] === wanted ? 1 : 0;
  };
  if (within) {
    const { values: others, allowed } = within;
    markEqual = (members, from, to) => {
      for (let i = from; i < to; i++) members[i] = values[i] === wanted && allowed[others[i]] ? 1 : 0;
    };
  }
  return spanFill(width, height, x, y, markEqual);
}
