// The visible canvas: its size, its viewport, one draw per animation frame, the brush ring and the open polygon.

import { h, svg } from './elements.js';
import { union } from './rectangle.js';
import { centred, fitted, panned, resized, toImage, toScreen, zoomedAt } from './viewport.js';

export class Surface {
  /**
   * @param {import('./layers.js').Layers} layers
   * @param {() => object} opacity what to draw how strongly, asked at each frame
   * @param {{paints: number}} counters
   */
  constructor(layers, opacity, counters) {
    this.layers = layers;
    this.opacity = opacity;
    this.counters = counters;
    this.viewport = { scale: 1, x: 0, y: 0 };
    this.size = { width: 1, height: 1 };
    this.ratio = window.devicePixelRatio || 1;
    this.isFitted = true;
    this.dirty = null;
    this.wholeView = true;
    this.frame = 0;
    this.afterPaint = () => {};
    this.onViewport = () => {};
    this.canvas = h('canvas', { class: 'picture', 'aria-label': 'Image and label map', role: 'img' });
    this.ring = h('div', { class: 'brush-ring', hidden: true });
    this.line = svg('polyline', { class: 'polygon-line' });
    this.lineShadow = svg('polyline', { class: 'polygon-shadow' });
    this.points = svg('g', {});
    this.outline = svg('svg', { class: 'polygon' }, this.lineShadow, this.line, this.points);
    this.element = h('div', { class: 'surface', tabindex: '-1' }, this.canvas, this.outline, this.ring);
    this.context = this.canvas.getContext('2d', { alpha: true });
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.element);
  }

  get image() {
    return this.layers.image;
  }

  /** Show another image, fitted. */
  showImage() {
    this.isFitted = true;
    if (this.image) this.#move(fitted(this.size, this.image), true);
    else this.redraw();
  }

  fit() {
    if (this.image) this.#move(fitted(this.size, this.image), true);
  }

  oneToOne() {
    if (this.image) this.#move(centred(1 / this.ratio, this.size, this.image));
  }

  zoomAt(factor, x = this.size.width / 2, y = this.size.height / 2) {
    if (this.image) this.#move(zoomedAt(this.viewport, factor, x, y, this.size, this.image));
  }

  pan(dx, dy) {
    if (this.image) this.#move(panned(this.viewport, dx, dy, this.size, this.image));
  }

  /** @returns {{x: number, y: number}} image coordinates of a pointer event */
  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return toImage(this.viewport, event.clientX - box.left, event.clientY - box.top);
  }

  /** @returns {{x: number, y: number}} client coordinates of an image point */
  clientOf(x, y) {
    const box = this.canvas.getBoundingClientRect();
    const point = toScreen(this.viewport, x, y);
    return { x: box.left + point.x, y: box.top + point.y };
  }

  /** The pixels of a rectangle changed: colour and draw them at the next frame. */
  changed(rectangle) {
    this.dirty = union(this.dirty, rectangle);
    this.#request();
  }

  /** Draw everything again at the next frame. */
  redraw() {
    this.wholeView = true;
    this.#request();
  }

  /** Show the brush as a ring of its true size. */
  showRing(point, radius) {
    const visible = point !== null && this.image !== null;
    this.ring.hidden = !visible;
    if (!visible) return;
    const { x, y } = toScreen(this.viewport, point.x, point.y);
    const size = Math.max(3, 2 * radius * this.viewport.scale);
    this.ring.style.width = this.ring.style.height = `${size}px`;
    this.ring.style.transform = `translate(${x - size / 2}px, ${y - size / 2}px)`;
  }

  /**
   * Show an open polygon.
   * @param {{x: number, y: number}[]} points in image coordinates
   * @param {{x: number, y: number} | null} cursor
   */
  showPolygon(points, cursor, colour) {
    const corners = points.map((point) => toScreen(this.viewport, point.x, point.y));
    const trail = cursor && points.length ? [...corners, toScreen(this.viewport, cursor.x, cursor.y)] : corners;
    const path = trail.map(({ x, y }) => `${x},${y}`).join(' ');
    for (const line of [this.line, this.lineShadow]) line.setAttribute('points', path);
    this.line.style.stroke = colour;
    this.line.style.fill = trail.length > 2 ? colour : 'none';
    this.points.replaceChildren(
      ...corners.map(({ x, y }, i) => svg('circle', { cx: x, cy: y, r: i === 0 ? 5 : 3.5, style: `fill:${colour}` })),
    );
  }

  #move(viewport, isFitted = false) {
    this.viewport = viewport;
    this.isFitted = isFitted;
    this.redraw();
    this.onViewport();
  }

  #resize() {
    const size = { width: this.element.clientWidth, height: this.element.clientHeight };
    if (size.width < 2 || size.height < 2) return;
    const before = this.size;
    this.size = size;
    this.ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(size.width * this.ratio);
    this.canvas.height = Math.round(size.height * this.ratio);
    if (this.image) this.#move(resized(this.viewport, before, size, this.image, this.isFitted), this.isFitted);
    // A canvas that changed its size is empty until it is drawn again; waiting a frame would flash.
    this.#paint();
  }

  #request() {
    this.frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { dirty, wholeView } = this;
    this.dirty = null;
    this.wholeView = false;
    if (dirty && this.image) this.layers.render(dirty);
    this.layers.draw(this.context, this.viewport, this.ratio, this.opacity(), wholeView ? null : dirty);
    this.counters.paints++;
    this.afterPaint();
  }
}
