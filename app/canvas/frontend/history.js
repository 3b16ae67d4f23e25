// Undo and redo by snapshots of what an action touched: tiles of 64 × 64 pixels, or a whole row of tiles where it
// spans most of the image's width, as such a row is one piece of memory.

import { union } from './rectangle.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {Map<number, Uint8Array>} Action the pixels that each tile, and each row by {@link keyOfRow}, had before */

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
    const firstColumn = Math.floor(rectangle.x0 / TILE);
    const lastColumn = Math.floor((rectangle.x1 - 1) / TILE);
    const lastRow = Math.floor((rectangle.y1 - 1) / TILE);
    const isWide = 2 * (lastColumn - firstColumn) >= this.columns;
    for (let row = Math.floor(rectangle.y0 / TILE); row <= lastRow; row++) {
      if (before.has(keyOfRow(row))) continue;
      if (isWide && !this.#hasTileOf(before, row)) {
        before.set(keyOfRow(row), this.#row(row).slice());
        continue;
      }
      for (let column = firstColumn; column <= lastColumn; column++) {
        const tile = row * this.columns + column;
        if (!before.has(tile)) before.set(tile, this.#copyOf(tile));
      }
    }
  }

  /**
   * The pixels of a row of tiles without the action under way.
   * @param {number} row
   * @returns {Uint8Array} not to be changed
   */
  completeRow(row) {
    if (!this.open) return this.#row(row);
    const before = this.open.get(keyOfRow(row));
    if (before) return before;
    const complete = this.#row(row).slice();
    const { width } = this.map;
    for (let column = 0; column < this.columns; column++) {
      const tile = this.open.get(row * this.columns + column);
      if (!tile) continue;
      const x0 = column * TILE;
      const tileWidth = Math.min(TILE, width - x0);
      for (let at = 0, to = x0; at < tile.length; at += tileWidth, to += width) {
        complete.set(tile.subarray(at, at + tileWidth), to);
      }
    }
    return complete;
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
      this.#exchange(tile, before);
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
    for (const [tile, stored] of action) {
      this.#exchange(tile, stored);
      changed = union(changed, this.#boxOf(tile));
    }
    to.push(action);
    return changed;
  }

  /** @param {Action} action */
  #noteRows(action) {
    for (const key of action.keys()) this.changedRows.add(key < 0 ? rowOfKey(key) : Math.floor(key / this.columns));
  }

  /** @param {Action} action @param {number} row */
  #hasTileOf(action, row) {
    for (let tile = row * this.columns; tile < (row + 1) * this.columns; tile++) if (action.has(tile)) return true;
    return false;
  }

  /** @param {number} row of tiles */
  #row(row) {
    const { pixels, width } = this.map;
    return pixels.subarray(row * TILE * width, (row + 1) * TILE * width);
  }

  /** @param {number} tile or the key of a row */
  #boxOf(tile) {
    if (tile < 0) {
      const y0 = rowOfKey(tile) * TILE;
      return { x0: 0, y0, x1: this.map.width, y1: Math.min(y0 + TILE, this.map.height) };
    }
    const x0 = (tile % this.columns) * TILE;
    const y0 = Math.floor(tile / this.columns) * TILE;
    return { x0, y0, x1: Math.min(x0 + TILE, this.map.width), y1: Math.min(y0 + TILE, this.map.height) };
  }

  // Plain loops: a tile's rows are too short for the built-in copies to be worth their call.

  /** @param {number} tile */
  #copyOf(tile) {
    const { x0, y0, x1, y1 } = this.#boxOf(tile);
    const { pixels, width } = this.map;
    const copy = new Uint8Array((x1 - x0) * (y1 - y0));
    for (let y = y0, to = 0; y < y1; y++) {
      for (let at = y * width + x0, end = y * width + x1; at < end; at++, to++) copy[to] = pixels[at];
    }
    return copy;
  }

  /**
   * Put a tile's stored pixels into the map, and the map's into the store.
   * @param {number} tile or the key of a row
   * @param {Uint8Array} stored
   */
  #exchange(tile, stored) {
    if (tile < 0) {
      const row = this.#row(rowOfKey(tile));
      const now = row.slice();
      row.set(stored);
      stored.set(now);
      return;
    }
    const { x0, y0, x1, y1 } = this.#boxOf(tile);
    const { pixels, width } = this.map;
    for (let y = y0, to = 0; y < y1; y++) {
      for (let at = y * width + x0, end = y * width + x1; at < end; at++, to++) {
        const value = pixels[at];
        pixels[at] = stored[to];
        stored[to] = value;
      }
    }
  }

  /** @param {number} tile @param {Uint8Array} before */
  #isUnchanged(tile, before) {
    const { x0, y0, x1, y1 } = this.#boxOf(tile);
    const { pixels, width } = this.map;
    for (let y = y0, to = 0; y < y1; y++) {
      for (let at = y * width + x0, end = y * width + x1; at < end; at++, to++) {
        if (pixels[at] !== before[to]) return false;
      }
    }
    return true;
  }
}

/** Rows have keys below those of tiles. @param {number} row */
function keyOfRow(row) {
  return -1 - row;
}

/** @param {number} key */
function rowOfKey(key) {
  return -1 - key;
}

/** @param {Action} action */
function bytesOf(action) {
  let bytes = 0;
  for (const pixels of action.values()) bytes += pixels.length;
  return bytes;
}
