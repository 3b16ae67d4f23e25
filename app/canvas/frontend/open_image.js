// One image being labelled: its label map, its undo history and what the server knows of it. No DOM.

import { History } from './history.js';
import {
  NOT_LABELLED,
  acceptAll,
  fillRest,
  histogram,
  paintPolygon,
  paintStroke,
  polygonBounds,
  strokeBounds,
} from './label_map.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */

export class OpenImage {
  /**
   * @param {object} loaded
   * @param {object} loaded.item the queue's item, as the server gave it
   * @param {Uint8Array} loaded.pixels the saved label map
   * @param {number} loaded.revision its revision, 0 when there is none
   * @param {string | null} loaded.status `draft`, `submitted`, `approved` or null
   * @param {Uint8Array | null} loaded.suggestion the model's map, same size
   */
  constructor({ item, pixels, revision, status, suggestion }) {
    this.item = item;
    this.id = item.image_id;
    this.width = item.width;
    this.height = item.height;
    this.pixels = pixels;
    this.revision = revision;
    this.status = status;
    this.suggestion = suggestion;
    this.history = new History(this);
    /** Counts complete changes; what is saved remembers the count it saved. */
    this.edits = 0;
    this.savedEdits = 0;
    /** Called with the changed rectangle after every change, also in the middle of a stroke. */
    this.onChange = () => {};
  }

  get hasUnsaved() {
    return this.edits !== this.savedEdits;
  }

  get everything() {
    return { x0: 0, y0: 0, x1: this.width, y1: this.height };
  }

  /** Paint a piece of a stroke; `endStroke` completes it. */
  stroke(from, to, radius, paint) {
    this.history.begin();
    this.history.remember(strokeBounds(this, from, to, radius));
    const painted = paintStroke(this, from, to, radius, paint);
    if (painted) this.onChange(painted);
  }

  /** @returns {boolean} whether the stroke changed a pixel */
  endStroke() {
    const changed = this.history.commit();
    if (changed) this.edits++;
    return changed;
  }

  polygon(points, paint) {
    if (points.length < 3) return false;
    return this.#action(polygonBounds(this, points), () => paintPolygon(this, points, paint));
  }

  acceptAll() {
    const { suggestion } = this;
    return suggestion !== null && this.#action(this.everything, () => acceptAll(this, suggestion));
  }

  fillRest(value) {
    return this.#action(this.everything, () => fillRest(this, value));
  }

  /** Put another label map in the place of this one, as an action that can be undone. */
  replace(pixels) {
    return this.#action(this.everything, () => this.pixels.set(pixels));
  }

  undo() {
    return this.#changed(this.history.undo());
  }

  redo() {
    return this.#changed(this.history.redo());
  }

  /** @returns {boolean} whether any pixel is labelled */
  get isLabelled() {
    return this.pixels.some((value) => value !== NOT_LABELLED);
  }

  /** @returns {{counts: Uint32Array, labelledShare: number}} pixels of each value; share not 254 in [0, 1] */
  shares() {
    const counts = histogram(this.pixels);
    return { counts, labelledShare: 1 - counts[NOT_LABELLED] / this.pixels.length };
  }

  #action(bounds, change) {
    this.history.begin();
    this.history.remember(bounds);
    change();
    const changed = this.history.commit();
    if (changed) this.#changed(bounds);
    return changed;
  }

  #changed(rectangle) {
    if (!rectangle) return false;
    this.edits++;
    this.onChange(rectangle);
    return true;
  }
}
