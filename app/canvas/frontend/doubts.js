// Where the model doubts: regions of high uncertainty, the worst first, to walk through. No DOM.

import { connectedRegion } from './connected.js';
import { NOT_LABELLED } from './label_map.js';

const DOUBTFUL_SHARE = 0.08;
/** Below this a pixel is no doubt, however sure the model is of all the others; of 255. */
const LEAST_UNCERTAIN = 48;
const LEAST_SHARE = 0.0004;
const MOST = 40;
const DONE_SHARE = 0.9;

/**
 * @typedef {import('./rectangle.js').Rectangle & {weight: number}} Doubt in image pixels; `weight` is the
 *   summed uncertainty of its pixels that are not labelled
 */

/**
 * The doubtful places of an image: connected regions of its most uncertain pixels, without those that are
 * labelled by now, the heaviest first.
 * @param {import('./label_map.js').UncertaintyMap} uncertainty
 * @param {import('./label_map.js').LabelMap} map
 * @returns {Doubt[]}
 */
export function doubtsOf(uncertainty, map) {
  const { width, height, values } = uncertainty;
  const limit = Math.max(LEAST_UNCERTAIN, upperShare(values, DOUBTFUL_SHARE));
  const marked = values.map((value) => (value >= limit ? 1 : 0));
  const least = Math.max(2, LEAST_SHARE * values.length);
  const doubts = [];
  for (let at = 0; at < marked.length; at++) {
    if (marked[at] !== 1) continue;
    const region = connectedRegion(marked, width, height, at % width, Math.floor(at / width));
    if (!region) continue;
    const doubt = weighed(region, uncertainty, map, marked);
    if (doubt.pixels >= least && doubt.open > (1 - DONE_SHARE) * doubt.pixels) doubts.push(doubt);
  }
  doubts.sort((one, other) => other.weight - one.weight);
  return doubts.slice(0, MOST).map(({ x0, y0, x1, y1, weight }) => ({ x0, y0, x1, y1, weight }));
}

/** Count a region once: its pixels leave `marked`. */
function weighed(region, { width, height, values }, map, marked) {
  let [pixels, open, weight] = [0, 0, 0];
  const [across, down] = [map.width / width, map.height / height];
  for (let y = region.y0, from = 0; y < region.y1; y++) {
    const row = Math.floor((y + 0.5) * down) * map.width;
    for (let x = region.x0; x < region.x1; x++, from++) {
      if (!region.mask[from]) continue;
      marked[y * width + x] = 0;
      pixels++;
      if (map.pixels[row + Math.floor((x + 0.5) * across)] !== NOT_LABELLED) continue;
      open++;
      weight += values[y * width + x];
    }
  }
  const x0 = Math.floor(region.x0 * across);
  const y0 = Math.floor(region.y0 * down);
  return { x0, y0, x1: Math.ceil(region.x1 * across), y1: Math.ceil(region.y1 * down), pixels, open, weight };
}

/** The value that this share of all values reaches. */
function upperShare(values, share) {
  const counts = new Uint32Array(256);
  for (const value of values) counts[value]++;
  let above = 0;
  for (let value = 255; value > 0; value--) {
    above += counts[value];
    if (above >= share * values.length) return value;
  }
  return 0;
}

/**
 * The place to go to next: the doubts form a ring that starts at the heaviest.
 * @param {Doubt[]} doubts
 * @param {{x0: number, y0: number} | null} current where the person was sent last
 * @param {1 | -1} direction
 * @returns {number} an index, -1 when there is none
 */
export function nextDoubt(doubts, current, direction) {
  if (doubts.length === 0) return -1;
  const at = current ? doubts.findIndex((one) => one.x0 === current.x0 && one.y0 === current.y0) : -1;
  if (at < 0) return direction > 0 ? 0 : doubts.length - 1;
  return (at + direction + doubts.length) % doubts.length;
}
