// What the pointer does: paint, drag the image, place the points of a polygon. One tool at a time.

import { NOT_LABELLED } from './label_map.js';

export const TOOLS = ['brush', 'eraser', 'polygon', 'accept'];
export const SMALLEST_BRUSH = 1;
export const LARGEST_BRUSH = 400;
const CLOSE_WITHIN_PX = 10;

/** The next larger or smaller brush: fine steps for fine brushes. @returns {number} diameter in image pixels */
export function brushStep(size, direction) {
  const step = Math.max(1, Math.round(size * 0.2));
  return Math.min(LARGEST_BRUSH, Math.max(SMALLEST_BRUSH, size + direction * step));
}

/**
 * Where a stroke goes with this brush: the smallest one snaps to pixel centres, so that it paints exactly
 * the pixel under the cursor.
 */
export function brushPoint(point, size) {
  return size > 1 ? point : { x: Math.floor(point.x) + 0.5, y: Math.floor(point.y) + 0.5 };
}

export class PointerTools {
  /**
   * @param {import('./surface.js').Surface} surface
   * @param {object} state `tool`, `value` (what is painted), `brush` (diameter), read at each event
   * @param {object} parts
   * @param {() => import('./open_image.js').OpenImage | null} parts.image
   * @param {() => string} parts.colour of the class being painted
   * @param {() => void} parts.onEdit an action is complete
   * @param {(point: {x: number, y: number} | null) => void} parts.onHover
   * @param {() => void} parts.onActive
   */
  constructor(surface, state, { image, colour, onEdit, onHover, onActive }) {
    Object.assign(this, { surface, state, image, colour, onEdit, onHover, onActive });
    this.drag = null;
    this.points = [];
    this.hover = null;
    this.spaceHeld = false;
    const { element } = surface;
    element.addEventListener('pointerdown', (event) => this.#down(event));
    element.addEventListener('pointermove', (event) => this.#move(event));
    element.addEventListener('pointerup', (event) => this.#up(event));
    element.addEventListener('pointercancel', (event) => this.#up(event));
    element.addEventListener('pointerleave', () => this.#leave());
    element.addEventListener('dblclick', () => this.closePolygon());
    element.addEventListener('contextmenu', (event) => event.preventDefault());
    element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
  }

  get isDrawingPolygon() {
    return this.points.length > 0;
  }

  get isStroking() {
    return this.drag?.kind === 'stroke';
  }

  /** The tool, the class or the brush changed. */
  changed() {
    if (this.state.tool !== 'polygon') this.points = [];
    this.#showCursor();
  }

  /** The image or the view changed. */
  viewChanged() {
    this.#showCursor();
  }

  /** Give up what is half drawn. */
  cancel() {
    this.points = [];
    this.#showCursor();
  }

  /** Complete a stroke that is under way, so that nothing of it is lost. */
  finish() {
    if (!this.isStroking) return;
    this.drag = null;
    if (this.image()?.endStroke()) this.onEdit();
  }

  removePoint() {
    this.points.pop();
    this.#showCursor();
  }

  /** @returns {boolean} whether there was a polygon to close */
  closePolygon() {
    if (this.points.length === 0) return false;
    const points = this.points;
    this.points = [];
    if (points.length >= 3 && this.image()?.polygon(points, { value: this.state.value })) this.onEdit();
    this.#showCursor();
    return true;
  }

  holdSpace(held) {
    this.spaceHeld = held;
    this.#showCursor();
  }

  #down(event) {
    this.onActive();
    const image = this.image();
    if (!image || this.drag) return;
    const pans = event.button === 1 || (event.button === 0 && this.spaceHeld);
    if (!pans && event.button !== 0) return;
    event.preventDefault();
    this.surface.element.setPointerCapture(event.pointerId);
    if (pans) {
      this.drag = { kind: 'pan', x: event.clientX, y: event.clientY };
      this.#showCursor();
      return;
    }
    const point = this.surface.pointOf(event);
    if (this.state.tool === 'polygon') {
      this.#addPoint(point, event);
      return;
    }
    const paint = this.#paint(image);
    if (!paint) return;
    const start = brushPoint(point, this.state.brush);
    // Shift joins this stroke to the end of the one before by a straight line.
    const from = event.shiftKey && this.lastEnd ? this.lastEnd : start;
    this.drag = { kind: 'stroke', paint, radius: this.state.brush / 2, last: start };
    image.stroke(from, start, this.drag.radius, paint);
  }

  #move(event) {
    this.hover = this.surface.pointOf(event);
    if (this.drag) this.onActive();
    if (this.drag?.kind === 'pan') {
      this.surface.pan(event.clientX - this.drag.x, event.clientY - this.drag.y);
      this.drag.x = event.clientX;
      this.drag.y = event.clientY;
    } else if (this.drag?.kind === 'stroke') {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const piece of events.length ? events : [event]) this.#strokeTo(piece);
    }
    this.#showCursor();
    this.onHover(this.hover);
  }

  #up(event) {
    if (this.surface.element.hasPointerCapture(event.pointerId)) {
      this.surface.element.releasePointerCapture(event.pointerId);
    }
    const { drag } = this;
    if (drag?.kind === 'stroke') {
      this.lastEnd = drag.last;
      this.finish();
    }
    this.drag = null;
    this.#showCursor();
  }

  #leave() {
    if (this.drag) return;
    this.hover = null;
    this.#showCursor();
    this.onHover(null);
  }

  #wheel(event) {
    event.preventDefault();
    if (!this.image()) return;
    this.onActive();
    const box = this.surface.canvas.getBoundingClientRect();
    // Lines and pages are the units of some mice; a pinch on a touchpad comes as Ctrl and small steps.
    const unit = [1, 16, 120][event.deltaMode] ?? 1;
    const factor = Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0015));
    this.surface.zoomAt(Math.min(3, Math.max(1 / 3, factor)), event.clientX - box.left, event.clientY - box.top);
    this.hover = this.surface.pointOf(event);
    this.#showCursor();
  }

  #strokeTo(event) {
    const image = this.image();
    if (!image) return;
    const { drag } = this;
    const point = brushPoint(this.surface.pointOf(event), this.state.brush);
    image.stroke(drag.last, point, drag.radius, drag.paint);
    drag.last = point;
  }

  #addPoint(point, event) {
    const first = this.points[0];
    if (this.points.length >= 3) {
      const start = this.surface.clientOf(first.x, first.y);
      if (Math.hypot(start.x - event.clientX, start.y - event.clientY) <= CLOSE_WITHIN_PX) {
        this.closePolygon();
        return;
      }
    }
    // The second press of a double click closes the polygon; it is not a corner of its own.
    if (event.detail < 2) this.points.push(point);
    this.#showCursor();
  }

  /** @returns {import('./label_map.js').Paint | null} */
  #paint(image) {
    if (this.state.tool === 'eraser') return { value: NOT_LABELLED };
    if (this.state.tool === 'accept') return image.suggestion && { suggestion: image.suggestion };
    return { value: this.state.value };
  }

  #showCursor() {
    const { element } = this.surface;
    const pans = this.spaceHeld || this.drag?.kind === 'pan';
    const paints = this.state.tool !== 'polygon';
    element.dataset.cursor = pans ? (this.drag ? 'grabbing' : 'grab') : paints ? 'brush' : 'crosshair';
    this.surface.showRing(paints && !pans ? this.hover : null, this.state.brush / 2);
    this.surface.showPolygon(this.points, this.hover, this.colour());
  }
}
