// Undo and redo by snapshots of the 64 × 64 tiles an action touched.

import { union } from './rectangle.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {Map<number, Uint8Array>} Action the pixels that each tile had before it */

/** Pixels along a side of a tile. */
export const TILE = 64;
const MOST_BYTES = 512 * 1024 * 1024;

export class History {
  /**
   * @param {import('./label_map.js').LabelMap} map the label map that actions change in place
   * @param {number} mostBytes when the snapshots hold more than this, the oldest actions are forgotten
   */
  constructor(map, mostBytes = MOST_BYTES) {
    this.map = map;
    this.mostBytes = mostBytes;
    this.columns = Math.ceil(map.width / TILE);
    /** @type {Action[]} */
    this.undone = [];
    /** @type {Action[]} */
    this.done = [];
    /** @type {Action | null} */
    this.open = null;
    this.bytes = 0;
    /**
     * Rows of tiles that complete actions changed since somebody last emptied this.
     * @type {Set<number>}
     */
    this.changedRows = new Set();
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  /** Start an action; everything until `commit` is undone together. */
  begin() {
    this.open ??= new Map();
    return this.open;
  }

  /**
   * Remember the pixels of a rectangle before they are changed. Cheap when they already are remembered.
   * @param {Rectangle | null} rectangle
   */
  remember(rectangle) {
    if (!rectangle) return;
    const before = this.begin();
    const lastColumn = Math.floor((rectangle.x1 - 1) / TILE);
    const lastRow = Math.floor((rectangle.y1 - 1) / TILE);
    for (let row = Math.floor(rectangle.y0 / TILE); row <= lastRow; row++) {
      for (let column = Math.floor(rectangle.x0 / TILE); column <= lastColumn; column++) {
        const tile = row * this.columns + column;
        if (!before.has(tile)) before.set(tile, this.#copyOf(tile));
      }
    }
  }

  /** @returns {boolean} whether the action changed a pixel; one that did not leaves no trace */
  commit() {
    const action = this.open;
    this.open = null;
    if (!action) return false;
    for (const [tile, before] of action) {
      if (this.#isUnchanged(tile, before)) action.delete(tile);
    }
    if (action.size === 0) return false;
    for (const dropped of this.undone) this.bytes -= bytesOf(dropped);
    this.undone = [];
    this.#noteRows(action);
    this.done.push(action);
    this.bytes += bytesOf(action);
    while (this.bytes > this.mostBytes && this.done.length > 1) {
      for (const oldest of this.done.splice(0, 1)) this.bytes -= bytesOf(oldest);
    }
    return true;
  }

  /** Take back what was changed since `begin`. @returns {Rectangle | null} where */
  rollBack() {
    const action = this.open;
    this.open = null;
    let changed = null;
    for (const [tile, before] of action ?? []) {
      this.#restore(tile, before);
      changed = union(changed, this.#boxOf(tile));
    }
    return changed;
  }

  /** @returns {Rectangle | null} what changed; null when there is nothing to undo */
  undo() {
    return this.#swap(this.done, this.undone);
  }

  /** @returns {Rectangle | null} */
  redo() {
    return this.#swap(this.undone, this.done);
  }

  /** @param {Action[]} from @param {Action[]} to @returns {Rectangle | null} */
  #swap(from, to) {
    const action = from.pop();
    if (!action) return null;
    this.#noteRows(action);
    let changed = null;
    const swapped = new Map();
    for (const [tile, stored] of action) {
      swapped.set(tile, this.#copyOf(tile));
      this.#restore(tile, stored);
      changed = union(changed, this.#boxOf(tile));
    }
    to.push(swapped);
    return changed;
  }

  /** @param {number} tile @param {Uint8Array} stored */
  #restore(tile, stored) {
    this.#eachRow(this.#boxOf(tile), (start, end, at) => {
      this.map.pixels.set(stored.subarray(at, at + end - start), start);
    });
  }

  /** @param {Action} action */
  #noteRows(action) {
    for (const tile of action.keys()) this.changedRows.add(Math.floor(tile / this.columns));
  }

  /** @param {number} tile */
  #boxOf(tile) {
    const x0 = (tile % this.columns) * TILE;
    const y0 = Math.floor(tile / this.columns) * TILE;
    return { x0, y0, x1: Math.min(x0 + TILE, this.map.width), y1: Math.min(y0 + TILE, this.map.height) };
  }

  /** @param {Rectangle} box @param {(start: number, end: number, at: number) => void} visit `at` in the snapshot */
  #eachRow(box, visit) {
    const width = box.x1 - box.x0;
    for (let y = box.y0; y < box.y1; y++) {
      const start = y * this.map.width + box.x0;
      visit(start, start + width, (y - box.y0) * width);
    }
  }

  /** @param {number} tile */
  #copyOf(tile) {
    const box = this.#boxOf(tile);
    const copy = new Uint8Array((box.x1 - box.x0) * (box.y1 - box.y0));
    this.#eachRow(box, (start, end, at) => copy.set(this.map.pixels.subarray(start, end), at));
    return copy;
  }

  /** @param {number} tile @param {Uint8Array} before */
  #isUnchanged(tile, before) {
    const box = this.#boxOf(tile);
    let unchanged = true;
    this.#eachRow(box, (start, end, at) => {
      for (let i = start; unchanged && i < end; i++) unchanged = this.map.pixels[i] === before[at + i - start];
    });
    return unchanged;
  }
}

/** @param {Action} action */
function bytesOf(action) {
  let bytes = 0;
  for (const pixels of action.values()) bytes += pixels.length;
  return bytes;
}
