// Edits of one class that need no drawing: with a pixel of it, its connected part there; without, all of it.

import { holesOf, islandsOf } from './class_pieces.js';
import { connectedRegion } from './connected.js';
import * as morphology from './morphology.js';

/** Pieces of fewer pixels are islands, as a share of the image. */
const ISLAND_SHARE = 0.0005;
const LEAST_ISLAND = 9;
/** Radius of the disk that smooths, as a share of the image's longer side. */
const SMOOTHING_SHARE = 1 / 250;
const MOST_SMOOTHING = 8;

/** @typedef {import('./label_map.js').LabelMap} LabelMap */
/** @typedef {{x: number, y: number} | null} Pixel */

/** @param {LabelMap} map @param {number} value the class @param {Pixel} pixel */
export function filledHoles(map, value, pixel) {
  return holesOf(map, value, partAt(map, pixel));
}

/** Small pieces take the class around them, wherever they are. @param {LabelMap} map @param {number} value */
export function removedIslands(map, value) {
  return islandsOf(map, value, Math.max(LEAST_ISLAND, Math.round(ISLAND_SHARE * map.pixels.length)));
}

/** @param {LabelMap} map @param {number} value @param {Pixel} pixel */
export function grown(map, value, pixel) {
  return morphology.grown(map, value, 1, partAt(map, pixel));
}

/** @param {LabelMap} map @param {number} value @param {Pixel} pixel */
export function shrunk(map, value, pixel) {
  return morphology.shrunk(map, value, 1, partAt(map, pixel));
}

/** @param {LabelMap} map @param {number} value @param {Pixel} pixel */
export function smoothed(map, value, pixel) {
  const radius = Math.max(2, Math.round(SMOOTHING_SHARE * Math.max(map.width, map.height)));
  return morphology.smoothed(map, value, Math.min(radius, MOST_SMOOTHING), partAt(map, pixel));
}

function partAt({ pixels, width, height }, pixel) {
  return pixel && connectedRegion(pixels, width, height, pixel.x, pixel.y);
}
