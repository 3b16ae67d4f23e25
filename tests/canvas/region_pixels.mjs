// Questions that tests ask of a region.

/** @typedef {import('../../app/canvas/frontend/region.js').Region} Region */

/** @param {Region | null} region @param {number} x @param {number} y @returns {boolean} whether (x, y) belongs to it */
export function hasPixel(region, x, y) {
  if (!region || x < region.x0 || x >= region.x1 || y < region.y0 || y >= region.y1) return false;
  return region.mask[(y - region.y0) * (region.x1 - region.x0) + x - region.x0] === 1;
}

/** @param {Region} region @returns {number} how many pixels belong to it */
export function pixelCount(region) {
  return region.mask.reduce((sum, member) => sum + member, 0);
}
