// The visible canvas: its size, its viewport, one draw per animation frame, the brush ring and the open polygon.

import { h, svg } from './elements.js';
import { focusWhenPressed } from './focus.js';
import { given } from './given.js';
import { Minimap } from './minimap.js';
import { pixelsAround, union } from './rectangle.js';
import { between, centred, centredOn, fitted, pinched, panned, resized, shown, toImage, toScreen, zoomedAt } from './viewport.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./types.js').Point} Point */

const GLIDE_MS = 220;

export class Surface {
  /**
   * @param {import('./layers.js').Layers} layers
   * @param {(hasUncertainty: boolean) => import('./editor_state.js').Opacity} opacity what to draw how strongly,
   *   asked at each frame
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
    /** Image pixels to draw again at the next frame. @type {Rectangle | null} */
    this.dirty = null;
    this.wholeView = true;
    this.frame = 0;
    /** The frame that drew last, by its time. */
    this.drawnAt = 0;
    this.glide = 0;
    /** @type {{point: Point, radius: number} | null} */
    this.ringAt = null;
    this.ringFrame = 0;
    this.afterPaint = () => {};
    this.onViewport = () => {};
    this.canvas = h('canvas', { class: 'picture', 'aria-label': 'Image and label map', role: 'img' });
    this.ring = h('div', { class: 'brush-ring', hidden: true });
    this.line = svg('polyline', { class: 'polygon-line' });
    this.lineShadow = svg('polyline', { class: 'polygon-shadow' });
    this.corners = svg('path', { class: 'polygon-corners' });
    this.cornersRim = svg('path', { class: 'polygon-rim' });
    const parts = [this.lineShadow, this.line, this.cornersRim, this.corners];
    this.outline = svg('svg', { class: 'polygon' }, ...parts);
    this.minimap = new Minimap((x, y) => this.centreOn(x, y));
    // As an application a screen reader leaves the keys to it while it has the focus.
    const role = { role: 'application', 'aria-label': 'Canvas' };
    const attributes = { class: 'surface', tabindex: '-1', ...role };
    this.element = h('div', attributes, this.canvas, this.outline, this.ring, this.minimap.element);
    focusWhenPressed(this.element);
    this.context = given(this.canvas.getContext('2d', { alpha: true }));
    layers.onMore = () => this.redraw();
    this.observer = new ResizeObserver(([entry]) => this.#resize(entry));
    observeDevicePixels(this.observer, this.canvas);
  }

  get image() {
    return this.layers.image;
  }

  /**
   * Make an image ready that may be the next.
   * @param {import('./layers.js').Shown & {uncertainty: import('./label_map.js').UncertaintyMap | null,
   *   picture?: import('./types.js').AnyPicture}} image
   * @param {boolean} isAwaited somebody waits for it
   */
  prepare(image, isAwaited) {
    const sightNow = () => {
      const { width, height } = this.canvas;
      return { viewport: fitted(this.size, image), ratio: this.ratio, width, height };
    };
    return this.layers.prepare(image, sightNow, this.opacity(image.uncertainty !== null), isAwaited);
  }

  /** Show another image, fitted. */
  showImage() {
    this.isFitted = true;
    this.minimap.show(this.layers.picture);
    if (this.image) this.#move(fitted(this.size, this.image), true);
    else this.redraw();
  }

  /** The image is shown in another view of its values. */
  showPicture() {
    this.minimap.show(this.layers.picture);
    this.redraw();
  }

  fit() {
    if (this.image) this.#move(fitted(this.size, this.image), true);
  }

  oneToOne() {
    if (this.image) this.#move(centred(1 / this.ratio, this.size, this.image));
  }

  /** @param {number} factor @param {number} x CSS pixels of the canvas @param {number} y */
  zoomAt(factor, x = this.size.width / 2, y = this.size.height / 2) {
    if (this.image) this.#move(zoomedAt(this.viewport, factor, x, y, this.size, this.image));
  }

  /** @param {number} dx CSS pixels @param {number} dy */
  pan(dx, dy) {
    if (this.image) this.#move(panned(this.viewport, dx, dy, this.size, this.image));
  }

