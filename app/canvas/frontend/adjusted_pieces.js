// Parts of a picture with window, gamma and channel applied: made for the size that is on the screen, so that
// a slider's every step costs only what is seen.

import { adjust, adjustmentTables } from './adjustment.js';
import { drawPiece } from './pieces.js';
import { union } from './rectangle.js';
import { TileCache } from './tile_cache.js';

const MOST_BYTES = 64 * 1024 * 1024;

export class AdjustedPieces {
  constructor() {
    this.tables = null;
    this.wanted = '';
    this.cache = new TileCache(MOST_BYTES, (made) => (made.context.canvas.width = 0));
  }

  /** @param {import('./display.js').Adjustment} adjustment */
  set(adjustment) {
    const wanted = JSON.stringify(adjustment);
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.tables = adjustmentTables(adjustment);
  }

  /**
   * Draw pieces, adjusted. Those for which no time is left are drawn as they last were.
   * @param {CanvasRenderingContext2D} context
   * @param {import('./pieces.js').Place} place
   * @param {import('./pieces.js').Piece[]} pieces
   * @param {number} until as `performance.now()` counts
   * @returns {import('./rectangle.js').Rectangle | null} image pixels that are not as they should be
   */
  draw(context, place, pieces, until) {
    let left = null;
    for (const piece of pieces) {
      let made = this.cache.get(piece.key);
      const isCurrent = made?.tables === this.tables && made?.bitmap === piece.bitmap;
      if (!isCurrent) {
        if (performance.now() < until) made = this.#make(piece, made);
        else left = union(left, piece.box);
      }
      if (made) drawPiece(context, made.context.canvas, { ...piece.from, x: 0, y: 0 }, piece.box, place);
    }
    this.cache.trim(pieces.length);
    return left;
  }

  release() {
    this.cache.clear();
  }

  #make({ key, bitmap, from }, old) {
    const made = old ?? { context: null, bitmap, tables: null };
    if (!old) {
      const canvas = document.createElement('canvas');
      canvas.width = from.width;
      canvas.height = from.height;
      made.context = canvas.getContext('2d', { willReadFrequently: true });
      this.cache.put(key, made, 4 * from.width * from.height);
    }
    const { context } = made;
    context.clearRect(0, 0, from.width, from.height);
    context.drawImage(bitmap, from.x, from.y, from.width, from.height, 0, 0, from.width, from.height);
    const data = context.getImageData(0, 0, from.width, from.height);
    adjust(new Uint32Array(data.data.buffer), this.tables);
    context.putImageData(data, 0, 0);
    made.bitmap = bitmap;
    made.tables = this.tables;
    return made;
  }
}
