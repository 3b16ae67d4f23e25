// Tools that paint along the way of the pointer: brush, eraser, the brush that accepts, and the thin line.

import { paintStroke } from './label_map.js';
import { sayWhyNothing } from './nothing_painted.js';
import { paintRegion } from './region.js';
import { thinLine } from './thin_line.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */

export const SMALLEST_BRUSH = 1;
export const LARGEST_BRUSH = 400;
/** A pen that is barely pressed paints with this share of the brush. */
const LIGHTEST = 0.25;

/**
 * The next larger or smaller brush: fine steps for fine brushes.
 * @param {number} size diameter in image pixels
 * @param {1 | -1} direction
 */
export function brushStep(size, direction) {
  const step = Math.max(1, Math.round(size * 0.2));
  return Math.min(LARGEST_BRUSH, Math.max(SMALLEST_BRUSH, size + direction * step));
}

/**
 * Where a stroke goes with this brush: the smallest one snaps to pixel centres, so that it paints exactly
 * the pixel under the cursor.
 * @param {Point} point
 * @param {number} size
 * @returns {Point}
 */
export function brushPoint(point, size) {
  return size > 1 ? point : { x: Math.floor(point.x) + 0.5, y: Math.floor(point.y) + 0.5 };
}

/**
 * The diameter that a pen's pressure gives the brush; a mouse and a finger have none.
 * @param {number} size
 * @param {{pointerType: string, pressure: number}} event
 */
export function pressedSize(size, { pointerType, pressure }) {
  if (pointerType !== 'pen' || pressure === 0) return size;
  return Math.max(SMALLEST_BRUSH, size * (LIGHTEST + (1 - LIGHTEST) * pressure));
}

/** @implements {Tool} */
export class StrokeTool {
  /**
   * @param {import('./tool_desk.js').ToolDesk} desk
   * @param {(image: import('./open_image.js').OpenImage) => import('./label_map.js').Paint | null} paintOf
   * @param {boolean} isThin one pixel wide, whatever the brush
   */
  constructor(desk, paintOf, isThin = false) {
    this.desk = desk;
    this.paintOf = paintOf;
    this.isThin = isThin;
    this.cursor = /** @type {const} */ ('brush');
    /** The paint of the stroke under way. @type {import('./label_map.js').Paint | null} */
    this.paint = null;
    /**
     * The stroke under way, to see what it lies on should it change nothing; kept only where some values stay.
     * @type {import('./nothing_painted.js').Draw[]}
     */
    this.pieces = [];
    /** Steps of the image when it began: with others, a part of it was completed for something else. */
    this.steps = 0;
    /** Where the stroke under way is. @type {Point | null} */
    this.last = null;
    /** Where the cursor is. @type {Point | null} */
    this.point = null;
  }

  /** @param {Point} point @param {PointerEvent} event */
  down(point, event) {
    const { image } = this.desk;
    this.paint = image && this.paintOf(image);
    this.pieces = [];
    this.steps = image?.steps ?? 0;
    if (!image || !this.paint) return;
    const size = this.#size(event);
    const start = brushPoint(point, size);
    // Shift joins this stroke to the end of the one before by a straight line.
    const from = (event.shiftKey && this.desk.lastEnd) || start;
    this.#draw(image, this.paint, from, start, size);
  }

  /** @param {Point[]} points @param {PointerEvent} event */
  move(points, event) {
    const { image } = this.desk;
    this.point = points.at(-1) ?? null;
    if (!image || !this.paint) return;
    const size = this.#size(event);
    for (const piece of points) {
      const point = brushPoint(piece, size);
      this.#draw(image, this.paint, this.last ?? point, point, size);
    }
  }

  up() {
    const { paint, pieces } = this;
    const { image } = this.desk;
    this.paint = null;
    this.pieces = [];
    if (this.last) this.desk.lastEnd = this.last;
    this.last = null;
    if (image?.endStroke()) this.desk.edited();
    else if (image && paint && image.steps === this.steps) {
      sayWhyNothing(this.desk, image, paint, (map, mark) => pieces.forEach((draw) => draw(map, mark)));
    }
  }

  giveUp() {
    this.paint = null;
    this.pieces = [];
    this.last = null;
    this.desk.image?.giveUpStroke();
  }

  /** @param {Point | null} point */
  hover(point) {
    this.point = point;
  }

  show() {
    this.desk.surface.showRing(this.point, this.isThin ? 0.5 : this.desk.state.brush / 2);
  }

  /** @param {PointerEvent} event */
  #size(event) {
    return this.isThin ? 1 : pressedSize(this.desk.state.brush, event);
  }

  /**
   * @param {import('./open_image.js').OpenImage} image
   * @param {import('./label_map.js').Paint} paint
   * @param {Point} from
   * @param {Point} to
   * @param {number} size
   */
  #draw(image, paint, from, to, size) {
    if (this.isThin) {
      const line = thinLine([from, to], image.width, image.height);
      image.part(line, () => paintRegion(image, line, paint));
      if (paint.over) this.pieces.push((map, mark) => paintRegion(map, line, mark));
    } else {
      image.stroke(from, to, size / 2, paint);
      if (paint.over) this.pieces.push((map, mark) => paintStroke(map, from, to, size / 2, mark));
    }
    this.last = to;
  }
}
