// Parts of a picture with window, gamma and channel applied: made for the size that is on the screen, so that
// a slider's every step costs only what is seen.

import { adjust, adjustmentTables } from './adjustment.js';
import { UNADJUSTED } from './display.js';
import { given } from './given.js';
import { drawPiece } from './pieces.js';
import { union } from './rectangle.js';
import { TileCache } from './tile_cache.js';

const MOST_BYTES = 64 * 1024 * 1024;

/** @typedef {import('./adjustment.js').AdjustmentTables} AdjustmentTables */
/** @typedef {{context: CanvasRenderingContext2D, bitmap: ImageBitmap, tables: AdjustmentTables}} Made */

export class AdjustedPieces {
  constructor() {
    this.tables = adjustmentTables(UNADJUSTED);
    this.wanted = '';
    /** @type {TileCache<Made>} */
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
    let count = 0;
    for (const piece of pieces) {
      let made = this.cache.get(piece.key);
      const isCurrent = made?.tables === this.tables && made?.bitmap === piece.bitmap;
      if (!isCurrent) {
        // One in any case, so that every frame comes closer to the end.
        if (count === 0 || performance.now() < until) {
          made = this.#make(piece, made);
          count++;
        } else left = union(left, piece.box);
      }
      if (made) drawPiece(context, made.context.canvas, { ...piece.from, x: 0, y: 0 }, piece.box, place);
    }
    this.cache.trim(pieces.length);
    return left;
  }

  release() {
    this.cache.clear();
  }

  /** @param {import('./pieces.js').Piece} piece @param {Made | null} old */
  #make({ key, bitmap, from }, old) {
    const made = old ?? this.#blank(bitmap, from);
    if (!old) this.cache.put(key, made, 4 * from.width * from.height);
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

  /** @param {ImageBitmap} bitmap @param {import('./pieces.js').From} from @returns {Made} */
  #blank(bitmap, from) {
    const canvas = document.createElement('canvas');
    canvas.width = from.width;
    canvas.height = from.height;
    return { context: given(canvas.getContext('2d', { willReadFrequently: true })), bitmap, tables: this.tables };
  }
}
