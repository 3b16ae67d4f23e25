// The label map and the suggestion of one image as coloured tiles: made when they are seen, made again where
// pixels changed. A view of the label map only: nothing is ever read back from here.

import { Colouring, REACH } from './colouring.js';
import { given } from './given.js';
import { coarsestLevel, labelLevel, tileBox, tilesOver } from './levels.js';
import { drawPiece, fromOf } from './pieces.js';
import { overlap, union } from './rectangle.js';
import { TileCache } from './tile_cache.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./colouring.js').Look} Look */
/** @typedef {import('./pieces.js').Place} Place */

/**
 * @typedef {object} Tile
 * @property {CanvasRenderingContext2D} context
 * @property {number} level
 * @property {Rectangle} box image pixels
 * @property {Rectangle | null} dirty image pixels that changed since it was coloured
 * @property {Look | null} look it was coloured with
 */

const SIDE = 256;
const TILE_BYTES = SIDE * SIDE * 4;
const MOST_BYTES = 96 * 1024 * 1024;
const MOST_SPARE = 64;

export class LabelTiles {
  /** @param {import('./colouring.js').Source} source read whenever a tile is coloured */
  constructor(source) {
    this.source = source;
    this.coarsest = coarsestLevel(source.width, source.height, SIDE);
    /** @type {TileCache<Tile>} */
    this.cache = new TileCache(MOST_BYTES, (tile) => giveBack(tile.context));
  }

  /** Image pixels changed: the tiles that show them are coloured again when they are seen. @param {Rectangle} rectangle */
  changed(rectangle) {
    for (const tile of this.cache.all()) {
      const reach = REACH * 2 ** Math.max(0, tile.level);
      tile.dirty = union(tile.dirty, overlap(grown(rectangle, reach), tile.box));
    }
  }

  /**
   * Colour the tiles of a view, until a moment passes.
   * @param {Look} look
   * @param {number} scale screen pixels per image pixel
   * @param {Rectangle} visible image pixels
   * @param {number} until as `performance.now()` counts
   * @returns {Rectangle | null} image pixels that are still to be coloured
   */
  prepare(look, scale, visible, until) {
    return this.#each(scale, visible, (level, column, row) => {
      const tile = this.#tile(level, column, row);
      return tile?.look === look || (performance.now() < until && Boolean(this.#coloured(level, column, row, look)));
    });
  }

