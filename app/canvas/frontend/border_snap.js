// Borders between classes go to the edges of the picture nearby: what was painted roughly follows what is seen. No DOM.

import { trimmedChange } from './class_mask.js';
import { NOT_LABELLED } from './label_map.js';

/** @typedef {import('./label_map.js').LabelMap} LabelMap */
/** @typedef {import('./edge_map.js').Picture} Picture */

/** How far a border moves, as a share of the image's longer side. */
const REACH_SHARE = 1 / 240;
const LEAST_REACH = 2;
const MOST_REACH = 4;
/** Pieces of fewer pixels, times the square of the reach, are what superpixels and strokes have left over. */
const SLIVER = 3;
/** Strengths of edges that are told apart. */
const LEVELS = 1024;
/** Weights of a step along an axis, and of its mean across. */
const STEP = [-1, -2, 0, 2, 1];
const MEAN = [1, 4, 6, 4, 1];
/** What makes the step from black to white 1. */
const WHOLE_STEP = 3 * 16;
/** Weaker ones are noise: without an edge a border stays about where it is, and smooth. */
const NOISE = 0.03;
/** Edges of dark places count as those of bright ones do. */
const BRIGHTNESS = Float32Array.from({ length: 256 }, (_, value) => Math.sqrt(value / 255));

const [FIXED, OPEN, REACHED, KEPT, SEED] = [0, 1, 2, 3, 4];

/**
 * Move the borders between classes to the strongest edge within reach. Pixels near a border are given away; what is
 * left of each class takes them back, across weak edges before strong ones (a watershed with the classes as markers).
 * Pieces that have no pixel further from a border, thin lines for one, stay as they are, and so do borders to what is
 * void or not labelled.
 * @param {LabelMap} map
 * @param {Picture} picture of the same size
 * @returns {import('./region.js').Change | null} null when no pixel changes
 */
export function snappedBorders(map, picture) {
  const { pixels, width, height } = map;
  const longer = Math.max(width, height);
  const reach = Math.min(MOST_REACH, Math.max(LEAST_REACH, Math.round(REACH_SHARE * longer)));
  const state = new Uint8Array(pixels.length);
  const open = nearBorders(map, state, reach);
  if (open.length === 0) return null;
  keepThin(map, state, open, SLIVER * reach * reach);
  const values = pixels.slice();
  flood({ values, width, state }, open, (at) => levelAt(picture, at));
  const mask = new Uint8Array(pixels.length);
  for (const at of open) if (values[at] !== pixels[at]) mask[at] = 1;
  return trimmedChange({ x0: 0, y0: 0, x1: width, y1: height }, mask, values);
}

/**
 * Open the pixels that have another class within reach.
 * @param {LabelMap} map @param {Uint8Array} state @param {number} reach @returns {number[]} their places
 */
function nearBorders({ pixels, width, height }, state, reach) {
  /** @type {number[]} */
  const open = [];
  /** @param {number} x @param {number} y */
  const stamp = (x, y) => {
    const own = pixels[y * width + x];
    for (let row = Math.max(0, y - reach); row <= Math.min(height - 1, y + reach); row++) {
      const last = row * width + Math.min(width - 1, x + reach);
      for (let at = row * width + Math.max(0, x - reach); at <= last; at++) {
        if (state[at] === OPEN || pixels[at] === own || pixels[at] >= NOT_LABELLED) continue;
        state[at] = OPEN;
        open.push(at);
      }
    }
  };
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const own = pixels[at];
      if (own >= NOT_LABELLED) continue;
      if (
        (x > 0 && isOther(own, pixels[at - 1])) ||
        (x + 1 < width && isOther(own, pixels[at + 1])) ||
        (y > 0 && isOther(own, pixels[at - width])) ||
        (y + 1 < height && isOther(own, pixels[at + width]))
      ) {
        stamp(x, y);
      }
    }
  }
  return open;
}

/** @param {number} own a class @param {number} value */
function isOther(own, value) {
  return value !== own && value < NOT_LABELLED;
}

