// The picture's bytes, for the tools that look at colours. Read once per image, when the first tool asks.

import { given } from './given.js';
import { NOT_LABELLED } from './label_map.js';

/** @typedef {{rgba: Uint8ClampedArray, width: number, height: number}} Rgba */

export class ImagePixels {
  constructor() {
    /** @type {ImageBitmap | null} */
    this.bitmap = null;
    /** @type {Rgba | null} */
    this.bytes = null;
  }

  /** Another image is on the screen. @param {ImageBitmap | null} bitmap */
  show(bitmap) {
    if (bitmap === this.bitmap) return;
    this.bitmap = bitmap;
    this.bytes = null;
  }

  /**
   * All pixels; of a tiled image those of its overview, which is smaller than the label map.
   * @returns {Rgba | null} null without an image
   */
  read() {
    if (!this.bytes && this.bitmap) {
      const { width, height } = this.bitmap;
      const canvas = new OffscreenCanvas(width, height);
      const context = given(canvas.getContext('2d', { willReadFrequently: true }));
      context.drawImage(this.bitmap, 0, 0);
      this.bytes = { rgba: context.getImageData(0, 0, width, height).data, width, height };
    }
    return this.bytes;
  }
}

/**
 * A region of a smaller grid as a region of the image that the grid covers.
 * @param {import('./region.js').Region | null} region
 * @param {{width: number, height: number}} grid
 * @param {{width: number, height: number}} image
 * @returns {import('./region.js').Region | null}
 */
export function enlarged(region, grid, image) {
  if (!region || (grid.width === image.width && grid.height === image.height)) return region;
  const x0 = first(region.x0, grid.width, image.width);
  const x1 = first(region.x1, grid.width, image.width);
  const y0 = first(region.y0, grid.height, image.height);
  const y1 = first(region.y1, grid.height, image.height);
  const mask = new Uint8Array((x1 - x0) * (y1 - y0));
  const across = region.x1 - region.x0;
  for (let y = y0, to = 0; y < y1; y++) {
    const row = (Math.floor((y * grid.height) / image.height) - region.y0) * across - region.x0;
    for (let x = x0; x < x1; x++) mask[to++] = region.mask[row + Math.floor((x * grid.width) / image.width)];
  }
  return { x0, y0, x1, y1, mask };
}

/**
 * The first pixel of a cell along one axis, of so many cells and pixels.
 * @param {number} cell
 * @param {number} cells
 * @param {number} pixels
 */
function first(cell, cells, pixels) {
  return Math.ceil((cell * pixels) / cells);
}

/**
 * A label map on a smaller grid that covers the image, where it matters only what is closed: a cell with a closed pixel
 * has that pixel's value, the other cells are not labelled. A line of one pixel, which a sample of each cell would
 * miss, so stays whole.
 * @param {Uint8Array} values
 * @param {{width: number, height: number}} image
 * @param {{width: number, height: number}} grid
 * @param {Uint8Array} open 256 entries, 0 for values that are closed
 * @param {import('./rectangle.js').Rectangle} window the cells that are asked for
 * @returns {Uint8Array} the values themselves when the grid is as large as the image
 */
export function sampledClosed(values, image, grid, open, window) {
  if (grid.width === image.width && grid.height === image.height) return values;
  const x0 = first(window.x0, grid.width, image.width);
  const x1 = first(window.x1, grid.width, image.width);
  const y1 = first(window.y1, grid.height, image.height);
  const columns = Int32Array.from({ length: x1 - x0 }, (_, x) => Math.floor(((x0 + x) * grid.width) / image.width));
  const cells = new Uint8Array(grid.width * grid.height).fill(NOT_LABELLED);
  for (let y = first(window.y0, grid.height, image.height); y < y1; y++) {
    const row = Math.floor((y * grid.height) / image.height) * grid.width;
    const start = y * image.width + x0;
    for (let x = 0; x < columns.length; x++) {
      const value = values[start + x];
      if (!open[value]) cells[row + columns[x]] = value;
    }
  }
  return cells;
}

/**
 * A map as large as the image, on a smaller grid that covers it: the value at each cell's first pixel.
 * @param {Uint8Array} values
 * @param {{width: number, height: number}} image
 * @param {{width: number, height: number}} grid
 * @returns {Uint8Array} the values themselves when the grid is as large as the image
 */
export function sampled(values, image, grid) {
  if (grid.width === image.width && grid.height === image.height) return values;
  const columns = Int32Array.from({ length: grid.width }, (_, x) => Math.floor((x * image.width) / grid.width));
  const cells = new Uint8Array(grid.width * grid.height);
  for (let y = 0, to = 0; y < grid.height; y++) {
    const row = Math.floor((y * image.height) / grid.height) * image.width;
    for (let x = 0; x < grid.width; x++) cells[to++] = values[row + columns[x]];
  }
  return cells;
}
