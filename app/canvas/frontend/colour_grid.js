// A window of an image as a grid of cells with their colours, coarse enough to be searched at once, and the
// way back from chosen cells to pixels.

import { binomial } from './binomial.js';
import { boxOfValue } from './region.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./region.js').Region} Region */

const MOST_CELLS = 180_000;
/** Pixels looked at for a cell, to each side. */
const MOST_SAMPLES = 2;
/** How many times more the hue of a colour counts than its lightness: shadows change the latter. */
const HUE_WEIGHT = 1.5;
/** A difference in colour that makes a pixel two thirds less likely to belong with a cell. */
const ALIKE = 14;

/** Square roots bring out the differences of dark colours; 0 … 255 stays 0 … 255. */
const LIGHTNESS = Float32Array.from({ length: 256 }, (_, value) => Math.sqrt(255 * value));

export class ColourGrid {
  /**
   * @param {{width: number, height: number, rgba: Uint8ClampedArray | Uint8Array}} picture
   * @param {Rectangle} window inside the picture
   */
  constructor(picture, window) {
    const width = window.x1 - window.x0;
    const height = window.y1 - window.y0;
    this.picture = picture;
    this.window = window;
    /** Pixels to a side of a cell; those at the right and lower border may be cut. */
    this.scale = Math.max(1, Math.ceil(Math.sqrt((width * height) / MOST_CELLS)));
    this.columns = Math.ceil(width / this.scale);
    this.rows = Math.ceil(height / this.scale);
    const [light, reds, blues] = this.#means();
    /**
     * Lightness, red against green, yellow against blue.
     * @type {[Float32Array, Float32Array, Float32Array]}
     */
    this.planes = [
      binomial(light, this.columns, this.rows),
      binomial(reds, this.columns, this.rows),
      binomial(blues, this.columns, this.rows),
    ];
  }

  /** @returns {number} the cell of an image point; -1 outside the window */
  cellAt(x, y) {
    const { x0, y0, x1, y1 } = this.window;
    if (x < x0 || x >= x1 || y < y0 || y >= y1) return -1;
    return Math.floor((y - y0) / this.scale) * this.columns + Math.floor((x - x0) / this.scale);
  }

  /** @returns {number} the image column in the middle of a grid column */
  xOf(column) {
    return Math.min(this.window.x1 - 1, this.window.x0 + column * this.scale + (this.scale >> 1));
  }

  /** @returns {number} the image row in the middle of a grid row */
  yOf(row) {
    return Math.min(this.window.y1 - 1, this.window.y0 + row * this.scale + (this.scale >> 1));
  }

  #means() {
    const { window, scale, columns, rows } = this;
    const { rgba, width } = this.picture;
    const [light, reds, blues] = [0, 1, 2].map(() => new Float32Array(columns * rows));
    const samples = Math.min(MOST_SAMPLES, scale);
    const offsets = Int32Array.from({ length: samples }, (_, i) => Math.floor(((i + 0.5) * scale) / samples));
    const share = 1 / (samples * samples);
    for (let row = 0, to = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, to++) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (let j = 0; j < samples; j++) {
          const y = Math.min(window.y1 - 1, window.y0 + row * scale + offsets[j]);
          for (let i = 0; i < samples; i++) {
            const x = Math.min(window.x1 - 1, window.x0 + column * scale + offsets[i]);
            const at = 4 * (y * width + x);
            red += LIGHTNESS[rgba[at]];
            green += LIGHTNESS[rgba[at + 1]];
            blue += LIGHTNESS[rgba[at + 2]];
          }
        }
        light[to] = lightOf(red, green, blue) * share;
        reds[to] = redOf(red, green) * share;
        blues[to] = blueOf(red, green, blue) * share;
      }
    }
    return [light, reds, blues];
  }

  /**
   * The pixels of chosen cells. At their border each pixel goes with the cells around it that are nearest
   * and most alike in colour.
   * @param {Uint8Array} cells 1 for those chosen
   * @param {Uint8Array} isNeutral 1 for cells that have no say in where the border runs
   * @returns {Region | null}
   */
  regionOf(cells, isNeutral) {
    const box = boxOfValue(cells, this.columns, 1);
    if (!box) return null;
    const { scale, columns, rows, window } = this;
    // Pixels of the cells around may come in, up to half a cell.
    const x0 = Math.max(window.x0, window.x0 + (box.x0 - 1) * scale);
    const y0 = Math.max(window.y0, window.y0 + (box.y0 - 1) * scale);
    const x1 = Math.min(window.x1, window.x0 + (box.x1 + 1) * scale);
    const y1 = Math.min(window.y1, window.y0 + (box.y1 + 1) * scale);
    const mask = new Uint8Array((x1 - x0) * (y1 - y0));
    const half = scale >> 1;
    for (let y = y0, to = 0; y < y1; y++) {
      const row = Math.floor((y - window.y0 - half) / scale);
      const upper = Math.max(0, row) * columns;
      const lower = Math.min(rows - 1, row + 1) * columns;
      for (let x = x0; x < x1; ) {
        const column = Math.floor((x - window.x0 - half) / scale);
        const left = Math.max(0, column);
        const right = Math.min(columns - 1, column + 1);
        const end = Math.min(x1, window.x0 + (column + 1) * scale + half);
        const chosen = cells[upper + left] + cells[upper + right] + cells[lower + left] + cells[lower + right];
        if (chosen === 4) mask.fill(1, to, to + end - x);
        if (chosen === 0 || chosen === 4) {
          to += end - x;
          x = end;
          continue;
        }
        for (; x < end; x++, to++) mask[to] = this.#belongs(x, y, left, right, upper, lower, cells, isNeutral);
      }
    }
    return { x0, y0, x1, y1, mask };
  }

  #belongs(x, y, left, right, upper, lower, cells, isNeutral) {
    const { picture, columns, planes, window, scale } = this;
    if (scale === 1) return cells[this.cellAt(x, y)];
    const at = 4 * (y * picture.width + x);
    const red = LIGHTNESS[picture.rgba[at]];
    const green = LIGHTNESS[picture.rgba[at + 1]];
    const blue = LIGHTNESS[picture.rgba[at + 2]];
    const [light, reds, blues] = [lightOf(red, green, blue), redOf(red, green), blueOf(red, green, blue)];
    let balance = 0;
    for (const start of upper === lower ? [upper] : [upper, lower]) {
      for (const column of left === right ? [left] : [left, right]) {
        const cell = start + column;
        if (isNeutral[cell]) continue;
        const dx = Math.abs(x + 0.5 - window.x0 - (column + 0.5) * scale) / scale;
        const dy = Math.abs(y + 0.5 - window.y0 - (start / columns + 0.5) * scale) / scale;
        const unlike =
          (light - planes[0][cell]) ** 2 + (reds - planes[1][cell]) ** 2 + (blues - planes[2][cell]) ** 2;
        const weight = Math.max(0.05, (1 - dx) * (1 - dy)) * Math.exp(-unlike / ALIKE ** 2);
        balance += cells[cell] ? weight : -weight;
      }
    }
    return balance > 0 ? 1 : 0;
  }
}

function lightOf(red, green, blue) {
  return (red + green + blue) / 3;
}

function redOf(red, green) {
  return HUE_WEIGHT * 0.5 * (red - green);
}

function blueOf(red, green, blue) {
  return HUE_WEIGHT * (0.25 * (red + green) - 0.5 * blue);
}