/**
 * Keep the pieces that are open as a whole, as thin lines are, but for the slivers among them: nothing would be left of
 * them to grow from. What is kept does not grow either.
 * @param {LabelMap} map @param {Uint8Array} state @param {number[]} open @param {number} sliver pixels
 */
function keepThin({ pixels, width }, state, open, sliver) {
  const isSeen = new Uint8Array(pixels.length);
  const beside = new Int32Array(4);
  for (const first of open) {
    if (isSeen[first]) continue;
    isSeen[first] = 1;
    const piece = [first];
    let isWhole = true;
    for (let next = 0; next < piece.length; next++) {
      for (let count = neighbours(piece[next], width, pixels.length, beside); count > 0; count--) {
        const one = beside[count - 1];
        if (isSeen[one] || pixels[one] !== pixels[first]) continue;
        if (state[one] !== OPEN) isWhole = false;
        else {
          isSeen[one] = 1;
          piece.push(one);
        }
      }
    }
    if (isWhole && piece.length >= sliver) for (const at of piece) state[at] = KEPT;
  }
}

/**
 * Give each open pixel the class that comes to it first.
 * @param {{values: Uint8Array, width: number, state: Uint8Array}} grid `values` is changed
 * @param {number[]} open
 * @param {(at: number) => number} levelOf the strength of the edge at a pixel, 0 … LEVELS - 1
 */
function flood({ values, width, state }, open, levelOf) {
  /** Those that wait at each level, the first in first. @type {number[][]} */
  const waiting = Array.from({ length: LEVELS }, () => []);
  const heads = new Uint32Array(LEVELS);
  let level = LEVELS;
  const wait = (/** @type {number} */ at) => {
    const own = levelOf(at);
    waiting[own].push(at);
    level = Math.min(level, own);
  };
  const beside = new Int32Array(4);
  for (const at of open) {
    if (state[at] !== OPEN) continue;
    for (let count = neighbours(at, width, values.length, beside); count > 0; count--) {
      const one = beside[count - 1];
      if (state[one] !== FIXED || values[one] >= NOT_LABELLED) continue;
      state[one] = SEED;
      wait(one);
    }
  }
  while (level < LEVELS) {
    if (heads[level] === waiting[level].length) {
      level++;
      continue;
    }
    const at = waiting[level][heads[level]++];
    for (let count = neighbours(at, width, values.length, beside); count > 0; count--) {
      const one = beside[count - 1];
      if (state[one] !== OPEN) continue;
      state[one] = REACHED;
      values[one] = values[at];
      wait(one);
    }
  }
}

/**
 * Find the pixels beside one, above, left, right and below.
 * @param {number} at @param {number} width @param {number} count of all pixels
 * @param {Int32Array} found gets them
 * @returns {number} how many there are
 */
function neighbours(at, width, count, found) {
  const x = at % width;
  let number = 0;
  if (at >= width) found[number++] = at - width;
  if (x > 0) found[number++] = at - 1;
  if (x + 1 < width) found[number++] = at + 1;
  if (at + width < count) found[number++] = at + width;
  return number;
}

/**
 * How strongly the picture changes at a pixel in the channel that changes most, 0 … LEVELS - 1.
 * @param {Picture} picture @param {number} at
 */
function levelAt({ rgba, width, height }, at) {
  const x = at % width;
  const y = (at - x) / width;
  let most = 0;
  for (let channel = 0; channel < 3; channel++) {
    let across = 0;
    let down = 0;
    for (let dy = -2; dy <= 2; dy++) {
      const row = Math.min(height - 1, Math.max(0, y + dy)) * width;
      for (let dx = -2; dx <= 2; dx++) {
        const value = BRIGHTNESS[rgba[4 * (row + Math.min(width - 1, Math.max(0, x + dx))) + channel]];
        across += STEP[dx + 2] * MEAN[dy + 2] * value;
        down += MEAN[dx + 2] * STEP[dy + 2] * value;
      }
    }
    most = Math.max(most, across * across + down * down);
  }
  const strength = Math.sqrt(most) / WHOLE_STEP;
  return Math.min(LEVELS - 1, Math.max(0, Math.floor((LEVELS * (strength - NOISE)) / 1.5)));
}