  /**
   * Zoom and pan in one step, as two fingers do.
   * @param {number} factor
   * @param {number} x where the middle of the fingers is now, CSS pixels of the canvas
   * @param {number} y
   * @param {number} dx how far it came, CSS pixels
   * @param {number} dy
   */
  pinch(factor, x, y, dx, dy) {
    if (this.image) this.#move(pinched(this.viewport, factor, x, y, dx, dy, this.size, this.image));
  }

  /** Bring an image point to the middle of the screen. @param {number} x @param {number} y */
  centreOn(x, y) {
    if (this.image) this.#move(centredOn(this.viewport, x, y, this.size, this.image));
  }

  /**
   * Show a rectangle of image pixels with some room around it.
   * @param {import('./rectangle.js').Rectangle} rectangle
   * @param {boolean} animate glide there, unless the person asked for less motion
   */
  zoomToRectangle(rectangle, animate = false) {
    const { image } = this;
    if (!image) return;
    const from = this.viewport;
    const to = shown(rectangle, this.size, image);
    if (!animate || matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.#move(to);
      return;
    }
    const start = performance.now();
    const step = (/** @type {number} */ now) => {
      const share = Math.min(1, Math.max(0, (now - start) / GLIDE_MS));
      this.#move(between(from, to, 1 - (1 - share) ** 3, this.size));
      if (share < 1) this.glide = requestAnimationFrame(step);
    };
    cancelAnimationFrame(this.glide);
    this.glide = requestAnimationFrame(step);
  }

  /** @returns {import('./rectangle.js').Rectangle | null} the image pixels that are on the screen */
  visible() {
    if (!this.image) return null;
    const from = toImage(this.viewport, 0, 0);
    const to = toImage(this.viewport, this.size.width, this.size.height);
    return pixelsAround(from.x, from.y, to.x, to.y, this.image.width, this.image.height);
  }