  /**
   * Draw the tiles of a view. When the time is up, the ones still missing are drawn as they were or from a
   * coarser level.
   * @param {CanvasRenderingContext2D} context
   * @param {Look} look
   * @param {Place} place
   * @param {Rectangle} visible image pixels
   * @param {number} until as `performance.now()` counts
   * @returns {Rectangle | null} image pixels that are not drawn as they are now
   */
  draw(context, look, place, visible, until) {
    const perTilePixel = place.scale * 2 ** labelLevel(place.scale, this.coarsest);
    context.imageSmoothingEnabled = perTilePixel !== 1 && perTilePixel < 1.5;
    context.imageSmoothingQuality = 'low';
    let seen = 0;
    let made = 0;
    const left = this.#each(place.scale, visible, (level, column, row) => {
      seen++;
      let tile = this.#tile(level, column, row);
      const isCurrent = tile !== null && tile.look === look && tile.dirty === null;
      // One in any case, so that every frame comes closer to the end.
      const hasTime = isCurrent || made === 0 || performance.now() < until;
      if (!isCurrent && hasTime) {
        tile = this.#coloured(level, column, row, look);
        made++;
      }
      this.#draw(context, tile ?? this.#coarser(level, column, row), this.#box(level, column, row), place);
      return hasTime;
    });
    this.cache.trim(2 * seen);
    return left;
  }

  release() {
    this.cache.clear();
  }

  /**
   * The image pixels of the tiles of a view for which `visit` had no time.
   * @param {number} scale
   * @param {Rectangle} visible image pixels
   * @param {(level: number, column: number, row: number) => boolean} visit
   */
  #each(scale, visible, visit) {
    const level = labelLevel(scale, this.coarsest);
    const { column0, row0, column1, row1 } = tilesOver(visible, level, SIDE);
    let left = null;
    for (let row = row0; row < row1; row++) {
      for (let column = column0; column < column1; column++) {
        if (!visit(level, column, row)) left = union(left, this.#box(level, column, row));
      }
    }
    return left;
  }

  /** @param {number} level @param {number} column @param {number} row */
  #box(level, column, row) {
    return tileBox(column, row, level, SIDE, this.source.width, this.source.height);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Tile | null} tile
   * @param {Rectangle} box image pixels
   * @param {Place} place
   */
  #draw(context, tile, box, place) {
    if (tile) drawPiece(context, tile.context.canvas, fromOf(box, tile.box, 2 ** tile.level), box, place);
  }

  /** @param {number} level @param {number} column @param {number} row */
  #tile(level, column, row) {
    return this.cache.get(`${level}/${column}/${row}`);
  }

  /**
   * The tile of a coarser level that is at hand and holds this one.
   * @param {number} level
   * @param {number} column
   * @param {number} row
   */
  #coarser(level, column, row) {
    for (let up = 1; level + up <= this.coarsest; up++) {
      const tile = this.#tile(level + up, column >> up, row >> up);
      if (tile) return tile;
    }
    return null;
  }

  /** @param {number} level @param {number} column @param {number} row @param {Look} look */
  #coloured(level, column, row, look) {
    let tile = this.#tile(level, column, row);
    if (!tile) {
      tile = { context: tileContext(), level, box: this.#box(level, column, row), dirty: null, look: null };
      this.cache.put(`${level}/${column}/${row}`, tile, TILE_BYTES);
    }
    const dirty = tile.look === look && tile.dirty ? tile.dirty : tile.box;
    const perPixel = 2 ** -level;
    const [left, top] = [column * SIDE, row * SIDE];
    const box = {
      x0: Math.floor(dirty.x0 * perPixel),
      y0: Math.floor(dirty.y0 * perPixel),
      x1: Math.ceil(dirty.x1 * perPixel),
      y1: Math.ceil(dirty.y1 * perPixel),
    };
    const { colouring, data, pixels } = palette();
    const [x, y] = [box.x0 - left, box.y0 - top];
    colouring.paint(this.source, look, level, box, pixels, y * SIDE + x, SIDE);
    tile.context.putImageData(data, 0, 0, x, y, box.x1 - box.x0, box.y1 - box.y0);
    tile.dirty = null;
    tile.look = look;
    return tile;
  }
}

/** @type {{colouring: Colouring, data: ImageData, pixels: Uint32Array} | null} */
let shared = null;

/** What colouring needs besides the tile; one for all, as tiles are coloured one after the other. */
function palette() {
  if (!shared) {
    const data = new ImageData(SIDE, SIDE);
    shared = { colouring: new Colouring(SIDE), data, pixels: new Uint32Array(data.data.buffer) };
  }
  return shared;
}

/** @param {Rectangle} box @param {number} reach image pixels */
function grown({ x0, y0, x1, y1 }, reach) {
  return { x0: x0 - reach, y0: y0 - reach, x1: x1 + reach, y1: y1 + reach };
}

/**
 * Canvases of tiles that were given up, for the next ones: a new one costs more than to colour it.
 * @type {CanvasRenderingContext2D[]}
 */
const spare = [];

function tileContext() {
  const known = spare.pop();
  if (known) return known;
  const canvas = document.createElement('canvas');
  canvas.width = SIDE;
  canvas.height = SIDE;
  return given(canvas.getContext('2d'));
}

/** @param {CanvasRenderingContext2D} context */
function giveBack(context) {
  if (spare.length < MOST_SPARE) spare.push(context);
  else context.canvas.width = 0;
}
