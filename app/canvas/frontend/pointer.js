// Mouse, pen, touchpad and fingers: moves and zooms the view, and hands everything else to the tool in use.

const PEN_ERASER = 32;
const WHEEL_OF_A_MOUSE = 40;

/**
 * What a pointer does on the image. Points are in image coordinates; `event` has `shiftKey`, `altKey`,
 * `pressure`, `pointerType`.
 * @typedef {object} Tool
 * @property {'brush' | 'crosshair' | 'progress'} cursor
 * @property {(point: Point, event: PointerEvent) => void} down
 * @property {(points: Point[], event: PointerEvent) => void} move while pressed; the newest point is last
 * @property {(event: PointerEvent | null) => void} up completes what is under way; null when it is interrupted
 * @property {() => void} giveUp takes back what is under way, also what waits for more clicks
 * @property {(point: Point | null, event: PointerEvent | null) => void} hover not pressed; null: not over the image
 * @property {() => void} show brings its drawing on the screen up to date
 * @property {() => void} [sizeChanged] its size, tolerance, reach or scale is another one
 */

/** @typedef {import('./types.js').Point} Point */

export class Pointer {
  /**
   * @param {import('./surface.js').Surface} surface
   * @param {object} parts
   * @param {() => Tool} parts.tool the tool in use
   * @param {() => Tool} parts.eraser the tool behind a pen's other end
   * @param {() => boolean} parts.isReady there is an image
   * @param {(point: Point | null) => void} parts.onHover
   * @param {() => void} parts.onActive
   */
  constructor(surface, { tool, eraser, isReady, onHover, onActive }) {
    this.surface = surface;
    this.tool = tool;
    this.eraser = eraser;
    this.isReady = isReady;
    this.onHover = onHover;
    this.onActive = onActive;
    /** @type {{kind: 'pan', x: number, y: number} | {kind: 'tool', tool: Tool} | {kind: 'pinch'} | null} */
    this.drag = null;
    /** @type {Map<number, Point>} fingers on the surface */
    this.fingers = new Map();
    /** Where it is over the image. @type {Point | null} */
    this.hover = null;
    this.spaceHeld = false;
    /** Once a pen was used, a finger is a hand that rests or moves the image. */
    this.penSeen = false;
    const { element } = surface;
    element.addEventListener('pointerdown', (event) => this.#down(event));
    element.addEventListener('pointermove', (event) => this.#move(event));
    element.addEventListener('pointerup', (event) => this.#up(event));
    element.addEventListener('pointercancel', (event) => this.#up(event));
    element.addEventListener('pointerleave', () => this.#leave());
    element.addEventListener('contextmenu', (event) => event.preventDefault());
    element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
  }

  /** Complete what is under way, so that nothing of it is lost. */
  finish() {
    const { drag } = this;
    this.drag = null;
    if (drag?.kind === 'tool') drag.tool.up(null);
  }

  /** @param {boolean} held */
  holdSpace(held) {
    this.spaceHeld = held;
    this.showCursor();
  }

  showCursor() {
    const pans = this.spaceHeld || this.drag?.kind === 'pan';
    const { cursor } = this.tool();
    this.surface.element.dataset.cursor = pans ? (this.drag ? 'grabbing' : 'grab') : cursor;
    if (pans) this.tool().hover(null, null);
    this.tool().show();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.onActive();
    if (event.pointerType === 'pen') this.penSeen = true;
    if (event.pointerType === 'touch') {
      this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (this.fingers.size === 2) this.#beginPinch();
    }
    if (!this.isReady() || this.drag) return;
    const isHand = event.pointerType === 'touch' && this.penSeen;
    const pans = event.button === 1 || isHand || (event.button === 0 && this.spaceHeld);
    const erases = event.pointerType === 'pen' && (event.buttons & PEN_ERASER) !== 0;
    if (!pans && !erases && event.button !== 0) return;
    event.preventDefault();
    this.surface.element.setPointerCapture(event.pointerId);
    if (pans) {
      this.drag = { kind: 'pan', x: event.clientX, y: event.clientY };
      this.showCursor();
      return;
    }
    const tool = erases ? this.eraser() : this.tool();
    this.drag = { kind: 'tool', tool };
    this.hover = this.surface.pointOf(event);
    tool.down(this.hover, event);
    tool.show();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (this.fingers.has(event.pointerId)) {
      if (this.drag?.kind === 'pinch') {
        this.#pinch(event);
        return;
      }
      this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    }
    this.hover = this.surface.pointOf(event);
    const { drag } = this;
    if (drag) this.onActive();
    if (drag?.kind === 'pan') {
      this.surface.pan(event.clientX - drag.x, event.clientY - drag.y);
      drag.x = event.clientX;
      drag.y = event.clientY;
    } else if (drag?.kind === 'tool') {
      const pieces = event.getCoalescedEvents?.() ?? [];
      const points = (pieces.length ? pieces : [event]).map((piece) => this.surface.pointOf(piece));
      drag.tool.move(points, event);
      drag.tool.show();
    } else if (!this.spaceHeld) {
      this.tool().hover(this.hover, event);
      this.tool().show();
    }
    this.onHover(this.hover);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.fingers.delete(event.pointerId);
    if (this.surface.element.hasPointerCapture(event.pointerId)) {
      this.surface.element.releasePointerCapture(event.pointerId);
    }
    const { drag } = this;
    if (drag?.kind === 'pinch' && this.fingers.size > 0) return;
    this.drag = null;
    if (drag?.kind === 'tool') drag.tool.up(event.type === 'pointercancel' ? null : event);
    if (event.pointerType === 'touch') this.#leave();
    this.showCursor();
  }

  #leave() {
    if (this.drag) return;
    this.hover = null;
    this.tool().hover(null, null);
    this.tool().show();
    this.onHover(null);
  }

  /** A second finger: what the first one began was no stroke. */
  #beginPinch() {
    if (this.drag?.kind === 'tool') this.drag.tool.giveUp();
    this.drag = { kind: 'pinch' };
  }

  /** @param {PointerEvent} event */
  #pinch(event) {
    const box = this.surface.canvas.getBoundingClientRect();
    const before = spanOf([...this.fingers.values()]);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = spanOf([...this.fingers.values()]);
    const factor = before.length > 0 ? after.length / before.length : 1;
    this.surface.pinch(factor, after.x - box.left, after.y - box.top, after.x - before.x, after.y - before.y);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    if (!this.isReady()) return;
    this.onActive();
    // Two fingers on a touchpad send small steps in both directions; a pinch comes as Ctrl.
    const isTouchpad = event.deltaMode === 0 && (event.deltaX !== 0 || Math.abs(event.deltaY) < WHEEL_OF_A_MOUSE);
    if (!event.ctrlKey && (isTouchpad || event.shiftKey)) {
      const sideways = event.shiftKey && event.deltaX === 0;
      this.surface.pan(sideways ? -event.deltaY : -event.deltaX, sideways ? 0 : -event.deltaY);
    } else {
      const box = this.surface.canvas.getBoundingClientRect();
      // Lines and pages are the units of some mice.
      const unit = [1, 16, 120][event.deltaMode] ?? 1;
      const factor = Math.exp(-event.deltaY * unit * (event.ctrlKey && isTouchpad ? 0.01 : 0.0015));
      const within = Math.min(3, Math.max(1 / 3, factor));
      this.surface.zoomAt(within, event.clientX - box.left, event.clientY - box.top);
    }
    this.hover = this.surface.pointOf(event);
    if (!this.drag) this.tool().hover(this.hover, null);
    this.tool().show();
  }
}

/** The middle of the fingers, and how far the first two are apart, in CSS pixels. @param {Point[]} fingers */
function spanOf(fingers) {
  const [a, b] = fingers;
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.hypot(a.x - b.x, a.y - b.y) };
}
