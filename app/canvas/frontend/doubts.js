// Where the model doubts: windows of high uncertainty, the worst first, to walk through. No DOM.

import { NOT_LABELLED } from './label_map.js';

/** Side of a window as a share of the image's longer side: what is seen well when it fills the screen. */
const WINDOW_SHARE = 1 / 6;
/** Windows begin at every quarter of their side. */
const STRIDES = 4;
/** Mean uncertainty below which a window is no doubt, however sure the model is of all others; of 255. */
export const LEAST_UNCERTAIN = 12;
/** A window is no doubt beside one that has so many times its weight. */
const LEAST_OF_WORST = 0.15;
const MOST = 30;

/**
 * @typedef {import('./rectangle.js').Rectangle & {weight: number, cells: import('./rectangle.js').Rectangle}} Doubt
 *   in image pixels; `weight` is the mean uncertainty over the window, labelled pixels counting nothing; `cells` is
 *   the window in the uncertainty map
 */

/**
 * The doubtful places of an image: windows of its most uncertain pixels that are not labelled, the worst
 * first, none over another.
 * @param {import('./label_map.js').UncertaintyMap} uncertainty
 * @param {import('./label_map.js').LabelMap} map
 * @returns {Doubt[]}
 */
export function doubtsOf(uncertainty, map) {
  const { width, height } = uncertainty;
  const side = Math.max(1, Math.round(WINDOW_SHARE * Math.max(width, height)));
  const across = Math.min(side, width);
  const down = Math.min(side, height);
  const sums = sumsOf(uncertainty, map);
  const candidates = [];
  for (const y0 of startsOf(height, down)) {
    for (const x0 of startsOf(width, across)) {
      const cells = { x0, y0, x1: x0 + across, y1: y0 + down };
      const weight = meanOf(sums, width, cells);
      if (weight >= LEAST_UNCERTAIN) candidates.push({ cells, weight });
    }
  }
  candidates.sort((one, other) => other.weight - one.weight || one.cells.y0 - other.cells.y0 || one.cells.x0 - other.cells.x0);
  /** @type {typeof candidates} */
  const doubts = [];
  for (const one of candidates) {
    if (doubts.length === MOST || one.weight < LEAST_OF_WORST * candidates[0].weight) break;
    if (!doubts.some((other) => overlaps(one.cells, other.cells))) doubts.push(one);
  }
  const [wide, high] = [map.width / width, map.height / height];
  return doubts.map(({ cells, weight }) => ({
    x0: Math.floor(cells.x0 * wide),
    y0: Math.floor(cells.y0 * high),
    x1: Math.ceil(cells.x1 * wide),
    y1: Math.ceil(cells.y1 * high),
    weight,
    cells,
  }));
}

/**
 * What the places weigh by now.
 * @param {Doubt[]} doubts of the same uncertainty
 * @param {import('./label_map.js').UncertaintyMap} uncertainty
 * @param {import('./label_map.js').LabelMap} map
 */
export function weightsOf(doubts, uncertainty, map) {
  const sums = sumsOf(uncertainty, map);
  return doubts.map(({ cells }) => meanOf(sums, uncertainty.width, cells));
}

/**
 * @param {Float64Array} sums of {@link sumsOf}
 * @param {number} width of the uncertainty map
 * @param {import('./rectangle.js').Rectangle} cells
 */
function meanOf(sums, width, { x0, y0, x1, y1 }) {
  const at = (/** @type {number} */ x, /** @type {number} */ y) => sums[y * (width + 1) + x];
  return (at(x1, y1) - at(x0, y1) - at(x1, y0) + at(x0, y0)) / ((x1 - x0) * (y1 - y0));
}

/**
 * Sums of the uncertainty above and left of each corner, where nothing is labelled.
 * @param {import('./label_map.js').UncertaintyMap} uncertainty
 * @param {import('./label_map.js').LabelMap} map
 */
function sumsOf({ width, height, values }, map) {
  const sums = new Float64Array((width + 1) * (height + 1));
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * map.width) / width));
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * map.height) / height) * map.width;
    let inRow = 0;
    for (let x = 0; x < width; x++) {
      if (map.pixels[row + columns[x]] === NOT_LABELLED) inRow += values[y * width + x];
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + inRow;
    }
  }
  return sums;
}

/** Where windows begin along a side; the last one ends with it. @param {number} length @param {number} side */
function startsOf(length, side) {
  const step = Math.max(1, Math.floor(side / STRIDES));
  const starts = [];
  for (let at = 0; at < length - side; at += step) starts.push(at);
  return [...starts, length - side];
}

/**
 * @param {import('./rectangle.js').Rectangle} one
 * @param {import('./rectangle.js').Rectangle} other
 */
function overlaps(one, other) {
  return one.x0 < other.x1 && other.x0 < one.x1 && one.y0 < other.y1 && other.y0 < one.y1;
}
