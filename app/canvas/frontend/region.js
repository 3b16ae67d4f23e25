// Sets of pixels: a half-open box and one byte, 0 or 1, for each pixel in it. null is the empty set.
// Tools return regions and changes; nothing but `paintRegion` and `applyChange` touches a label map.

import { NOT_LABELLED } from './label_map.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./label_map.js').LabelMap} LabelMap */

/**
 * @typedef {Rectangle & {mask: Uint8Array}} Region `mask` has (x1 - x0) · (y1 - y0) bytes, row by row
 */

/**
 * A region and the value that each of its pixels is to get; `values` is laid out as `mask` is.
 * @typedef {Region & {values: Uint8Array}} Change
 */

/**
 * What a region's pixels get: one value, or the suggestion's class where nothing is labelled yet. `over`
 * has 256 entries, 1 for present values that may be painted over; without it all of them may.
 * @typedef {{value: number, over?: Uint8Array} | {suggestion: Uint8Array, over?: Uint8Array}} RegionPaint
 */

/** @param {Region | Change} region @returns {Rectangle} the box alone */
function boxOf(region) {
  return { x0: region.x0, y0: region.y0, x1: region.x1, y1: region.y1 };
}

/**
 * The part of a mask that lies in a box, as a region of its own.
 * @param {Uint8Array} mask of a whole grid, `width` pixels wide
 * @param {Rectangle} box inside that grid
 * @returns {Region}
 */
export function cutOut(mask, width, box) {
  const columns = box.x1 - box.x0;
  if (columns * (box.y1 - box.y0) === mask.length) return { ...box, mask };
  const out = new Uint8Array(columns * (box.y1 - box.y0));
  for (let y = box.y0; y < box.y1; y++) {
    const start = y * width + box.x0;
    out.set(mask.subarray(start, start + columns), (y - box.y0) * columns);
  }
  return { ...box, mask: out };
}

/**
 * The smallest box around all places of a value.
 * @param {Uint8Array} values of a whole grid, `width` pixels wide
 * @returns {Rectangle | null} null when the value is nowhere
 */
export function boxOfValue(values, width, value) {
  const first = values.indexOf(value);
  if (first < 0) return null;
  const y0 = Math.floor(first / width);
  const y1 = Math.floor(values.lastIndexOf(value) / width) + 1;
  let x0 = width;
  let x1 = 0;
  for (let y = y0; y < y1; y++) {
    const start = y * width;
    for (let x = 0; x < x0; x++) if (values[start + x] === value) x0 = x;
    for (let x = width - 1; x >= x1; x--) if (values[start + x] === value) x1 = x + 1;
  }
  return { x0, y0, x1, y1 };
}

/**
 * Paint a region.
 * @param {LabelMap} map changed in place
 * @param {Region | null} region inside the map
 * @param {RegionPaint} paint
 * @returns {Rectangle | null} the region's box
 */
export function paintRegion(map, region, paint) {
  if (!region) return null;
  const { pixels, width } = map;
  const { mask, x0, x1 } = region;
  const { over } = paint;
  const suggestion = 'suggestion' in paint ? paint.suggestion : null;
  const value = 'value' in paint ? paint.value : NOT_LABELLED;
  if (suggestion && over && !over[NOT_LABELLED]) return boxOf(region);
  for (let y = region.y0, from = 0; y < region.y1; y++) {
    const end = y * width + x1;
    let at = y * width + x0;
    if (suggestion) {
      for (; at < end; at++) if (mask[from++] && pixels[at] === NOT_LABELLED) pixels[at] = suggestion[at];
    } else if (over) {
      for (; at < end; at++) if (mask[from++] && over[pixels[at]]) pixels[at] = value;
    } else {
      for (; at < end; at++) if (mask[from++]) pixels[at] = value;
    }
  }
  return boxOf(region);
}

/**
 * Give the pixels of a change their new values.
 * @param {LabelMap} map changed in place
 * @param {Change | null} change inside the map
 * @param {Uint8Array | null} over 256 entries, 1 for present values that may be painted over; null for all
 * @returns {Rectangle | null} the change's box
 */
export function applyChange(map, change, over = null) {
  if (!change) return null;
  const { pixels, width } = map;
  const { mask, values, x0, x1 } = change;
  for (let y = change.y0, from = 0; y < change.y1; y++) {
    const end = y * width + x1;
    for (let at = y * width + x0; at < end; at++, from++) {
      if (mask[from] && (!over || over[pixels[at]])) pixels[at] = values[from];
    }
  }
  return boxOf(change);
}
