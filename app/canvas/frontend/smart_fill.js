// From a click or a scribble to the region of alike pixels around it. Each step away from the scribble costs
// the more the sharper the image changes there, the less its colour is one of the scribble's, and where the
// model suggests another class; the region is what lies within a level of cost. The level can be moved
// afterwards without computing anything again.

import { CheapestPaths } from './cheapest_path.js';
import { islandsOf } from './class_pieces.js';
import { ColourGrid } from './colour_grid.js';
import { NOT_LABELLED } from './label_map.js';
import { paintRegion } from './region.js';
import { spanFill } from './span_fill.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./region.js').Region} Region */

/**
 * What a smart fill looks at. `labels` and `suggestion` are as large as the image; the uncertainty, 0 … 255,
 * may be smaller.
 * @typedef {object} FillSources
 * @property {number} width
 * @property {number} height
 * @property {Uint8ClampedArray | Uint8Array} rgba as in an ImageData
 * @property {Uint8Array} labels the label map
 * @property {Uint8Array | null} suggestion
 * @property {{width: number, height: number, values: Uint8Array} | null} uncertainty
 */

/** Cost of a step: at least 1, and this much more for what speaks against it. */
const EDGE_COST = 5;
const COLOUR_COST = 1.3;
const OTHER_CLASS_COST = 120;
/** Where the model suggests the scribble's class, changes of the image count for less. */
const SAME_CLASS_SHARE = 0.15;
/** Changes of colour up to this do not count; the scale of colours is that of `ColourGrid`. */
const NOISE = 4;
const OWN_COLOUR = 8;
const MOST_COST = 255;
/** Colours that stand for a scribble. */
const MOST_COLOURS = 6;

/** Levels on offer, each this factor above the one before. */
const LEVEL_STEP = 1.2;
const LEVELS = 36;
const LOWEST_LEVEL = 30;
const NOMINAL_LEVEL = 1500;
/** How much worse a level is rated for each doubling away from the nominal one. */
const PRIOR = 0.12;
/** How much better a level is rated for agreeing wholly with the region that the model suggests. */
const AGREEMENT = 0.5;
/** Holes of fewer cells are filled. */
const HOLE_CELLS = 12;

export class SmartFill {
  /**
   * @param {FillSources} sources
   * @param {{x: number, y: number}[]} points of the click or scribble, in image coordinates
   * @param {object} options
   * @param {Uint8Array} options.open 256 entries, 1 for values of the label map that the fill may cover;
   *   pixels with others are walls
   * @param {Rectangle | null} options.window where the fill may go, such as the part of the image that is
   *   seen; null for all of it. The smaller, the finer.
   */
  constructor(sources, points, { open, window = null }) {
    this.sources = sources;
    this.open = open;
    this.grid = new ColourGrid(sources, window ?? { x0: 0, y0: 0, x1: sources.width, y1: sources.height });
    this.isWall = wallsOf(sources, this.grid, open);
    this.starts = startsOf(this.grid, points).filter((cell) => !this.isWall[cell]);
    /** 1 for cells where the model suggests what it suggests under the scribble; null without a suggestion. */
    this.isSuggested = suggestedCells(sources, this.grid, this.starts);
    const paths = new CheapestPaths(this.#costs(), this.grid.columns, this.starts);
    paths.settleAll();
    this.distances = paths.distances;
    /** Number of the level that fits best, 0 … LEVELS - 1. */
    this.level = this.#bestLevel();
  }

  /** @returns {number} a level so many steps wider (or narrower), among those there are */
  levelBeside(level, steps) {
    return Math.min(LEVELS - 1, Math.max(0, level + steps));
  }

  /**
   * The region within a level; larger levels hold the smaller ones.
   * @param {number} level
   * @returns {Region | null} null when the scribble lies outside the window or on walls
   */
  regionAt(level) {
    if (this.starts.length === 0) return null;
    const { columns, rows } = this.grid;
    const most = costOfLevel(level);
    const cells = new Uint8Array(columns * rows);
    for (let i = 0; i < cells.length; i++) cells[i] = this.distances[i] <= most ? 1 : 0;
    const holes = islandsOf({ width: columns, height: rows, pixels: cells }, 0, HOLE_CELLS);
    if (holes) {
      for (let y = holes.y0, from = 0; y < holes.y1; y++) {
        for (let x = holes.x0; x < holes.x1; x++, from++) {
          if (holes.mask[from] && !this.isWall[y * columns + x]) cells[y * columns + x] = 1;
        }
      }
    }
    const region = this.grid.regionOf(cells, this.isWall);
    return region && this.#withoutWalls(region);
  }

  #withoutWalls(region) {
    const { labels, width } = this.sources;
    for (let y = region.y0, to = 0; y < region.y1; y++) {
      for (let at = y * width + region.x0, end = at + region.x1 - region.x0; at < end; at++, to++) {
        if (!this.open[labels[at]]) region.mask[to] = 0;
      }
    }
    return region;
  }

