// How strongly colours change at the corners of pixels. Corners have whole coordinates, so a polygon
// through them parts the pixels exactly where the colours change.

import { binomial } from './binomial.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

/**
 * An image's pixels, as in an ImageData.
 * @typedef {{width: number, height: number, rgba: Uint8ClampedArray | Uint8Array}} Picture
 */

/**
 * Corner (column, row) lies at image point (x0 + column · scale, y0 + row · scale); `strengths` are 0 … 1.
 * @typedef {{x0: number, y0: number, scale: number, columns: number, rows: number, strengths: Float32Array}} EdgeMap
 */

/** Steps between colours, of 255, that do not count as an edge however flat the surroundings are. */
const NOISE = 10;
/** Corners taken to judge what a strong edge is here. */
const STRONG_SHARE = 0.05;
const BESIDE_CREST = 0.4;

/**
 * The edges of a part of an image, the strongest few of them at 1.
 * @param {Picture} picture
 * @param {Rectangle} window inside the image
 * @param {number} scale pixels to a side of a cell; edges are seen between cells
 * @returns {EdgeMap}
 */
export function edgeMap(picture, window, scale = 1) {
  const width = Math.max(1, Math.floor((window.x1 - window.x0) / scale));
  const height = Math.max(1, Math.floor((window.y1 - window.y0) / scale));
  const columns = width + 1;
  const rows = height + 1;
  const squares = new Float32Array(columns * rows);
  const isAcross = new Uint8Array(columns * rows);
  for (let channel = 0; channel < 3; channel++) {
    const cells = binomial(cellsOf(picture, window, scale, width, height, channel), width, height);
    for (let row = 1; row < height; row++) {
      for (let column = 1, i = row * width + 1, at = row * columns + 1; column < width; column++, i++, at++) {
        const falling = cells[i] - cells[i - width - 1];
        const rising = cells[i - width] - cells[i - 1];
        const square = falling * falling + rising * rising;
        if (square <= squares[at]) continue;
        squares[at] = square;
        // The sum of the two is the step across, their difference the step down.
        isAcross[at] = falling * rising > 0 ? 1 : 0;
      }
    }
  }
  return { x0: window.x0, y0: window.y0, scale, columns, rows, strengths: normalised(squares, isAcross, columns) };
}

/**
 * The strongest edge near a point; the nearer of two alike.
 * @param {Picture} picture
 * @param {{x: number, y: number}} point in image coordinates
 * @param {number} radius in pixels
 * @returns {{x: number, y: number}} a corner of pixels; the point itself where there is no edge
 */
export function snappedPoint(picture, point, radius) {
  // Two pixels more on each side, for the edges at the border to be seen whole.
  const window = {
    x0: Math.max(0, Math.floor(point.x - radius) - 2),
    y0: Math.max(0, Math.floor(point.y - radius) - 2),
    x1: Math.min(picture.width, Math.ceil(point.x + radius) + 2),
    y1: Math.min(picture.height, Math.ceil(point.y + radius) + 2),
  };
  if (window.x0 >= window.x1 || window.y0 >= window.y1) return point;
  const { columns, rows, strengths } = edgeMap(picture, window);
  let best = 0.2;
  let snapped = point;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      const [x, y] = [window.x0 + column, window.y0 + row];
      const distance = Math.hypot(x - point.x, y - point.y);
      const worth = strengths[at] * (1 - (0.5 * distance) / radius);
      if (distance > radius || worth <= best) continue;
      best = worth;
      snapped = { x, y };
    }
  }
  return snapped;
}

/** One channel of a window as the means of cells, scale · scale pixels each. */
function cellsOf({ rgba, width: imageWidth }, window, scale, width, height, channel) {
  const cells = new Float32Array(width * height);
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < width; column++, to++) {
      let sum = 0;
      for (let dy = 0; dy < scale; dy++) {
        let at = 4 * ((window.y0 + row * scale + dy) * imageWidth + window.x0 + column * scale) + channel;
        for (let dx = 0; dx < scale; dx++, at += 4) sum += rgba[at];
      }
      cells[to] = sum / (scale * scale);
    }
  }
  return cells;
}

/**
 * Steps in place of their squares, divided by what the strongest of the window have, at most 1. Beside the
 * crest of an edge they count for less, so that strong edges are no broader than weak ones.
 */
function normalised(squares, isAcross, columns) {
  const counts = new Uint32Array(512);
  const steps = squares.map(Math.sqrt);
  for (let i = 0; i < steps.length; i++) counts[Math.min(511, steps[i] | 0)]++;
  let strong = 511;
  for (let above = counts[strong]; strong > 2 * NOISE && above < STRONG_SHARE * steps.length; ) {
    above += counts[--strong];
  }
  const strengths = new Float32Array(steps.length);
  for (let i = columns; i < steps.length - columns; i++) {
    const step = steps[i];
    if (step < NOISE) continue;
    const ahead = isAcross[i] ? 1 : columns;
    const isCrest = step >= steps[i - ahead] && step >= steps[i + ahead];
    strengths[i] = Math.min(1, step / strong) * (isCrest ? 1 : BESIDE_CREST);
  }
  return strengths;
}
