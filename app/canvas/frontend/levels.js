// Which level of detail and which tiles a view needs. Level k shows 2^k × 2^k image pixels as one tile pixel;
// a negative level shows one image pixel as several.

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

/** The finest level of label tiles: 8 × 8 tile pixels for one image pixel. */
export const FINEST = -3;

/**
 * The level whose tile pixels come closest to the screen's: between 0.7 and 1.4 of them on one, so that the
 * work follows the screen and not the image.
 * @param {number} scale screen pixels (of the device) per image pixel
 * @param {number} coarsest as {@link coarsestLevel} gives it
 */
export function labelLevel(scale, coarsest) {
  return Math.min(coarsest, Math.max(FINEST, Math.round(-Math.log2(scale))));
}

/** The level at which the whole image is one tile. */
export function coarsestLevel(width, height, side) {
  return Math.max(0, Math.ceil(Math.log2(Math.max(width, height) / side)));
}

/**
 * The coarsest level of a picture that still has a pixel for every pixel of the screen.
 * @param {number} scale screen pixels (of the device) per image pixel
 * @param {number} levels how many there are
 */
export function pictureLevel(scale, levels) {
  return Math.min(levels - 1, Math.max(0, Math.floor(-Math.log2(scale) + 1e-6)));
}

/**
 * The tiles that cover a rectangle of image pixels: columns and rows, half-open.
 * @param {Rectangle} rectangle not empty
 * @param {number} level
 * @param {number} side of a tile in tile pixels
 */
export function tilesOver({ x0, y0, x1, y1 }, level, side) {
  const reach = side * 2 ** level;
  return {
    column0: Math.floor(x0 / reach),
    row0: Math.floor(y0 / reach),
    column1: Math.ceil(x1 / reach),
    row1: Math.ceil(y1 / reach),
  };
}

/**
 * The image pixels of a tile.
 * @returns {Rectangle}
 */
export function tileBox(column, row, level, side, width, height) {
  const reach = side * 2 ** level;
  return {
    x0: column * reach,
    y0: row * reach,
    x1: Math.min(width, (column + 1) * reach),
    y1: Math.min(height, (row + 1) * reach),
  };
}