  /** What it costs to step on each cell, 0 for walls. */
  #costs() {
    const { grid, isSuggested, isWall, starts } = this;
    const { columns, rows, planes } = grid;
    const [light, reds, blues] = planes;
    const costs = new Uint8Array(columns * rows);
    const colours = coloursOf(planes, starts);
    for (let row = 0, i = 0; row < rows; row++) {
      const up = row > 0 ? -columns : 0;
      const down = row + 1 < rows ? columns : 0;
      for (let column = 0; column < columns; column++, i++) {
        if (isWall[i]) continue;
        const left = column > 0 ? i - 1 : i;
        const right = column + 1 < columns ? i + 1 : i;
        const across = unlikeness(planes, left, right);
        const along = unlikeness(planes, i + up, i + down);
        let nearest = Infinity;
        for (let k = 0; k < colours.length; k += 3) {
          const distance =
            (light[i] - colours[k]) ** 2 + (reds[i] - colours[k + 1]) ** 2 + (blues[i] - colours[k + 2]) ** 2;
          if (distance < nearest) nearest = distance;
        }
        let cost =
          EDGE_COST * Math.max(0, 0.5 * Math.sqrt(across + along) - NOISE) +
          COLOUR_COST * Math.max(0, Math.sqrt(nearest) - OWN_COLOUR);
        if (isSuggested) {
          const certainty = 1 - this.#doubtAt(row, column);
          if (isSuggested[i]) cost *= 1 - (1 - SAME_CLASS_SHARE) * certainty;
          else cost += OTHER_CLASS_COST * certainty;
        }
        costs[i] = Math.min(MOST_COST, 1 + cost);
      }
    }
    return costs;
  }

  /** How unsure the model is of a cell, 0 … 1. */
  #doubtAt(row, column) {
    const { uncertainty, width, height } = this.sources;
    if (!uncertainty) return 0;
    const x = Math.floor((this.grid.xOf(column) * uncertainty.width) / width);
    const y = Math.floor((this.grid.yOf(row) * uncertainty.height) / height);
    return uncertainty.values[y * uncertainty.width + x] / 255;
  }

  /** The level past which the region grows least, with a bias towards the nominal one and the suggestion. */
  #bestLevel() {
    const suggested = this.#suggestedRegion();
    const sizes = new Float64Array(LEVELS + 1);
    const agreeing = new Float64Array(LEVELS + 1);
    let suggestedSize = 0;
    let certainty = 0;
    for (let i = 0; i < this.distances.length; i++) {
      const level = Math.ceil(Math.log(this.distances[i] / LOWEST_LEVEL) / Math.log(LEVEL_STEP));
      if (suggested?.[i]) {
        suggestedSize++;
        const row = Math.floor(i / this.grid.columns);
        certainty += 1 - this.#doubtAt(row, i - row * this.grid.columns);
      }
      if (level > LEVELS) continue;
      sizes[Math.max(0, level)]++;
      if (suggested) agreeing[Math.max(0, level)] += suggested[i];
    }
    const trust = suggestedSize ? (AGREEMENT * certainty) / suggestedSize : 0;
    let best = 0;
    let least = Infinity;
    for (let level = 0; level < LEVELS; level++) {
      sizes[level + 1] += sizes[level];
      agreeing[level + 1] += agreeing[level];
      const growth = Math.log((sizes[level + 1] + 1) / (sizes[level] + 1));
      const shared = suggested ? agreeing[level] / (sizes[level] + suggestedSize - agreeing[level]) : 0;
      const distance = Math.abs(Math.log2(costOfLevel(level) / NOMINAL_LEVEL));
      const badness = growth + PRIOR * distance - trust * shared;
      if (badness >= least) continue;
      least = badness;
      best = level;
    }
    return best;
  }

  /** The connected cells of the suggestion around the scribble, 0 or 1 each; null when there are none. */
  #suggestedRegion() {
    const { isSuggested, starts } = this;
    if (!isSuggested) return null;
    const { columns, rows } = this.grid;
    const start = starts.find((cell) => isSuggested[cell]);
    if (start === undefined) return null;
    /** @type {(members: Uint8Array, from: number, to: number) => void} */
    const markSuggested = (members, from, to) => members.set(isSuggested.subarray(from, to), from);
    const region = spanFill(columns, rows, start % columns, Math.floor(start / columns), markSuggested);
    if (!region) return null;
    const cells = new Uint8Array(columns * rows);
    paintRegion({ width: columns, height: rows, pixels: cells }, region, { value: 1 });
    return cells;
  }
}

