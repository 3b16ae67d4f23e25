// One class of a label map, or a part of it, as a mask on a box; what the tidying tools start from.

import { boxOfValue, cutOut } from './region.js';

/** @typedef {import('./label_map.js').LabelMap} LabelMap */
/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./region.js').Region} Region */

/**
 * @typedef {Rectangle & {width: number, height: number, members: Uint8Array}} ClassMask
 * `members` has one byte, 0 or 1, for each pixel of the box
 */

/**
 * The pixels of a class.
 * @param {LabelMap} map
 * @param {number} value the class
 * @param {Region | null} region only its pixels of the class; null for all of the class
 * @param {number} margin pixels around them that the box holds too, where the image goes on
 * @returns {ClassMask | null} null when the class is nowhere
 */
export function classMask(map, value, region, margin = 0) {
  const part = region ?? boxOfValue(map.pixels, map.width, value);
  if (!part) return null;
  const x0 = Math.max(0, part.x0 - margin);
  const y0 = Math.max(0, part.y0 - margin);
  const x1 = Math.min(map.width, part.x1 + margin);
  const y1 = Math.min(map.height, part.y1 + margin);
  const width = x1 - x0;
  const members = new Uint8Array(width * (y1 - y0));
  for (let y = part.y0; y < part.y1; y++) {
    let to = (y - y0) * width + part.x0 - x0;
    let from = (y - part.y0) * (part.x1 - part.x0);
    for (let at = y * map.width + part.x0, end = at + part.x1 - part.x0; at < end; at++, to++, from++) {
      members[to] = map.pixels[at] === value && (!region || region.mask[from]) ? 1 : 0;
    }
  }
  return { x0, y0, x1, y1, width, height: y1 - y0, members };
}

/**
 * A change on the smallest box.
 * @param {Rectangle} box
 * @param {Uint8Array} mask for the box
 * @param {Uint8Array} values for the box
 * @returns {import('./region.js').Change | null} null when the mask is empty
 */
export function trimmedChange(box, mask, values) {
  const width = box.x1 - box.x0;
  const part = boxOfValue(mask, width, 1);
  if (!part) return null;
  return {
    x0: box.x0 + part.x0,
    y0: box.y0 + part.y0,
    x1: box.x0 + part.x1,
    y1: box.y0 + part.y1,
    mask: cutOut(mask, width, part).mask,
    values: cutOut(values, width, part).mask,
  };
}
