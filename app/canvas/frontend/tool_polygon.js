// The polygon: click its corners, drag them, click an edge for one more; along edges of the image with the magnet.

import { paintPolygon } from './label_map.js';
import { valuesUnder, whyNothing } from './nothing_painted.js';
import { distanceToSegment } from './segment.js';
import { brushPoint } from './tool_stroke.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */

/** Screen pixels within which a corner is grabbed, and that a hand trembles while it clicks. */
const MOUSE = { grab: 8, tremble: 3 };
/** A fingertip hides what it points at, and rolls while it taps. */
const FINGER = { grab: 20, tremble: 10 };
const SIMPLER_PX = 1.2;
/** Two presses at one place within so many milliseconds are a double click. */
const DOUBLE_CLICK_MS = 400;

/**
 * The corner within reach of a point, or -1.
 * @param {Point[]} points
 * @param {Point} point
 * @param {number} reach in image pixels
 */
export function cornerAt(points, { x, y }, reach) {
  let best = -1;
  let nearest = reach;
  points.forEach((corner, i) => {
    const distance = Math.hypot(corner.x - x, corner.y - y);
    if (distance <= nearest) [best, nearest] = [i, distance];
  });
  return best;
}

/**
 * The edge within reach of a point: the index of the corner after which a new one belongs, or -1. The closing
 * edge counts too.
 * @param {Point[]} points
 * @param {Point} point
 * @param {number} reach in image pixels
 */
export function edgeAt(points, point, reach) {
  let best = -1;
  let nearest = reach;
  for (let i = 0; points.length > 2 && i < points.length; i++) {
    const distance = distanceToSegment(point, points[i], points[(i + 1) % points.length]);
    if (distance <= nearest) [best, nearest] = [i, distance];
  }
  return best;
}

/** @implements {Tool} */
export class PolygonTool {
  /** @param {import('./tool_desk.js').ToolDesk} desk */
  constructor(desk) {
    this.desk = desk;
    this.cursor = /** @type {const} */ ('crosshair');
    /** @type {Point[]} */
    this.points = [];
    /** How many corners each click added, for the key that removes the last one. @type {number[]} */
    this.added = [];
    this.dragged = -1;
    this.wasMoved = false;
    /** How closely the pointer in use points. */
    this.reach = MOUSE;
    /** Where it was pressed. @type {Point | null} */
    this.pressed = null;
    /** When it was pressed, milliseconds. */
    this.pressedAt = -Infinity;
    /** What the press under way found. @type {{points: Point[], added: number[]} | null} */
    this.before = null;
    /** Where the cursor is. @type {Point | null} */
    this.point = null;
    /** Where the magnet leads from the last corner to the cursor. @type {Point[] | null} */
    this.trail = null;
  }

  get isOpen() {
    return this.points.length > 0;
  }

  /** @param {Point} point @param {PointerEvent} event */
  down(point, event) {
    this.point = point;
    this.reach = event.pointerType === 'touch' ? FINGER : MOUSE;
    const isSecond = event.timeStamp - this.pressedAt < DOUBLE_CLICK_MS && !this.#isMoved(point);
    this.pressed = point;
    this.pressedAt = event.timeStamp;
    this.before = { points: this.points.slice(), added: this.added.slice() };
    const reach = this.reach.grab / this.desk.surface.viewport.scale;
    const corner = cornerAt(this.points, point, reach);
    // The second press of a double click closes the polygon; it is no corner of its own.
    if (isSecond && this.points.length >= 3) {
      this.close();
      return;
    }
    this.wasMoved = false;
    if (corner >= 0 && event.altKey) {
      this.points.splice(corner, 1);
      this.added = this.points.map(() => 1);
      return;
    }
    this.dragged = corner;
    if (corner >= 0) return;
    const edge = edgeAt(this.points.slice(0), point, reach / 2);
    if (edge >= 0 && edge < this.points.length - 1) {
      this.points.splice(edge + 1, 0, point);
      this.added = this.points.map(() => 1);
      this.dragged = edge + 1;
      return;
    }
    this.#add(point);
  }

