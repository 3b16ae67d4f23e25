// A region that a click would change, shown before the click.

import { given } from './given.js';
import { packed } from './palette.js';

/**
 * @typedef {{x0: number, y0: number, x1: number, y1: number, mask: Uint8Array}} Region half-open box; the mask
 *   holds 1 for the pixels of the box that belong to the region, row by row
 */

const MOST_PIXELS = 500_000;
const FILL_ALPHA = 95;
const EDGE_ALPHA = 235;

/**
 * The region's pixels, each one of a block of `step` × `step` of its mask.
 * @param {Region} region
 * @param {string} colour `#rrggbb`
 * @returns {{width: number, height: number, step: number, pixels: Uint32Array<ArrayBuffer>}} RGBA
 */
export function previewPixels({ x0, y0, x1, y1, mask }, colour) {
  const [wide, high] = [x1 - x0, y1 - y0];
  const step = Math.max(1, Math.ceil(Math.sqrt((wide * high) / MOST_PIXELS)));
  const width = Math.ceil(wide / step);
  const height = Math.ceil(high / step);
  const pixels = new Uint32Array(width * height);
  const fill = packed(colour, FILL_ALPHA);
  const edge = packed(colour, EDGE_ALPHA);
  /** @type {(x: number, y: number) => boolean} */
  const has = (x, y) => x >= 0 && y >= 0 && x < wide && y < high && mask[y * wide + x] === 1;
  for (let row = 0, y = 0; y < high; row++, y += step) {
    for (let column = 0, x = 0; x < wide; column++, x += step) {
      if (!mask[y * wide + x]) continue;
      const isInner = has(x - step, y) && has(x + step, y) && has(x, y - step) && has(x, y + step);
      pixels[row * width + column] = isInner ? fill : edge;
    }
  }
  return { width, height, step, pixels };
}

/** A region on a canvas of its own, ready to be drawn. */
export class RegionPreview {
  /**
   * @param {Region} region
   * @param {string} colour
   */
  constructor(region, colour) {
    const { width, height, step, pixels } = previewPixels(region, colour);
    this.box = { x0: region.x0, y0: region.y0, x1: region.x1, y1: region.y1 };
    this.reach = { width: width * step, height: height * step };
    this.canvas = document.createElement('canvas');
    this.canvas.width = width;
    this.canvas.height = height;
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    given(this.canvas.getContext('2d')).putImageData(data, 0, 0);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import('./pieces.js').Place} place
   */
  draw(context, { scale, x, y }) {
    const { box, reach } = this;
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(this.canvas, box.x0 * scale + x, box.y0 * scale + y, reach.width * scale, reach.height * scale);
  }
}
