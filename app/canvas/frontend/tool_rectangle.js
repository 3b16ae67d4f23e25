// The rectangle: from one corner to the opposite one.

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
    if (corner && opposite && image?.rectangle(corner, opposite, this.desk.paint())) this.desk.edited();
    this.show();
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
