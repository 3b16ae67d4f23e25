// The whole of a large image in a corner while one is zoomed in, with the view as a frame that can be dragged.

import { h } from './elements.js';
import { given } from './given.js';
import { viewIn } from './viewport.js';

const FROM_PIXELS = 4_000_000;
const LONG_SIDE = 160;
/** Hidden while the view shows at least this share of the image both ways. */
const MOST_SHARE = 0.85;

export class Minimap {
  /** @param {(x: number, y: number) => void} centreOn image point that is to come to the middle */
  constructor(centreOn) {
    this.centreOn = centreOn;
    /** @type {import('./types.js').AnyPicture | null} */
    this.picture = null;
    this.scale = 1;
    /** Where the frame is drawn now. */
    this.box = '';
    this.canvas = h('canvas', {});
    this.frame = h('i', {});
    this.element = h('div', { class: 'minimap', hidden: true, 'aria-hidden': 'true', 'data-testid': 'minimap' }, this.canvas, this.frame);
    this.element.addEventListener('pointerdown', (event) => this.#press(event));
    this.element.addEventListener('pointermove', (event) => this.#drag(event));
    // The tools below must not take this for their own.
    for (const kind of ['pointerup', 'pointercancel', 'dblclick']) {
      this.element.addEventListener(kind, (event) => event.stopPropagation());
    }
  }

  /** @param {import('./types.js').AnyPicture | null} picture */
  show(picture) {
    this.picture = picture && picture.width * picture.height > FROM_PIXELS ? picture : null;
    if (!this.picture) return;
    const { width, height, smallest } = this.picture;
    this.scale = LONG_SIDE / Math.max(width, height);
    const ratio = window.devicePixelRatio;
    this.canvas.width = Math.round(width * this.scale * ratio);
    this.canvas.height = Math.round(height * this.scale * ratio);
    this.canvas.style.width = `${width * this.scale}px`;
    const context = given(this.canvas.getContext('2d'));
    context.imageSmoothingQuality = 'medium';
    context.drawImage(smallest, 0, 0, this.canvas.width, this.canvas.height);
  }

  /**
   * Move the frame to where the view is.
   * @param {import('./viewport.js').Viewport} viewport
   * @param {import('./viewport.js').Size} screen
   */
  update(viewport, screen) {
    const { picture, scale, frame } = this;
    const view = picture && viewIn(viewport, screen, picture);
    const isWhole = !view || Math.min((view.x1 - view.x0) / picture.width, (view.y1 - view.y0) / picture.height) >= MOST_SHARE;
    if (this.element.hidden !== isWhole) this.element.hidden = isWhole;
    if (isWhole) return;
    const width = Math.max(5, (view.x1 - view.x0) * scale);
    const height = Math.max(5, (view.y1 - view.y0) * scale);
    const box = `${view.x0 * scale} ${view.y0 * scale} ${width} ${height}`;
    if (box === this.box) return;
    this.box = box;
    frame.style.transform = `translate(${view.x0 * scale}px, ${view.y0 * scale}px)`;
    frame.style.width = `${width}px`;
    frame.style.height = `${height}px`;
  }

  /** @param {PointerEvent} event */
  #press(event) {
    event.preventDefault();
    event.stopPropagation();
    this.element.setPointerCapture(event.pointerId);
    this.#go(event);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    event.stopPropagation();
    if (this.element.hasPointerCapture(event.pointerId)) this.#go(event);
  }

  /** @param {PointerEvent} event */
  #go(event) {
    const box = this.canvas.getBoundingClientRect();
    this.centreOn((event.clientX - box.left) / this.scale, (event.clientY - box.top) / this.scale);
  }
}
