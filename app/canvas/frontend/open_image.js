// One image being labelled: its label map, its undo history and what the server knows of it. No DOM.

import { History, TILE } from './history.js';
import {
  NOT_LABELLED,
  acceptAbove,
  acceptAll,
  fillRest,
  hasLabelled,
  paintPolygon,
  paintRectangle,
  paintStroke,
  polygonBounds,
  strokeBounds,
} from './label_map.js';
import { applyChange, paintRegion } from './region.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./label_map.js').Paint} Paint */
/** @typedef {import('./types.js').Point} Point */

export class OpenImage {
  /**
   * @param {object} loaded
   * @param {import('./types.js').Item} loaded.item the queue's item, as the server gave it
   * @param {Uint8Array} loaded.pixels the saved label map
   * @param {number} loaded.revision its revision, 0 when there is none
   * @param {string | null} loaded.status `draft`, `submitted`, `approved` or null
   * @param {string | null} [loaded.request] id of the request that brought the label map to the server
   * @param {Uint8Array | null} loaded.suggestion the model's map, same size
   */
  constructor({ item, pixels, revision, status, request = null, suggestion }) {
    this.item = item;
    this.id = item.image_id;
    this.width = item.width;
    this.height = item.height;
    this.pixels = pixels;
    this.revision = revision;
    this.status = status;
    this.request = request;
    this.history = new History(this);
    /** @type {History[]} whose turn it is to undo, the newest action last */
    this.done = [];
    /** @type {History[]} */
    this.undone = [];
    /** @type {Uint8Array | null} */
    this.suggested = null;
    /** @type {History | null} */
    this.suggestionHistory = null;
    /** The model's map before anything of it was rejected; null while nothing was. @type {Uint8Array | null} */
    this.whole = null;
    this.suggestion = suggestion;
    /** Counts complete changes; what is saved remembers the count it saved. */
    this.edits = 0;
    this.savedEdits = 0;
    /** Counts everything done or taken back, what was rejected of the suggestion too. */
    this.steps = 0;
    /**
     * Called with the changed rectangle after every change, also in the middle of a stroke.
     * @type {(rectangle: Rectangle) => void}
     */
    this.onChange = () => {};
    /** Called after each change of what is rejected of the suggestion. */
    this.onReject = () => {};
  }

  /** The model's map; 254 where it has none or a person rejected it. @returns {Uint8Array | null} */
  get suggestion() {
    return this.suggested;
  }

  set suggestion(suggestion) {
    const before = this.suggestionHistory;
    this.suggested = suggestion;
    this.whole = null;
    this.suggestionHistory = suggestion && new History({ pixels: suggestion, width: this.width, height: this.height });
    // What was rejected of an older suggestion cannot be taken back in a newer one.
    this.done = this.done.filter((history) => history !== before);
    this.undone = this.undone.filter((history) => history !== before);
  }

  /** What is rejected of the suggestion: 1 for each such pixel. @returns {Uint8Array | null} null: nothing is */
  get rejected() {
    const { suggested, whole } = this;
    if (!suggested || !whole) return null;
    const rejected = new Uint8Array(whole.length);
    for (let at = 0; at < whole.length; at++) if (whole[at] !== suggested[at]) rejected[at] = 1;
    return rejected.includes(1) ? rejected : null;
  }

  /** Whether nothing was done on it since it was opened, nor a stroke is under way. */
  get isUntouched() {
    return this.steps === 0 && !this.history.open;
  }

  get hasUnsaved() {
    return this.edits !== this.savedEdits;
  }

  get everything() {
    return { x0: 0, y0: 0, x1: this.width, y1: this.height };
  }

  get canUndo() {
    return this.done.at(-1)?.canUndo ?? false;
  }

  get canRedo() {
    return this.undone.at(-1)?.canRedo ?? false;
  }

  /**
   * Paint a piece of a stroke; `endStroke` completes it.
   * @param {Point} from
   * @param {Point} to
   * @param {number} radius
   * @param {Paint} paint
   */
  stroke(from, to, radius, paint) {
    this.part(strokeBounds(this, from, to, radius), () => paintStroke(this, from, to, radius, paint));
  }

  /**
   * Do one part of an action that `endStroke` completes.
   * @param {Rectangle | null} bounds what `change` may touch
   * @param {() => void} change
   */
  part(bounds, change) {
    if (!bounds) return;
    this.history.begin();
    this.history.remember(bounds);
    change();
    this.onChange(bounds);
  }

  /** @returns {boolean} whether the stroke changed a pixel */
  endStroke() {
    const changed = this.#commit(this.history);
    if (changed) this.edits++;
    return changed;
  }

  /** Take back a stroke under way, as if it had never begun. */
  giveUpStroke() {
    const changed = this.history.rollBack();
    if (changed) this.onChange(changed);
  }

  /** @param {Point[]} points @param {Paint} paint */
  polygon(points, paint) {
    if (points.length < 3) return false;
    return this.#action(polygonBounds(this, points), () => paintPolygon(this, points, paint));
  }

