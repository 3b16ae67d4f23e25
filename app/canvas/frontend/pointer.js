// Mouse, pen, touchpad and fingers: moves and zooms the view, and hands everything else to the tool in use.

const PEN_ERASER = 32;
const WHEEL_OF_A_MOUSE = 40;
const RIGHT_BUTTON = 2;
/** A finger that rests so long asks what can be done at its place. */
export const REST_MS = 500;
/** A finger that rests moves less than this, in CSS pixels. */
const REST_REACH = 8;

/**
 * What a pointer does on the image. Points are in image coordinates; `event` has `shiftKey`, `altKey`,
 * `pressure`, `pointerType`.
 * @typedef {object} Tool
 * @property {'brush' | 'crosshair' | 'progress'} cursor
 * @property {(point: Point, event: PointerEvent) => void} down
 * @property {(points: Point[], event: PointerEvent) => void} move while pressed; the newest point is last
 * @property {(event: PointerEvent | null) => void} up completes what is under way; null when it is interrupted
 * @property {() => void} giveUp takes back what is under way, also what waits for more clicks
 * @property {() => void} [takeBack] takes back what the press under way did, where that is less
 * @property {(point: Point | null, event: PointerEvent | null) => void} hover not pressed; null: not over the image
 * @property {() => void} show brings its drawing on the screen up to date
 * @property {() => void} [sizeChanged] its size, tolerance, reach or scale is another one
 */

/** @typedef {import('./types.js').Point} Point */
/** @typedef {{clientX: number, clientY: number}} Place on the page */

/**
 * What is under way, and what holds it: a pointer with some of its buttons, or the fingers of a pinch. After a finger
 * asked for the menu, nothing more comes of it until it is lifted.
 * @typedef {{pointer: number | null, buttons: number, isTouch: boolean} &
 *   ({kind: 'pan', x: number, y: number} | {kind: 'tool', tool: Tool} | {kind: 'pinch'} | {kind: 'menu'})} Drag
 */

export class Pointer {
  /**
   * @param {import('./surface.js').Surface} surface
   * @param {object} parts
   * @param {() => Tool} parts.tool the tool in use
   * @param {() => Tool} parts.eraser the tool behind a pen's other end
   * @param {() => boolean} parts.isReady there is an image
   * @param {(point: Point | null, isDrawing: boolean) => void} parts.onHover
   * @param {() => void} parts.onActive
   * @param {(place: Place) => void} parts.onMenu asked what can be done at a place
   */
  constructor(surface, { tool, eraser, isReady, onHover, onActive, onMenu }) {
    this.surface = surface;
    this.tool = tool;
    this.eraser = eraser;
    this.isReady = isReady;
    this.onHover = onHover;
    this.onActive = onActive;
    this.onMenu = onMenu;
    /** @type {Drag | null} */
    this.drag = null;
    /** @type {Map<number, Point>} fingers on the surface */
    this.fingers = new Map();
    /** Where the cursor is on the page, null while it is elsewhere. @type {Place | null} */
    this.place = null;
    /** Where it was when it left the image. @type {Place | null} */
    this.placeBefore = null;
    /** Where a finger was put down and rests. @type {Place | null} */
    this.restsAt = null;
    this.resting = 0;
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
    // No click follows a finger: a menu that came under it was not meant.
    element.addEventListener('touchend', (event) => event.cancelable && event.preventDefault());
    element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
  }

  /** Whether a button, a pen or a finger is down on the canvas. */
  get isPressed() {
    return this.drag !== null;
  }

  /** Where the cursor is over the image, also after the image moved under it. @returns {Point | null} */
  get hover() {
    return this.place && this.surface.pointOf(this.place);
  }

  /** Where the cursor is over the image, or was last: a finger is lifted, and the finder may lie over the place. @returns {Point | null} */
  get aim() {
    const place = this.place ?? this.placeBefore;
    return place && this.surface.pointOf(place);
  }

  /** The image lies elsewhere on the screen, or is another one. */
  viewMoved() {
    // Asked for once: after the ring was moved, the browser would lay out the page to answer again.
    const { hover } = this;
    if (!this.drag && !this.spaceHeld) this.tool().hover(hover, null);
    this.showCursor();
    this.onHover(hover, false);
  }

