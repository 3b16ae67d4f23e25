// The superpixel brush: paints every superpixel that the pointer passes. A stroke that is drawn before the server has
// made the superpixels waits for them.

import { sayWhyNothing } from './nothing_painted.js';
import { paintRegion } from './region.js';

/** @typedef {import('./pointer.js').Tool} Tool */
/** @typedef {import('./types.js').Point} Point */
/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./superpixel_map.js').SuperpixelMap} SuperpixelMap */
/**
 * @typedef {object} Stroke
 * @property {OpenImage} image
 * @property {number} depth how many actions could be undone on the image when it began
 * @property {import('./label_map.js').Paint} paint
 * @property {string} colour
 * @property {SuperpixelMap | null} map null until it is here
 * @property {Point[]} points its way, as far as that is not painted; the last one painted comes first
 * @property {Set<number>} painted superpixels
 * @property {boolean} isComplete the pointer was let go
 */

/** @implements {Tool} */
export class SuperpixelTool {
  /** @param {import('./tool_desk.js').ToolDesk} desk */
  constructor(desk) {
    this.desk = desk;
    /** The stroke under way. @type {Stroke | null} */
    this.stroke = null;
    /** Strokes whose superpixels are not here yet. @type {Stroke[]} */
    this.waiting = [];
    /** Fulfilled once none of them waits. @type {Promise<void>} */
    this.settled = Promise.resolve();
    /** Where the cursor is, while nothing is pressed. @type {Point | null} */
    this.point = null;
    this.under = -1;
  }

  /** @returns {Tool['cursor']} */
  get cursor() {
    return this.desk.image && !this.#map() ? 'progress' : 'crosshair';
  }

  get isWaiting() {
    return this.waiting.length > 0;
  }

  /** @param {Point} point */
  down(point) {
    const { image } = this.desk;
    this.point = null;
    if (!image) return;
    const map = this.#map();
    const [paint, colour] = [this.desk.paint(), this.desk.colourOf(this.desk.state.value)];
    const depth = image.done.length;
    this.stroke = { image, depth, paint, colour, map, points: [point], painted: new Set(), isComplete: false };
    if (map) this.#paint(this.stroke, map);
    else this.settled = this.#await(this.stroke, this.settled);
  }

  /** @param {Point[]} points */
  move(points) {
    const { stroke } = this;
    if (!stroke) return;
    stroke.points.push(...points);
    if (stroke.map) this.#paint(stroke, stroke.map);
  }

  up() {
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    stroke.isComplete = true;
    if (stroke.map) this.#complete(stroke);
  }

  /** A stroke that is complete stays, though it be not painted yet. */
  giveUp() {
    const { stroke } = this;
    this.stroke = null;
    this.point = null;
    if (!stroke) return;
    this.#stopWaiting(stroke);
    if (stroke.map) stroke.image.giveUpStroke();
  }

  /**
   * Undo the newest stroke that waits on an image, unless something was done there since.
   * @param {OpenImage} image
   * @returns {boolean} whether there was one
   */
  dropWaiting(image) {
    const newest = this.#newestOn(image);
    // All that was done on an image that was loaded anew came after it.
    if (!newest || image.done.length > (newest.image === image ? newest.depth : 0)) return false;
    if (this.stroke === newest) this.stroke = null;
    this.#stopWaiting(newest);
    return true;
  }

  /** @param {Point | null} point */
  hover(point) {
    this.point = point;
    this.#preview();
  }

  /** Other superpixels: coarser or finer ones. */
  sizeChanged() {
    this.under = -1;
    this.desk.preview(null);
    this.desk.readAhead();
  }

  show() {
    this.desk.surface.showRing(null, 0);
    this.#showWaiting();
    if (this.point) this.#preview();
  }

  #preview() {
    const map = this.#map();
    const id = map && this.point ? map.at(this.point.x, this.point.y) : -1;
    if (id === this.under) return;
    this.under = id;
    this.desk.preview(map && id >= 0 ? map.regionOf([id]) : null);
  }

  #map() {
    const { image, superpixels, state } = this.desk;
    return image && superpixels.of(image, state.superpixels);
  }

  /**
   * Paint a stroke once its superpixels are here, and after those that were drawn before it.
   * @param {Stroke} stroke
   * @param {Promise<void>} before
   */
  async #await(stroke, before) {
    const { desk } = this;
    const { superpixels, state } = desk;
    if (!this.isWaiting) desk.notice('The superpixels are being made. What you draw is painted when they are here.');
    this.waiting.push(stroke);
    const map = await superpixels.whenHere(stroke.image, state.superpixels);
    await before;
    if (!this.waiting.includes(stroke)) return;
    if (map) this.#paintLate(stroke, map);
    else {
      if (this.stroke === stroke) this.stroke = null;
      desk.notice('The superpixels could not be had, so the stroke is not painted. Draw it again.', 'warning');
    }
    this.#stopWaiting(stroke);
  }

  /** @param {Stroke} stroke @param {SuperpixelMap} map */
  #paintLate(stroke, map) {
    const { desk } = this;
    const { id } = stroke.image;
    // It may have been loaded anew since, and have what the other one has not.
    stroke.image = (desk.image?.id === id ? desk.image : desk.unsavedImage(id)) ?? stroke.image;
    // The stroke of another tool that is under way goes on as an action of its own.
    if (stroke.image.endStroke()) desk.edited(stroke.image);
    stroke.map = map;
    const { done } = stroke.image;
    const before = done.length;
    this.#paint(stroke, map);
    if (stroke.isComplete) this.#complete(stroke);
    // Those that still wait, for superpixels of another size, were drawn after this one.
    for (const one of this.waiting) if (one.image === stroke.image) one.depth += done.length - before;
  }

  /** @param {Stroke} stroke */
  #complete({ image, paint, map, painted }) {
    if (image.endStroke()) this.desk.edited(image);
    else if (map) {
      sayWhyNothing(this.desk, image, paint, (marks, mark) => paintRegion(marks, map.regionOf([...painted]), mark));
    }
  }

  /** @param {Stroke} stroke */
  #stopWaiting(stroke) {
    const before = this.waiting.length;
    this.waiting = this.waiting.filter((one) => one !== stroke);
    if (this.waiting.length < before) this.#showWaiting();
  }

  /** @param {OpenImage | null} image @returns {Stroke | undefined} that waits */
  #newestOn(image) {
    return this.waiting.findLast((stroke) => stroke.image.id === image?.id);
  }

  #showWaiting() {
    const newest = this.#newestOn(this.desk.image);
    this.desk.surface.showPolygon([], newest?.points ?? [], newest?.colour ?? '', { isOpen: true });
  }

  /** @param {Stroke} stroke @param {SuperpixelMap} map */
  #paint({ image, paint, points, painted }, map) {
    const [first, ...rest] = points;
    points.splice(0, points.length - 1);
    const passed = [first, ...rest].flatMap((point, i, all) => [...map.along(all[Math.max(0, i - 1)], point)]);
    const fresh = [...new Set(passed)].filter((id) => !painted.has(id));
    if (fresh.length === 0) return;
    for (const id of fresh) painted.add(id);
    this.under = -1;
    this.desk.preview(null);
    const region = map.regionOf(fresh);
    image.part(region, () => paintRegion(image, region, paint));
  }
}
