// Painting on label maps: one byte a pixel, class indices 0…253.
// A pixel belongs to a shape when its centre (x + ½, y + ½) does. Every function returns the rectangle
// it may have changed, so that only that part is drawn again.

import { pixelsAround } from './rectangle.js';
import { fourOf, wordsOf } from './words.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

/** Nobody has vouched for the pixel yet. */
export const NOT_LABELLED = 254;
/** A person said to ignore the pixel. */
export const VOID = 255;

/**
 * Take classes out of a map: what they had is not labelled.
 * @param {Uint8Array} pixels changed in place
 * @param {number[]} classes
 */
export function withoutClasses(pixels, classes) {
  if (classes.length === 0) return pixels;
  const values = Uint8Array.from({ length: 256 }, (_, value) => (classes.includes(value) ? NOT_LABELLED : value));
  for (let at = 0; at < pixels.length; at++) pixels[at] = values[pixels[at]];
  return pixels;
}

/**
 * What a shape does to the pixels it covers: paint one value, or move the suggestion's class into the
 * pixels that are not labelled yet. `over` has 256 entries, 1 for the values that may be painted over; all
 * may without it.
 * @typedef {({value: number} | {suggestion: Uint8Array}) & {over?: Uint8Array}} Paint
 */

/**
 * One uint8 label map.
 * @typedef {{width: number, height: number, pixels: Uint8Array}} LabelMap
 */

/**
 * The rectangle that a brush stroke from one point to another can touch.
 * @param {{width: number, height: number}} map
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}} to
 * @param {number} radius
 * @returns {Rectangle | null}
 */
export function strokeBounds(map, from, to, radius) {
  const reach = Math.max(radius, 0.5);
  return pixelsAround(
    Math.min(from.x, to.x) - reach,
    Math.min(from.y, to.y) - reach,
    Math.max(from.x, to.x) + reach,
    Math.max(from.y, to.y) + reach,
    map.width,
    map.height,
  );
}

/**
 * Paint all pixels whose centre is at most `radius` away from the line between two points.
 * @param {LabelMap} map
 * @param {{x: number, y: number}} from in image coordinates
 * @param {{x: number, y: number}} to
 * @param {number} radius in pixels, at least ½; the pixel under each end is always painted
 * @param {Paint} paint
 * @returns {Rectangle | null}
 */
export function paintStroke(map, from, to, radius, paint) {
  const reach = Math.max(radius, 0.5);
  const bounds = strokeBounds(map, from, to, reach);
  if (!bounds) return null;
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = Math.hypot(dx, dy);
  // The two long sides of the stroke lie beside the line, off by the radius along its normal.
  const nx = length ? (-dy / length) * reach : 0;
  const ny = length ? (dx / length) * reach : 0;
  for (let y = bounds.y0; y < bounds.y1; y++) {
    const cy = y + 0.5;
    let left = Infinity;
    let right = -Infinity;
    for (const end of [from, to]) {
      const inside = reach * reach - (cy - end.y) ** 2;
      if (inside < 0) continue;
      const half = Math.sqrt(inside);
      left = Math.min(left, end.x - half);
      right = Math.max(right, end.x + half);
    }
    if (dy !== 0) {
      for (const side of [1, -1]) {
        const along = (cy - (from.y + side * ny)) / dy;
        if (along < 0 || along > 1) continue;
        const x = from.x + side * nx + along * dx;
        left = Math.min(left, x);
        right = Math.max(right, x);
      }
    } else if (Math.abs(cy - from.y) <= reach) {
      left = Math.min(left, from.x, to.x);
      right = Math.max(right, from.x, to.x);
    }
    fillSpan(map, y, left, right, paint);
  }
  for (const end of [from, to]) {
    const [x, y] = [Math.floor(end.x), Math.floor(end.y)];
    if (y >= bounds.y0 && y < bounds.y1) fillSpan(map, y, x + 0.5, x + 0.5, paint);
  }
  return bounds;
}

/**
 * The rectangle that a polygon can touch.
 * @param {{x: number, y: number}[]} points
 * @returns {Rectangle | null}
 */
export function polygonBounds(map, points) {
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  return pixelsAround(
    Math.min(...xs),
    Math.min(...ys),
    Math.max(...xs),
    Math.max(...ys),
    map.width,
    map.height,
  );
}

/**
 * Paint all pixels whose centre lies inside a closed polygon. Where it crosses itself the non-zero rule
 * holds, so that a hand-drawn loop leaves no surprising hole.
 * @param {LabelMap} map
 * @param {{x: number, y: number}[]} points in image coordinates
 * @param {Paint} paint
 * @returns {Rectangle | null}
 */
export function paintPolygon(map, points, paint) {
  if (points.length < 3) return null;
  const bounds = polygonBounds(map, points);
  if (!bounds) return null;
  const edges = edgesByTop(points);
  /** @type {Edge[]} those that cross the row */
  let active = [];
  let next = 0;
  for (let y = bounds.y0; y < bounds.y1; y++) {
    const cy = y + 0.5;
    for (; next < edges.length && edges[next].top <= cy; next++) active.push(edges[next]);
    active = active.filter(({ bottom }) => bottom > cy);
    for (const edge of active) edge.x = edge.a.x + ((cy - edge.a.y) / (edge.b.y - edge.a.y)) * (edge.b.x - edge.a.x);
    active.sort((one, other) => one.x - other.x);
    let winding = 0;
    for (let i = 0; i + 1 < active.length; i++) {
      winding += active[i].turn;
      if (winding !== 0) fillSpan(map, y, active[i].x, active[i + 1].x, paint);
    }
  }
  return bounds;
}