  /** @param {Point} corner @param {Point} opposite @param {Paint} paint */
  rectangle(corner, opposite, paint) {
    return this.#action(polygonBounds(this, [corner, opposite]), () => paintRectangle(this, corner, opposite, paint));
  }

  /** @param {import('./region.js').Region | null} region @param {Paint} paint */
  region(region, paint) {
    return region !== null && this.#action(region, () => paintRegion(this, region, paint));
  }

  /** @param {import('./region.js').Change | null} change @param {Uint8Array} [over] */
  change(change, over) {
    return change !== null && this.#action(change, () => applyChange(this, change, over));
  }

  acceptAll() {
    const { suggestion } = this;
    const isUntouched = this.history.open === null;
    return suggestion !== null && this.#action(this.everything, () => this.#acceptRows(suggestion, isUntouched));
  }

  /** @param {import('./label_map.js').UncertaintyMap} uncertainty @param {number} confidence in [0, 1] */
  acceptAbove(uncertainty, confidence) {
    const { suggestion } = this;
    if (!suggestion) return false;
    return this.#action(this.everything, () => acceptAbove(this, suggestion, uncertainty, confidence));
  }

  /** Strike the suggestion out in a region. @param {import('./region.js').Region | null} region */
  reject(region) {
    const { suggestion, suggestionHistory } = this;
    if (!region || !suggestion || !suggestionHistory) return false;
    this.whole ??= suggestion.slice();
    const map = { pixels: suggestion, width: this.width, height: this.height };
    suggestionHistory.begin();
    suggestionHistory.remember(region);
    paintRegion(map, region, { value: NOT_LABELLED });
    const changed = this.#commit(suggestionHistory);
    if (changed) {
      this.onChange(region);
      this.onReject();
    }
    return changed;
  }

  /** @param {number} value */
  fillRest(value) {
    return this.#action(this.everything, () => fillRest(this, value));
  }

  /**
   * Put another label map in the place of this one, as an action that can be undone.
   * @param {Uint8Array} pixels
   * @param {Uint8Array} [over] for each value 1 when it may be replaced, else 0; without it all may
   */
  replace(pixels, over) {
    return this.#action(this.everything, () => {
      if (!over) this.pixels.set(pixels);
      else for (let at = 0; at < pixels.length; at++) if (over[this.pixels[at]]) this.pixels[at] = pixels[at];
    });
  }

  /**
   * The label map was saved elsewhere, and nothing here stands against it: be as if opened with that.
   * @param {Pick<OpenImage, 'item' | 'pixels' | 'revision' | 'status'>} newest
   */
  renew({ item, pixels, revision, status }) {
    this.pixels.set(pixels);
    // What is undone here would take somebody's work back with it.
    const history = new History(this);
    Object.assign(this, { item, revision, status, history, done: [], undone: [], edits: 0, savedEdits: 0, steps: 0 });
    this.suggestion = this.suggested;
    this.onChange(this.everything);
  }

  undo() {
    return this.#step(this.done, this.undone, (history) => history.undo());
  }

  redo() {
    return this.#step(this.undone, this.done, (history) => history.redo());
  }

  /** @returns {boolean} whether any pixel is labelled */
  get isLabelled() {
    return hasLabelled(this.pixels);
  }

  /** @param {Uint8Array} suggestion @param {boolean} isUntouched whether the action under way changed nothing yet */
  #acceptRows(suggestion, isUntouched) {
    const { width, pixels, history } = this;
    const size = TILE * width;
    for (let row = 0, start = 0; start < pixels.length; row++, start += size) {
      const suggested = suggestion.subarray(start, start + size);
      if (isUntouched && history.foundOnly(row, NOT_LABELLED)) pixels.set(suggested, start);
      else acceptAll(pixels.subarray(start, start + size), suggested);
    }
  }

  /** @param {Rectangle | null} bounds @param {() => void} change */
  #action(bounds, change) {
    if (!bounds) return false;
    this.history.begin();
    this.history.remember(bounds);
    change();
    const changed = this.#commit(this.history);
    if (changed) {
      this.edits++;
      this.onChange(bounds);
    }
    return changed;
  }

  /** @param {History} history */
  #commit(history) {
    const changed = history.commit();
    if (changed) {
      this.done.push(history);
      this.undone = [];
      this.steps++;
    }
    return changed;
  }

  /**
   * @param {History[]} from
   * @param {History[]} to
   * @param {(history: History) => Rectangle | null} step
   * @returns {boolean} whether the label map changed; a rejected suggestion that comes back is no edit of it
   */
  #step(from, to, step) {
    const history = from.pop();
    const rectangle = history ? step(history) : null;
    if (!history || !rectangle) return false;
    to.push(history);
    this.steps++;
    this.onChange(rectangle);
    if (history !== this.history) {
      this.onReject();
      return false;
    }
    this.edits++;
    return true;
  }
}
