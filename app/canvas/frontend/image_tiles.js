// An image too large for one bitmap: an overview, and over it the tiles of the visible part at the level that
// fits the zoom, brought from the server as they are needed.

import { pictureLevel, tileBox, tilesOver } from './levels.js';
import { smoothAt } from './picture.js';
import { drawPiece, fromOf } from './pieces.js';
import { union } from './rectangle.js';
import { TileCache } from './tile_cache.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

const MOST_BYTES = 128 * 1024 * 1024;
const AT_ONCE = 6;
const RETRY_MS = 3000;

/**
 * What of an item says how its image is tiled. Level 0 is full size, each next one half of it.
 * @typedef {{width: number, height: number, tile_side: number, tile_levels: number, tiles_url: string,
 *   tiles_query?: string}} Tiling
 */

/** @typedef {{key: string, level: number, column: number, row: number, box: Rectangle}} Tile */

export class TiledPicture {
  /**
   * @param {import('./picture.js').Picture} overview with the image's own width and height
   * @param {Tiling} tiling
   * @param {(url: string, signal: AbortSignal) => Promise<ImageBitmap>} fetchTile
   * @param {(action: () => void, delay: number) => void} later
   */
  constructor(overview, tiling, fetchTile, later = (action, delay) => setTimeout(action, delay)) {
    this.overview = overview;
    this.tiling = tiling;
    this.fetchTile = fetchTile;
    this.later = later;
    this.width = tiling.width;
    this.height = tiling.height;
    /** Called when a tile came that the last view wanted. */
    this.onArrival = () => {};
    /** @type {TileCache<ImageBitmap>} */
    this.cache = new TileCache(MOST_BYTES, (bitmap) => bitmap.close());
    /** @type {Map<string, AbortController>} */
    this.loading = new Map();
    /** @type {Set<string>} tiles that could not be brought; left alone for a moment */
    this.failed = new Set();
    /** @type {string[]} tiles of the last view that are still to come, the most central first */
    this.wanted = [];
    this.isClosed = false;
  }

  get smallest() {
    return this.overview.smallest;
  }

  /**
   * As a {@link Picture} draws; tiles on their way count as drawn, for they announce themselves.
   * @param {CanvasRenderingContext2D} context
   * @param {import('./pieces.js').Place} place
   * @param {Rectangle} visible image pixels
   * @param {import('./adjusted_pieces.js').AdjustedPieces | null} adjusted
   * @param {number} until as `performance.now()` counts
   */
  draw(context, place, visible, adjusted, until) {
    const { tiles, level } = this.#tilesOf(place.scale, visible);
    const pieces = tiles.map((tile) => this.#piece(tile)).filter((piece) => piece !== null);
    const isCovered = tiles.length > 0 && pieces.length === tiles.length;
    const left = isCovered ? null : this.overview.draw(context, place, visible, adjusted, until);
    this.cache.trim(2 * tiles.length);
    if (pieces.length === 0) return left;
    smoothAt(context, place.scale, 2 ** level);
    if (adjusted) return union(left, adjusted.draw(context, place, pieces, until));
    for (const { bitmap, from, box } of pieces) drawPiece(context, bitmap, from, box, place);
    return left;
  }

  close() {
    this.isClosed = true;
    this.#load([]);
    this.cache.clear();
    this.overview.close();
  }

  /**
   * Ask for the tiles of a whole view, and no longer for those that left it.
   * @param {number} scale
   * @param {Rectangle} visible image pixels
   */
  want(scale, visible) {
    const { tiles } = this.#tilesOf(scale, visible);
    const middle = { x: (visible.x0 + visible.x1) / 2, y: (visible.y0 + visible.y1) / 2 };
    const away = (/** @type {Tile} */ { box }) => Math.hypot((box.x0 + box.x1) / 2 - middle.x, (box.y0 + box.y1) / 2 - middle.y);
    const missing = tiles.filter(({ key }) => !this.cache.get(key));
    this.#load(missing.sort((one, other) => away(one) - away(other)).map(({ key }) => key));
  }

  /** The tiles of a view; none where the overview is as fine. @param {number} scale @param {Rectangle} visible */
  #tilesOf(scale, visible) {
    const { tile_levels: levels, tile_side: side } = this.tiling;
    const level = pictureLevel(scale, levels);
    /** @type {Tile[]} */
    const tiles = [];
    if (2 ** level < 0.99 * (this.width / this.overview.levels[0].width)) {
      const { column0, row0, column1, row1 } = tilesOver(visible, level, side);
      for (let row = row0; row < row1; row++) {
        for (let column = column0; column < column1; column++) tiles.push(this.#tileAt(level, column, row));
      }
    }
    return { tiles, level };
  }

  /** @param {number} level @param {number} column @param {number} row @returns {Tile} */
  #tileAt(level, column, row) {
    const box = tileBox(column, row, level, this.tiling.tile_side, this.width, this.height);
    return { key: `${level}/${column}/${row}`, level, column, row, box };
  }

  /** The tile, or the part of a coarser one that is at hand. @param {Tile} tile */
  #piece({ key, level, column, row, box }) {
    for (let up = 0; level + up < this.tiling.tile_levels; up++) {
      const source = this.#tileAt(level + up, column >> up, row >> up);
      const bitmap = this.cache.get(source.key);
      if (!bitmap) continue;
      const from = fromOf(box, source.box, 2 ** source.level);
      return { key: up ? `${key} of ${source.key}` : key, bitmap, from, box };
    }
    return null;
  }

  /** @param {string[]} keys */
  #load(keys) {
    const isWanted = new Set(keys);
    for (const [key, controller] of this.loading) {
      if (isWanted.has(key)) continue;
      controller.abort();
      this.loading.delete(key);
    }
    this.wanted = keys;
    this.#next();
  }

  #next() {
    for (const key of this.wanted) {
      if (this.loading.size >= AT_ONCE) return;
      if (!this.loading.has(key) && !this.failed.has(key)) this.#fetch(key);
    }
  }

  /** @param {string} key */
  async #fetch(key) {
    const controller = new AbortController();
    this.loading.set(key, controller);
    let bitmap = null;
    try {
      bitmap = await this.fetchTile(`${this.tiling.tiles_url}/${key}${this.tiling.tiles_query ?? ''}`, controller.signal);
    } catch {
      if (!controller.signal.aborted) this.#retryLater(key);
    }
    if (this.loading.get(key) === controller) this.loading.delete(key);
    if (bitmap && this.isClosed) bitmap.close();
    else if (bitmap) {
      this.cache.put(key, bitmap, 4 * bitmap.width * bitmap.height);
      this.wanted = this.wanted.filter((other) => other !== key);
      this.onArrival();
    }
    this.#next();
  }

  /** @param {string} key */
  #retryLater(key) {
    this.failed.add(key);
    this.later(() => {
      this.failed.delete(key);
      this.#next();
    }, RETRY_MS);
  }
}