function costOfLevel(level) {
  return LOWEST_LEVEL * LEVEL_STEP ** level;
}

/** @returns {number} the squared difference of two cells' colours */
function unlikeness([light, reds, blues], one, other) {
  return (light[one] - light[other]) ** 2 + (reds[one] - reds[other]) ** 2 + (blues[one] - blues[other]) ** 2;
}

/** Cells that hold a pixel the fill may not cover. */
function wallsOf({ labels, width }, grid, open) {
  const isWall = new Uint8Array(grid.columns * grid.rows);
  const { x0, x1, y0, y1 } = grid.window;
  const passing = open[NOT_LABELLED] ? NOT_LABELLED : -1;
  for (let y = y0; y < y1; y++) {
    const start = Math.floor((y - y0) / grid.scale) * grid.columns;
    const first = y * width + x0;
    const end = y * width + x1;
    for (let at = first; at < end; at++) {
      const value = labels[at];
      if (value !== passing && open[value] === 0) isWall[start + Math.floor((at - first) / grid.scale)] = 1;
    }
  }
  return isWall;
}

/** The cells under the line through points. */
function startsOf(grid, points) {
  const cells = new Set();
  for (let i = 0; i < points.length; i++) {
    const from = points[i];
    const to = points[i + 1] ?? from;
    const steps = Math.max(1, Math.ceil((2 * Math.hypot(to.x - from.x, to.y - from.y)) / grid.scale));
    for (let step = 0; step <= steps; step++) {
      const share = step / steps;
      const cell = grid.cellAt(from.x + share * (to.x - from.x), from.y + share * (to.y - from.y));
      if (cell >= 0) cells.add(cell);
    }
  }
  return [...cells];
}

/** A few colours, three numbers each, spread over those of the scribble: each next one is the least like. */
function coloursOf(planes, cells) {
  const [light, reds, blues] = planes;
  const colours = [];
  const distances = new Float32Array(cells.length).fill(Infinity);
  let next = 0;
  while (cells.length > 0 && colours.length < 3 * MOST_COLOURS) {
    const [l, r, b] = [light[cells[next]], reds[cells[next]], blues[cells[next]]];
    colours.push(l, r, b);
    let furthest = 0;
    cells.forEach((cell, i) => {
      const distance = (light[cell] - l) ** 2 + (reds[cell] - r) ** 2 + (blues[cell] - b) ** 2;
      if (distance < distances[i]) distances[i] = distance;
      if (distances[i] <= furthest) return;
      furthest = distances[i];
      next = i;
    });
    if (furthest <= OWN_COLOUR ** 2) break;
  }
  return Float32Array.from(colours);
}

/** @returns {Uint8Array | null} 1 for cells whose class is suggested under a good part of the scribble */
function suggestedCells({ suggestion, width }, grid, starts) {
  if (!suggestion) return null;
  const classes = new Uint8Array(grid.columns * grid.rows);
  for (let row = 0, i = 0; row < grid.rows; row++) {
    const start = grid.yOf(row) * width;
    for (let column = 0; column < grid.columns; column++, i++) classes[i] = suggestion[start + grid.xOf(column)];
  }
  const counts = new Uint32Array(256);
  for (const cell of starts) counts[classes[cell]]++;
  return classes.map((value) => (counts[value] > 0 && 4 * counts[value] >= starts.length ? 1 : 0));
}
