// An image as a person sees it, at full size and at every half of it; drawn from the size that fits the screen.

import { AskedWorker } from './asked_worker.js';
import { pictureLevel, tileBox, tilesOver } from './levels.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./pieces.js').Place} Place */
/** @typedef {import('./pieces.js').Piece} Piece */

/** From this many screen pixels per image pixel on, pixels are shown as squares. */
const SQUARES_FROM = 3;
const PIECE_SIDE = 512;

/** The browser cannot decode the file, or has no memory for it. */
export class UnreadablePicture extends Error {
  constructor() {
    super('The browser cannot read the image.');
  }
}

/**
 * The sizes of a picture: full size first, each half of the one before. The full size may be here before the others.
 * @typedef {{levels: ImageBitmap[], rest: Promise<ImageBitmap[]>}} Levels
 */

export class Picture {
  /**
   * @param {Levels} levels
   * @param {number} width of the image in its own pixels, which may be more than the largest bitmap has
   * @param {number} height
   */
  constructor({ levels, rest }, width = levels[0].width, height = levels[0].height) {
    this.levels = levels;
    this.width = width;
    this.height = height;
    /** Called when a smaller size came that the last view would have been drawn from. */
    this.onArrival = () => {};
    this.isClosed = false;
    this.lacksLevel = false;
    /** Kept once all sizes are here. */
    this.whole = rest.then((smaller) => this.#add(smaller));
  }

  /** The whole of the image in few bitmaps; of this one, itself. @returns {Picture} */
  get overview() {
    return this;
  }

  /** The smallest bitmap. */
  get smallest() {
    return this.levels[this.levels.length - 1];
  }

  /** Nothing is left to be asked for. */
  want() {}

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Place} place
   * @param {Rectangle} visible image pixels
   * @param {import('./adjusted_pieces.js').AdjustedPieces | null} adjusted null for the image as it is
   * @param {number} until as `performance.now()` counts
   * @returns {Rectangle | null} image pixels that are not drawn as they should be
   */
  draw(context, place, visible, adjusted, until) {
    const level = this.#levelAt(place.scale);
    this.lacksLevel = level < this.#levelAt(place.scale, Infinity);
    smoothAt(context, place.scale, this.#reduction(level));
    if (!adjusted) {
      const { width, height } = this;
      context.drawImage(this.levels[level], place.x, place.y, width * place.scale, height * place.scale);
      return null;
    }
    return adjusted.draw(context, place, this.#pieces(level, visible), until);
  }

  close() {
    this.isClosed = true;
    for (const bitmap of this.levels) bitmap.close();
  }

  /** @param {ImageBitmap[]} smaller */
  #add(smaller) {
    this.levels.push(...smaller);
    if (this.isClosed) this.close();
    else if (this.lacksLevel && smaller.length > 0) this.onArrival();
  }

  /** Image pixels for a pixel of a level. @param {number} level */
  #reduction(level) {
    return this.width / this.levels[level].width;
  }

  /** @param {number} scale @param {number} levels to choose from */
  #levelAt(scale, levels = this.levels.length) {
    return pictureLevel(scale * this.#reduction(0), levels);
  }

  /** @param {number} level @param {Rectangle} visible image pixels @returns {Piece[]} */
  #pieces(level, visible) {
    const bitmap = this.levels[level];
    const per = { x: this.width / bitmap.width, y: this.height / bitmap.height };
    const seen = { x0: visible.x0 / per.x, y0: visible.y0 / per.y, x1: visible.x1 / per.x, y1: visible.y1 / per.y };
    const { column0, row0, column1, row1 } = tilesOver(seen, 0, PIECE_SIDE);
    const pieces = [];
    for (let row = row0; row < row1; row++) {
      for (let column = column0; column < column1; column++) {
        const { x0, y0, x1, y1 } = tileBox(column, row, 0, PIECE_SIDE, bitmap.width, bitmap.height);
        if (x0 >= x1 || y0 >= y1) continue;
        pieces.push({
          key: `${level}/${column}/${row}`,
          bitmap,
          from: { x: x0, y: y0, width: x1 - x0, height: y1 - y0 },
          box: { x0: x0 * per.x, y0: y0 * per.y, x1: x1 * per.x, y1: y1 * per.y },
        });
      }
    }
    return pieces;
  }
}

/**
 * Set how pixels are drawn: as squares from close by, otherwise smoothly.
 * @param {CanvasRenderingContext2D} context
 * @param {number} scale pixels of the canvas per image pixel
 * @param {number} reduction image pixels per pixel of the bitmap
 */
export function smoothAt(context, scale, reduction) {
  context.imageSmoothingEnabled = scale < SQUARES_FROM;
  // Below one half, four neighbours are not enough.
  context.imageSmoothingQuality = scale * reduction < 0.45 ? 'medium' : 'low';
}

/**
 * A worker lets go of no file it has decoded until its garbage is collected, and it makes so little that this never
 * happens. So it is replaced after files of this many bytes.
 */
const MOST_DECODED_BYTES = 32 * 1024 * 1024;

const decoder = new AskedWorker(
  () => new Worker(new URL('./picture_worker.js', import.meta.url), { type: 'module' }),
  MOST_DECODED_BYTES,
);

/**
 * Decode an image file at all its sizes, off the page's thread.
 * @param {Blob} blob
 * @returns {Promise<Levels>}
 * @throws {UnreadablePicture}
 */
export async function decodedLevels(blob) {
  const answer = await decoder.ask({ blob }, blob.size);
  if (!answer) throw new Error('The browser cannot read images.');
  if (!answer.levels) throw new UnreadablePicture();
  const { levels, rest } = answer;
  return { levels, rest: rest ? rest.then((/** @type {any} */ later) => later?.levels ?? []) : Promise.resolve([]) };
}