/**
 * A side of a polygon from a to b; it crosses the rows whose middle lies in [top, bottom), the one at hand at x.
 * @typedef {{a: Point, b: Point, top: number, bottom: number, turn: number, x: number}} Edge
 * @typedef {{x: number, y: number}} Point
 */

/** @param {Point[]} points @returns {Edge[]} without the level ones, which cross no row */
function edgesByTop(points) {
  const edges = points.map((a, i) => {
    const b = points[(i + 1) % points.length];
    return { a, b, top: Math.min(a.y, b.y), bottom: Math.max(a.y, b.y), turn: a.y < b.y ? 1 : -1, x: 0 };
  });
  return edges.filter(({ top, bottom }) => top < bottom).sort((one, other) => one.top - other.top);
}

/**
 * Paint all pixels whose centre lies in the rectangle between two corners.
 * @param {LabelMap} map
 * @param {{x: number, y: number}} corner
 * @param {{x: number, y: number}} opposite
 * @param {Paint} paint
 * @returns {Rectangle | null}
 */
export function paintRectangle(map, corner, opposite, paint) {
  const bounds = polygonBounds(map, [corner, opposite]);
  if (!bounds) return null;
  const [left, right] = [Math.min(corner.x, opposite.x), Math.max(corner.x, opposite.x)];
  const [top, bottom] = [Math.min(corner.y, opposite.y), Math.max(corner.y, opposite.y)];
  for (let y = bounds.y0; y < bounds.y1; y++) {
    if (y + 0.5 >= top && y + 0.5 <= bottom) fillSpan(map, y, left, right, paint);
  }
  return bounds;
}

/** Paint the pixels of row y whose centre lies between two x coordinates, both included. */
function fillSpan(map, y, left, right, paint) {
  const first = Math.max(0, Math.ceil(left - 0.5));
  const last = Math.min(map.width - 1, Math.floor(right - 0.5));
  if (first > last) return;
  fillIndices(map.pixels, y * map.width + first, y * map.width + last + 1, paint);
}

function fillIndices(pixels, start, end, paint) {
  if ('suggestion' in paint) {
    const { suggestion } = paint;
    for (let i = start; i < end; i++) {
      if (pixels[i] === NOT_LABELLED) pixels[i] = suggestion[i];
    }
    return;
  }
  const { value, over } = paint;
  if (!over) pixels.fill(value, start, end);
  else for (let i = start; i < end; i++) if (over[pixels[i]]) pixels[i] = value;
}

/** Four pixels that are not labelled, as one number. */
const FOUR_NOT_LABELLED = fourOf(NOT_LABELLED);
/** From so many words on the built-in copy is worth its call. */
const LONG_RUN = 16;

/**
 * Move the suggestion into every pixel that is not labelled.
 * @param {Uint8Array} pixels
 * @param {Uint8Array} suggestion as many
 */
export function acceptAll(pixels, suggestion) {
  const fours = wordsOf(pixels);
  const suggested = wordsOf(suggestion);
  const isAligned = fours !== null && suggested !== null;
  // Mostly whole areas are not labelled: four pixels at a time are quicker.
  for (let i = 0; isAligned && i < fours.length; ) {
    let end = i;
    while (end < fours.length && fours[end] === FOUR_NOT_LABELLED) end++;
    if (end - i >= LONG_RUN) fours.set(suggested.subarray(i, end), i);
    else for (let at = i; at < end; at++) fours[at] = suggested[at];
    if (end < fours.length) fillIndices(pixels, 4 * end, 4 * end + 4, { suggestion });
    i = end + 1;
  }
  fillIndices(pixels, isAligned ? 4 * fours.length : 0, pixels.length, { suggestion });
}

/**
 * A map of how unsure the model is, of any size: 0 is sure, 255 cannot be less sure.
 * @typedef {{width: number, height: number, values: Uint8Array}} UncertaintyMap
 */

/**
 * Move the suggestion into the pixels that are not labelled and that the model is sure of.
 * @param {LabelMap} map
 * @param {Uint8Array} suggestion
 * @param {UncertaintyMap} uncertainty
 * @param {number} confidence in [0, 1]; 1 − uncertainty / 255 must reach it
 */
export function acceptAbove(map, suggestion, uncertainty, confidence) {
  const { pixels, width, height } = map;
  const most = 255 * (1 - confidence);
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor((x * uncertainty.width) / width));
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * uncertainty.height) / height) * uncertainty.width;
    for (let x = 0, i = y * width; x < width; x++, i++) {
      if (pixels[i] === NOT_LABELLED && uncertainty.values[row + columns[x]] <= most) pixels[i] = suggestion[i];
    }
  }
}

/** Paint every pixel that is not labelled. */
export function fillRest(map, value) {
  const { pixels } = map;
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i] === NOT_LABELLED) pixels[i] = value;
  }
}

/**
 * Their label map, with mine where they left a pixel not labelled.
 * @param {Uint8Array} theirs
 * @param {Uint8Array} mine
 * @returns {Uint8Array}
 */
export function merged(theirs, mine) {
  return theirs.map((value, i) => (value === NOT_LABELLED ? mine[i] : value));
}

/** @param {Uint8Array} pixels @returns {boolean} whether any of them is labelled */
export function hasLabelled(pixels) {
  for (let i = 0; i < pixels.length; i++) if (pixels[i] !== NOT_LABELLED) return true;
  return false;
}

/** @returns {boolean} whether two label maps hold the same values */
export function same(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
