// The rectangle: from one corner to the opposite one.

import { paintRectangle } from './label_map.js';
import { sayWhyNothing } from './nothing_painted.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */

/** @implements {Tool} */
export class RectangleTool {
  /** @param {import('./tool_desk.js').ToolDesk} desk */
  constructor(desk) {
    this.desk = desk;
    this.cursor = /** @type {const} */ ('crosshair');
    /** @type {Point | null} */
    this.corner = null;
    /** @type {Point | null} */
    this.opposite = null;
  }

  /** @param {Point} point */
  down(point) {
    this.corner = point;
    this.opposite = point;
  }

  /** @param {Point[]} points */
  move(points) {
    this.opposite = points[points.length - 1];
  }

  up() {
    const { corner, opposite } = this;
    const { image } = this.desk;
    this.corner = null;
    this.show();
    if (!corner || !opposite || !image) return;
    const paint = this.desk.paint();
    if (image.rectangle(corner, opposite, paint)) this.desk.edited();
    else sayWhyNothing(this.desk, image, paint, (map, mark) => paintRectangle(map, corner, opposite, mark));
  }

  giveUp() {
    this.corner = null;
    this.show();
  }

  hover() {}

  show() {
    const { surface, state } = this.desk;
    surface.showRing(null, 0);
    const [a, b] = [this.corner, this.opposite];
    const outline = a && b ? [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }, a] : [];
    surface.showPolygon([], outline, this.desk.colourOf(state.value));
  }
}