  /** @param {{clientX: number, clientY: number}} event @returns {Point} its image coordinates */
  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return toImage(this.viewport, event.clientX - box.left, event.clientY - box.top);
  }

  /** @param {number} x @param {number} y @returns {Point} client coordinates of an image point */
  clientOf(x, y) {
    const box = this.canvas.getBoundingClientRect();
    const point = toScreen(this.viewport, x, y);
    return { x: box.left + point.x, y: box.top + point.y };
  }

  /** The pixels of a rectangle changed: colour and draw them at the next frame. @param {Rectangle} rectangle */
  changed(rectangle) {
    this.layers.changed(rectangle);
    this.#redrawIn(rectangle);
  }

  /**
   * Show a region that a click would change, from the next frame on.
   * @param {import('./region_preview.js').Region | null} region null shows none
   * @param {string} colour `#rrggbb`
   */
  showPreview(region, colour) {
    const before = this.layers.preview?.box ?? null;
    if (!before && !region) return;
    this.layers.setPreview(region, colour);
    this.#redrawIn(union(before, this.layers.preview?.box ?? null));
  }

  /** Whether the canvas is drawn in this frame, before or after. @param {number} frame its time */
  drawsAt(frame) {
    return this.frame !== 0 || this.drawnAt === frame;
  }

  /** Draw everything again at the next frame. */
  redraw() {
    this.wholeView = true;
    this.#request();
  }

  /**
   * Show the brush as a ring of its true size, from the next frame on: moved at once, it would have the browser lay
   * out the page for each further move in a frame, which asks where the canvas is.
   * @param {Point | null} point
   * @param {number} radius image pixels
   */
  showRing(point, radius) {
    this.ringAt = point && { point, radius };
    this.ringFrame ||= requestAnimationFrame(() => {
      this.ringFrame = 0;
      this.#placeRing();
    });
  }

  #placeRing() {
    const at = this.image && this.ringAt;
    this.ring.hidden = !at;
    if (!at) return;
    const { x, y } = toScreen(this.viewport, at.point.x, at.point.y);
    const size = Math.max(3, 2 * at.radius * this.viewport.scale);
    this.ring.style.width = this.ring.style.height = `${size}px`;
    this.ring.style.transform = `translate(${x - size / 2}px, ${y - size / 2}px)`;
  }

  /**
   * Show an open polygon.
   * @param {{x: number, y: number}[]} points its corners, in image coordinates
   * @param {{x: number, y: number}[]} next where the line would go on from the last corner
   * @param {string} colour
   * @param {{isOpen?: boolean}} line open: it encloses nothing
   */
  showPolygon(points, next, colour, { isOpen = false } = {}) {
    if (points.length === 0 && next.length < 2 && !this.line.hasAttribute('points')) return;
    const onScreen = (/** @type {Point[]} */ list) => list.map(({ x, y }) => toScreen(this.viewport, x, y));
    const corners = onScreen(points);
    const trail = points.length || next.length > 1 ? [...corners, ...onScreen(next)] : [];
    const path = trail.map(({ x, y }) => `${x},${y}`).join(' ');
    for (const line of [this.line, this.lineShadow]) {
      if (path) line.setAttribute('points', path);
      else line.removeAttribute('points');
    }
    this.line.style.stroke = colour;
    this.line.style.fill = trail.length > 2 && !isOpen ? colour : 'none';
    // A line of no length with round ends is a dot: one element for all corners, however many there are.
    const dots = corners.map(({ x, y }) => `M${x} ${y}h0`).join('');
    for (const mark of [this.corners, this.cornersRim]) mark.setAttribute('d', dots);
    this.corners.style.stroke = colour;
  }

  /** @param {Rectangle | null} rectangle */
  #redrawIn(rectangle) {
    this.dirty = union(this.dirty, rectangle);
    this.#request();
  }

  /** @param {import('./viewport.js').Viewport} viewport @param {boolean} isFitted */
  #move(viewport, isFitted = false) {
    cancelAnimationFrame(this.glide);
    this.viewport = viewport;
    this.isFitted = isFitted;
    this.redraw();
    this.onViewport();
  }

  /** @param {ResizeObserverEntry} entry */
  #resize(entry) {
    const { width, height } = entry.contentRect;
    if (width < 2 || height < 2) return;
    const before = this.size;
    this.size = { width, height };
    const pixels = entry.devicePixelContentBoxSize?.[0];
    this.canvas.width = devicePixels(width, pixels?.inlineSize);
    this.canvas.height = devicePixels(height, pixels?.blockSize);
    this.ratio = this.canvas.width / width;
    if (this.image) this.#move(resized(this.viewport, before, this.size, this.image, this.isFitted), this.isFitted);
    // A canvas that changed its size is empty until it is drawn again; waiting a frame would flash.
    this.#paint();
  }

  #request() {
    this.frame ||= requestAnimationFrame((now) => {
      this.drawnAt = now;
      this.#paint();
    });
  }

  #paint() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const only = this.wholeView ? null : this.dirty;
    this.dirty = null;
    this.wholeView = false;
    const left = this.layers.draw(this.context, this.viewport, this.ratio, this.opacity(this.layers.uncertainty !== null), only);
    if (left) this.#redrawIn(left);
    this.minimap.update(this.viewport, this.size);
    this.counters.paints++;
    this.afterPaint();
  }
}

/**
 * A length in pixels of the screen. With a ratio of 1.5 what the browser gives an element may differ from the
 * rounded product by one; a report further off is of something else, as while a ratio is only emulated.
 * @param {number} length CSS pixels
 * @param {number | undefined} reported
 */
function devicePixels(length, reported) {
  const product = length * window.devicePixelRatio;
  return reported !== undefined && Math.abs(reported - product) <= 1 ? reported : Math.round(product);
}

/**
 * Have an observer hear of an element's size in CSS pixels and, where the browser knows them, in the screen's.
 * @param {ResizeObserver} observer
 * @param {Element} element
 */
function observeDevicePixels(observer, element) {
  try {
    observer.observe(element, { box: 'device-pixel-content-box' });
  } catch {
    observer.observe(element);
  }
}
