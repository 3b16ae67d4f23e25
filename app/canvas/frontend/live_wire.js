// The magnetic side of a polygon: from the last fixed vertex to the cursor along the edges of the image.

import { CheapestPaths } from './cheapest_path.js';
import { edgeMap } from './edge_map.js';
import { distanceToSegment } from './segment.js';

/** @typedef {{x: number, y: number}} Point */
/** @typedef {import('./edge_map.js').Picture} Picture */

/** Corners searched at most; in a larger window the edges are sought between cells of several pixels. */
const MOST_CORNERS = 48_000;
/** What the window holds around the vertex and the cursor: a share of their distance, and pixels. */
const ROOM_SHARE = 0.35;
const LEAST_ROOM = 24;
/** Cost of a step where there is no edge, and along the strongest one. */
const COST_OFF_EDGE = 24;
const COST_ON_EDGE = 2;

export class LiveWire {
  /**
   * @param {Picture} picture
   * @param {Point} start the fixed vertex, in image coordinates
   */
  constructor(picture, start) {
    this.picture = picture;
    this.start = start;
    /** The part of the image that was last looked at, and the paths found in it. */
    this.search = this.#searchAround(start);
  }

  /**
   * The path along edges from the fixed vertex to a point. Nearby points are answered from the same window.
   * @param {Point} point in image coordinates
   * @returns {Point[]} from the vertex to the point, both included, a corner of pixels in each step between
   */
  pathTo(point) {
    const { width, height } = this.picture;
    const end = { x: Math.min(width, Math.max(0, point.x)), y: Math.min(height, Math.max(0, point.y)) };
    if (!isWithin(this.search.window, end)) this.search = this.#searchAround(end);
    const { map, paths } = this.search;
    const corners = paths.to(cornerAt(map, end)).map((at) => ({
      x: map.x0 + (at % map.columns) * map.scale,
      y: map.y0 + Math.floor(at / map.columns) * map.scale,
    }));
    return [this.start, ...corners.slice(1, -1), end];
  }

  /** @param {Point} end */
  #searchAround(end) {
    const { start, picture } = this;
    const distance = Math.hypot(end.x - start.x, end.y - start.y);
    const room = Math.max(LEAST_ROOM, ROOM_SHARE * distance);
    const window = {
      x0: Math.max(0, Math.floor(Math.min(start.x, end.x) - room)),
      y0: Math.max(0, Math.floor(Math.min(start.y, end.y) - room)),
      x1: Math.min(picture.width, Math.ceil(Math.max(start.x, end.x) + room)),
      y1: Math.min(picture.height, Math.ceil(Math.max(start.y, end.y) + room)),
    };
    const area = (window.x1 - window.x0) * (window.y1 - window.y0);
    const map = edgeMap(picture, window, Math.max(1, Math.ceil(Math.sqrt(area / MOST_CORNERS))));
    const costs = Uint8Array.from(map.strengths, costOf);
    return { window, map, paths: new CheapestPaths(costs, map.columns, [cornerAt(map, start)]) };
  }
}

/** @param {number} strength */
function costOf(strength) {
  return COST_ON_EDGE + Math.round((COST_OFF_EDGE - COST_ON_EDGE) * (1 - strength) ** 2);
}

/** @param {import('./rectangle.js').Rectangle} window @param {Point} point */
function isWithin({ x0, y0, x1, y1 }, { x, y }) {
  return x >= x0 && x <= x1 && y >= y0 && y <= y1;
}

/** @param {import('./edge_map.js').EdgeMap} map @param {Point} point */
function cornerAt(map, { x, y }) {
  const column = Math.min(map.columns - 1, Math.max(0, Math.round((x - map.x0) / map.scale)));
  const row = Math.min(map.rows - 1, Math.max(0, Math.round((y - map.y0) / map.scale)));
  return row * map.columns + column;
}

/**
 * A path with few vertices, none of the left out ones further from it than the tolerance.
 * @param {Point[]} path
 * @param {number} tolerance in pixels
 * @returns {Point[]} some of the path's points; its ends always
 */
export function simplified(path, tolerance) {
  if (path.length < 3) return path.slice();
  const isKept = new Uint8Array(path.length);
  isKept[0] = isKept[path.length - 1] = 1;
  /** @type {[number, number][]} */
  const waiting = [[0, path.length - 1]];
  for (let part = waiting.pop(); part; part = waiting.pop()) {
    const [first, last] = part;
    let furthest = tolerance;
    let middle = -1;
    for (let i = first + 1; i < last; i++) {
      const distance = distanceToSegment(path[i], path[first], path[last]);
      if (distance <= furthest) continue;
      furthest = distance;
      middle = i;
    }
    if (middle < 0) continue;
    isKept[middle] = 1;
    waiting.push([first, middle], [middle, last]);
  }
  return path.filter((_, i) => isKept[i]);
}