  /** Complete what is under way, so that nothing of it is lost. */
  finish() {
    const { drag } = this;
    this.drag = null;
    this.#stir();
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
    const isTouch = event.pointerType === 'touch';
    if (event.pointerType === 'pen') {
      this.penSeen = true;
      // A hand lay there first; what it began was no stroke.
      if (this.drag?.isTouch) this.#giveUp();
    }
    if (isTouch) this.#touch(event);
    if (!this.isReady() || this.drag) return;
    if (event.button === RIGHT_BUTTON) {
      event.preventDefault();
      this.onMenu(event);
      return;
    }
    const isHand = isTouch && this.penSeen;
    const pans = event.button === 1 || isHand || (event.button === 0 && this.spaceHeld);
    const erases = event.pointerType === 'pen' && (event.buttons & PEN_ERASER) !== 0;
    if (!pans && !erases && event.button !== 0) return;
    event.preventDefault();
    this.surface.element.setPointerCapture(event.pointerId);
    if (isTouch) this.#rest(event);
    const held = { pointer: event.pointerId, buttons: event.buttons, isTouch };
    if (pans) {
      this.drag = { ...held, kind: 'pan', x: event.clientX, y: event.clientY };
      this.showCursor();
      return;
    }
    const tool = erases ? this.eraser() : this.tool();
    this.drag = { ...held, kind: 'tool', tool };
    this.place = { clientX: event.clientX, clientY: event.clientY };
    tool.down(this.surface.pointOf(event), event);
    tool.show();
  }

  /** A finger more. @param {PointerEvent} event */
  #touch(event) {
    if (event.isPrimary) {
      // No finger was on the screen before it: of others the end was not heard, as when the page changed under them.
      this.fingers.clear();
      if (this.drag?.isTouch) this.finish();
    }
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.fingers.size !== 2 || (this.drag && !this.drag.isTouch)) return;
    // What the first one began was no stroke.
    this.#giveUp();
    this.drag = { kind: 'pinch', pointer: null, buttons: 0, isTouch: true };
  }

  /** A finger was put down: perhaps it stays there. @param {Place} event */
  #rest({ clientX, clientY }) {
    const place = { clientX, clientY };
    this.restsAt = place;
    this.resting = setTimeout(() => {
      // What it began was no stroke.
      this.#giveUp();
      this.drag = { kind: 'menu', pointer: null, buttons: 0, isTouch: true };
      this.onMenu(place);
    }, REST_MS);
  }

  /** It does not rest. */
  #stir() {
    clearTimeout(this.resting);
    this.restsAt = null;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { restsAt } = this;
    if (restsAt && Math.hypot(event.clientX - restsAt.clientX, event.clientY - restsAt.clientY) > REST_REACH) this.#stir();
    if (this.fingers.has(event.pointerId)) {
      if (this.drag?.kind === 'pinch') {
        this.#pinch(event);
        return;
      }
      this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    }
    if (this.drag) {
      if (this.drag.pointer !== event.pointerId) return;
      this.onActive();
      // A button may have been let go over another window.
      if (!this.drag.isTouch && !(event.buttons & this.drag.buttons)) {
        this.finish();
        this.showCursor();
      }
    } else if (event.pointerType === 'touch') return;
    this.place = { clientX: event.clientX, clientY: event.clientY };
    const { drag } = this;
    if (drag?.kind === 'pan') {
      this.surface.pan(event.clientX - drag.x, event.clientY - drag.y);
      drag.x = event.clientX;
      drag.y = event.clientY;
      return;
    }
    const { hover } = this;
    if (drag?.kind === 'tool') {
      const pieces = event.getCoalescedEvents?.() ?? [];
      const points = (pieces.length ? pieces : [event]).map((piece) => this.surface.pointOf(piece));
      drag.tool.move(points, event);
      drag.tool.show();
    } else if (!this.spaceHeld) {
      this.tool().hover(hover, event);
      this.tool().show();
    }
    this.onHover(hover, drag !== null);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.fingers.delete(event.pointerId);
    if (this.surface.element.hasPointerCapture(event.pointerId)) {
      this.surface.element.releasePointerCapture(event.pointerId);
    }
    const { drag } = this;
    if (event.pointerType === 'touch') this.#stir();
    // The finger that stays after a pinch was no stroke either: it does nothing until it is lifted.
    if (drag?.kind === 'pinch' || drag?.kind === 'menu' ? this.fingers.size < 2 : drag?.pointer === event.pointerId) {
      this.drag = null;
      if (drag?.kind === 'tool') drag.tool.up(event.type === 'pointercancel' ? null : event);
    }
    if (event.pointerType === 'touch') this.#leave();
    this.showCursor();
  }

  #leave() {
    if (this.drag) return;
    this.placeBefore = this.place ?? this.placeBefore;
    this.place = null;
    this.tool().hover(null, null);
    this.tool().show();
    this.onHover(null, false);
  }

  /** Take back what the pressed pointer did. */
  #giveUp() {
    const { drag } = this;
    this.drag = null;
    this.#stir();
    if (drag?.kind !== 'tool') return;
    if (drag.tool.takeBack) drag.tool.takeBack();
    else drag.tool.giveUp();
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
    this.place = { clientX: event.clientX, clientY: event.clientY };
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
  }
}

/** The middle of the fingers, and how far the first two are apart, in CSS pixels. @param {Point[]} fingers */
function spanOf(fingers) {
  const [a, b] = fingers;
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.hypot(a.x - b.x, a.y - b.y) };
}