  /** @param {Point[]} points */
  move(points) {
    const point = points[points.length - 1];
    this.point = point;
    if (!this.wasMoved && !this.#isMoved(point)) return;
    this.wasMoved = true;
    if (this.dragged >= 0) this.points[this.dragged] = point;
  }

  /** @param {PointerEvent | null} event */
  up(event) {
    const { dragged, wasMoved } = this;
    this.dragged = -1;
    if (event && dragged === 0 && !wasMoved && this.points.length >= 3) this.close();
  }

  takeBack() {
    Object.assign(this, this.before);
    this.before = null;
    this.dragged = -1;
    this.show();
  }

  giveUp() {
    this.points = [];
    this.added = [];
    this.before = null;
    this.trail = null;
    this.dragged = -1;
    this.show();
  }

  /** @param {Point | null} point */
  hover(point) {
    this.point = point;
    this.trail = null;
    const last = this.points.at(-1);
    if (point && last && this.desk.state.magnet) this.trail = this.desk.magnet.path(last, point);
  }

  /** @returns {boolean} whether there was a polygon to close */
  close() {
    const { points } = this;
    const { image } = this.desk;
    if (points.length === 0) return false;
    const paint = this.desk.paint();
    const isPainted = image?.polygon(points, paint) ?? false;
    const why = image && !isPainted ? this.#whyNothing(image, paint) : null;
    if (why) this.desk.notice(`${why} The polygon stays open; Escape drops it.`, 'warning');
    else this.giveUp();
    if (isPainted) this.desk.edited();
    return true;
  }

  /** Go on with a polygon that was open before. @param {Point[]} points */
  resume(points) {
    if (points.length === 0) return;
    this.points = points;
    this.added = points.map(() => 1);
    this.show();
  }

  removePoint() {
    // The corner that is being moved may be the one that goes.
    this.dragged = -1;
    this.points.splice(this.points.length - (this.added.pop() ?? 1));
    this.hover(this.point);
    this.show();
  }

  show() {
    const { surface, state } = this.desk;
    surface.showRing(null, 0);
    if (state.tool !== 'polygon') {
      // It waits until the person comes back to it.
      surface.showPolygon([], [], '');
      return;
    }
    const next = this.trail ? this.trail.slice(1) : this.point && this.dragged < 0 ? [this.point] : [];
    surface.showPolygon(this.points, next, this.desk.colourOf(state.value));
  }

  /** @param {import('./open_image.js').OpenImage} image @param {import('./label_map.js').Paint} paint */
  #whyNothing(image, paint) {
    const { points, desk } = this;
    if (points.length < 3) return `Three corners close a polygon, and this one has ${points.length}.`;
    const values = valuesUnder(image, (map, mark) => paintPolygon(map, points, mark));
    if (values.size === 0) return 'Nothing was painted: the middle of no pixel lies inside.';
    return whyNothing(values, paint, desk.state, desk.nameOf);
  }

  /** Whether a point is further from where it was pressed than a hand trembles. @param {Point} point */
  #isMoved(point) {
    const { pressed } = this;
    const way = pressed ? Math.hypot(point.x - pressed.x, point.y - pressed.y) : Infinity;
    return way * this.desk.surface.viewport.scale > this.reach.tremble;
  }

  /** @param {Point} point */
  #add(point) {
    const last = this.points.at(-1);
    const { magnet, state, surface } = this.desk;
    if (!state.magnet) {
      this.points.push(brushPoint(point, 2));
      this.added.push(1);
      return;
    }
    const path = last ? magnet.corners(last, point, SIMPLER_PX / Math.min(1, surface.viewport.scale)) : [];
    const corners = path.length > 1 ? path.slice(1) : [magnet.snapped(point)];
    this.points.push(...corners);
    this.added.push(corners.length);
    this.trail = null;
  }
}
