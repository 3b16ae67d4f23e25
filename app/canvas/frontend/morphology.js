// Growing, shrinking and smoothing one class of a label map. Each function returns what would change and
// leaves the map alone. A disk of radius n holds the pixels whose centres are at most n away; beyond the
// image there is nothing, so that shapes are not eaten from its border.

import { classMask, trimmedChange } from './class_mask.js';

/** @typedef {import('./label_map.js').LabelMap} LabelMap */
/** @typedef {import('./region.js').Region} Region */
/** @typedef {import('./region.js').Change} Change */

/** Largest radius, in pixels. */
export const LARGEST_RADIUS = 100;

/**
 * The class grown by a disk.
 * @param {LabelMap} map
 * @param {number} value the class
 * @param {number} radius whole pixels, 1 … LARGEST_RADIUS
 * @param {Region | null} region only this part of the class grows; null for all of it
 * @returns {Change | null}
 */
export function grown(map, value, radius, region = null) {
  const box = classMask(map, value, region, radius);
  if (!box) return null;
  const values = new Uint8Array(box.members.length).fill(value);
  const isNear = spread(box.members, values, box.width, radius);
  if (region) clearEqual(map, box, isNear, values);
  return trimmedChange(box, isNear, values);
}

/**
 * The class shrunk by a disk; each pixel it loses takes the nearest other value.
 * @param {LabelMap} map
 * @param {number} value the class
 * @param {number} radius whole pixels, 1 … LARGEST_RADIUS
 * @param {Region | null} region only this part of the class shrinks; null for all of it
 * @returns {Change | null}
 */
export function shrunk(map, value, radius, region = null) {
  const box = classMask(map, value, region, radius);
  if (!box) return null;
  const { isNear, values } = spreadOthers(map, box, value, radius);
  if (region) for (let i = 0; i < isNear.length; i++) isNear[i] &= box.members[i];
  return trimmedChange(box, isNear, values);
}

/**
 * The class with a smooth outline: a pixel belongs to it when more than half of the disk around it does; at
 * exactly half it stays what it is. Pixels that leave take the nearest other value.
 * @param {LabelMap} map
 * @param {number} value the class
 * @param {number} radius whole pixels, 1 … LARGEST_RADIUS
 * @param {Region | null} region only this part of the class; null for all of it
 * @returns {Change | null}
 */
export function smoothed(map, value, radius, region = null) {
  const box = classMask(map, value, region, radius);
  if (!box) return null;
  const { members, width, height } = box;
  // Pixels further from the outline than the disk reaches stay what they are.
  const isNear = spread(members, new Uint8Array(members.length), width, radius);
  const { isNear: changes, values } = spreadOthers(map, box, value, radius);
  const rowSums = sumsAlongRows(members, width);
  const halves = halfWidths(radius);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (members[i] ? !changes[i] : !isNear[i]) {
        changes[i] = 0;
        continue;
      }
      const surplus = surplusInDisk(rowSums, halves, x, y, box, map);
      if (members[i]) {
        changes[i] = surplus < 0 ? 1 : 0;
      } else {
        changes[i] = surplus > 0 ? 1 : 0;
        values[i] = value;
      }
    }
  }
  clearEqual(map, box, changes, values);
  return trimmedChange(box, changes, values);
}

/** @returns {number} twice the members in the disk around a pixel less the disk's pixels in the image */
function surplusInDisk(rowSums, halves, x, y, box, map) {
  const { width, height } = box;
  const radius = halves.length - 1;
  let surplus = 0;
  for (let dy = -radius; dy <= radius; dy++) {
    const imageRow = box.y0 + y + dy;
    if (imageRow < 0 || imageRow >= map.height) continue;
    const half = halves[Math.abs(dy)];
    surplus -= Math.min(map.width, box.x0 + x + half + 1) - Math.max(0, box.x0 + x - half);
    const row = y + dy;
    if (row < 0 || row >= height) continue;
    const start = row * (width + 1);
    const last = rowSums[start + Math.min(width, x + half + 1)];
    surplus += 2 * ((last - rowSums[start + Math.max(0, x - half)]) & 0xffff);
  }
  return surplus;
}

/** Members left of each column, row by row, modulo 2^16: differences inside a disk are smaller. */
function sumsAlongRows(members, width) {
  const height = members.length / width;
  const sums = new Uint16Array((width + 1) * height);
  for (let y = 0, from = 0, to = 0; y < height; y++, to++) {
    for (let x = 0, sum = 0; x < width; x++) {
      sum += members[from++];
      sums[++to] = sum;
    }
  }
  return sums;
}

/** How far a disk reaches to each side, for each distance from its middle row. */
function halfWidths(radius) {
  return Int32Array.from({ length: radius + 1 }, (_, dy) => Math.floor(Math.sqrt(radius ** 2 - dy ** 2)));
}

/** `spread` from all pixels of the box that do not hold the class. */
function spreadOthers(map, box, value, radius) {
  const others = new Uint8Array(box.members.length);
  const values = new Uint8Array(box.members.length);
  for (let y = box.y0, to = 0; y < box.y1; y++) {
    for (let at = y * map.width + box.x0, end = at + box.width; at < end; at++, to++) {
      values[to] = map.pixels[at];
      others[to] = map.pixels[at] === value ? 0 : 1;
    }
  }
  return { isNear: spread(others, values, box.width, radius), values };
}

/**
 * Carry the values of seeds to the pixels around that are none, each from its nearest seed.
 * @param {Uint8Array} seeds 0 or 1, rows of `width`
 * @param {Uint8Array} values of the seeds; the pixels in reach get theirs
 * @returns {Uint8Array} 1 for the pixels that are no seeds and at most `radius` from one
 */
function spread(seeds, values, width, radius) {
  const isNear = new Uint8Array(seeds.length);
  const distances = new Uint16Array(seeds.length);
  const halves = halfWidths(radius);
  const height = seeds.length / width;
  for (let y = 0, i = 0; y < height; y++) {
    const isTop = y === 0;
    const isBottom = y === height - 1;
    for (let x = 0; x < width; x++, i++) {
      if (!seeds[i]) continue;
      const left = x > 0 && !seeds[i - 1];
      const right = x + 1 < width && !seeds[i + 1];
      const up = !isTop && !seeds[i - width];
      const down = !isBottom && !seeds[i + width];
      if (!(left || right || up || down)) continue;
      // A seed is nearest to pixels on one side only if its neighbour on that side is none: otherwise that
      // neighbour were nearer. So straight edges reach straight ahead, and only corners in two directions.
      const first = up ? -Math.min(radius, y) : 0;
      const last = down ? Math.min(radius, height - 1 - y) : 0;
      for (let dy = first; dy <= last; dy++) {
        const half = halves[dy < 0 ? -dy : dy];
        const from = left ? -Math.min(half, x) : 0;
        const to = right ? Math.min(half, width - 1 - x) : 0;
        for (let dx = from, at = i + dy * width + from; dx <= to; dx++, at++) {
          const distance = dx * dx + dy * dy;
          if (seeds[at] || (isNear[at] && distance >= distances[at])) continue;
          distances[at] = distance;
          isNear[at] = 1;
          values[at] = values[i];
        }
      }
    }
  }
  return isNear;
}

/** Take from a mask the pixels that hold their value already. */
function clearEqual(map, box, mask, values) {
  for (let y = box.y0, i = 0; y < box.y1; y++) {
    for (let at = y * map.width + box.x0, end = at + box.width; at < end; at++, i++) {
      if (map.pixels[at] === values[i]) mask[i] = 0;
    }
  }
}
