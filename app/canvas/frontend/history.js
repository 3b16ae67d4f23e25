// Undo and redo by snapshots of what an action touched: tiles of 64 × 64 pixels, or a whole row of tiles where it
// spans most of the image's width, as such a row is one piece of memory.

import { PackedAction } from './packed_action.js';
import { union } from './rectangle.js';
import { fourOf, isUniform, wordsOf } from './words.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {Uint32Array | Uint8Array} Cells pixels, four to a cell where the image's width allows it */
/**
 * What each tile, and each row by {@link keyOfRow}, held before. A single cell stands for any number of equal ones:
 * whole rows that nobody has labelled yet are neither copied nor kept.
 * @typedef {Map<number, Cells>} Action
 */

/** Pixels along a side of a tile. */
export const TILE = 64;
const MOST_BYTES = 512 * 1024 * 1024;

export class History {
  /**
   * @param {import('./label_map.js').LabelMap} map the label map that actions change in place
   * @param {number} mostBytes when the snapshots hold more than this, those of the oldest actions are kept as run
   *   lengths; where that does not do, the oldest are forgotten
   */
  constructor(map, mostBytes = MOST_BYTES) {
    this.map = map;
    this.mostBytes = mostBytes;
    this.columns = Math.ceil(map.width / TILE);
    const words = map.width % 4 === 0 ? wordsOf(map.pixels) : null;
    /** The map's own pixels, not a copy. @type {Cells} */
    this.cells = words ?? map.pixels;
    this.perCell = words ? 4 : 1;
    /** Cells of a row of pixels. */
    this.stride = map.width / this.perCell;
    /** @type {(Action | PackedAction)[]} */
    this.undone = [];
    /** @type {(Action | PackedAction)[]} */
    this.done = [];
    /** @type {Action | null} */
    this.open = null;
    this.bytes = 0;
    /**
     * Rows of tiles that complete actions changed since somebody last emptied this.
     * @type {Set<number>}
     */
    this.changedRows = new Set();
    /** The one cell that all of a row of tiles equals, for rows of which that is known. @type {Map<number, number>} */
    this.plainRows = new Map();
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
      if (isWide && !this.#hasTileOf(before, row)) before.set(keyOfRow(row), this.#copyOfRow(row));
      else {
        for (let column = firstColumn; column <= lastColumn; column++) {
          const tile = row * this.columns + column;
          if (!before.has(tile)) before.set(tile, this.#copyOf(tile));
        }
      }
      this.plainRows.delete(row);
    }
  }

  /** Look, while nobody waits, whether all of a row of tiles has one value. @param {number} row */
  learn(row) {
    const cells = this.#row(row);
    if (!this.open && isUniform(cells)) this.plainRows.set(row, cells[0]);
  }

  /** @param {number} row of tiles @param {number} value @returns {boolean} whether the action under way found only it */
  foundOnly(row, value) {
    const before = this.open?.get(keyOfRow(row));
    return before?.length === 1 && before[0] === (this.perCell > 1 ? fourOf(value) : value);
  }

  /**
   * The pixels of a row of tiles without the action under way.
   * @param {number} row
   * @returns {Uint8Array} not to be changed
   */
  completeRow(row) {
    const { map, open } = this;
    const pixels = map.pixels.subarray(row * TILE * map.width, (row + 1) * TILE * map.width);
    if (!open) return pixels;
    const complete = pixels.slice();
    const first = row * TILE * this.stride;
    const cells = this.perCell > 1 ? new Uint32Array(complete.buffer) : complete;
    const before = open.get(keyOfRow(row));
    if (before) {
      put(cells, before);
      return complete;
    }
    for (let tile = row * this.columns; tile < (row + 1) * this.columns; tile++) {
      const stored = open.get(tile);
      if (stored) this.#write(cells, this.#placeOf(tile), first, stored);
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
    this.#shrink();
    return true;
  }

  /** Make room, from the actions that are farthest away; the next to undo and to redo stay as they are. */
  #shrink() {
    for (const actions of [this.done, this.undone]) {
      for (let at = 0; this.bytes > this.mostBytes && at < actions.length - 1; at++) {
        const action = actions[at];
        if (action instanceof PackedAction) continue;
        actions[at] = new PackedAction(action);
        this.bytes += bytesOf(actions[at]) - bytesOf(action);
      }
    }
    for (const actions of [this.done, this.undone]) {
      while (this.bytes > this.mostBytes && actions.length > 1) {
        for (const farthest of actions.splice(0, 1)) this.bytes -= bytesOf(farthest);
      }
    }
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

  /** @param {(Action | PackedAction)[]} from @param {(Action | PackedAction)[]} to @returns {Rectangle | null} */
  #swap(from, to) {
    const last = from.pop();
    if (!last) return null;
    const action = last instanceof PackedAction ? last.unpacked() : last;
    this.bytes += bytesOf(action) - bytesOf(last);
    this.#noteRows(action);
    let changed = null;
    for (const [tile, stored] of action) {
      const now = tile < 0 ? this.#copyOfRow(rowOfKey(tile)) : this.#copyOf(tile);
      this.#restore(tile, stored);
      action.set(tile, now);
      this.bytes += now.byteLength - stored.byteLength;
      changed = union(changed, this.#boxOf(tile));
    }
    to.push(action);
    this.#shrink();
    return changed;
  }

  /** @param {Action} action */
  #noteRows(action) {
    for (const key of action.keys()) this.changedRows.add(this.#rowOf(key));
  }

  /** @param {number} tile or the key of a row @returns {number} its row of tiles */
  #rowOf(tile) {
    return tile < 0 ? rowOfKey(tile) : Math.floor(tile / this.columns);
  }

  /** @param {Action} action @param {number} row */
  #hasTileOf(action, row) {
    for (let tile = row * this.columns; tile < (row + 1) * this.columns; tile++) if (action.has(tile)) return true;
    return false;
  }

  /** @param {number} row of tiles @returns {Cells} the map's own */
  #row(row) {
    return this.cells.subarray(row * TILE * this.stride, (row + 1) * TILE * this.stride);
  }

  /** @param {number} row of tiles @returns {Cells} */
  #copyOfRow(row) {
    const cells = this.#row(row);
    return this.plainRows.has(row) || isUniform(cells) ? cells.slice(0, 1) : cells.slice();
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

  /** Where a tile lies among the cells: its first one, how many across and how many rows. @param {number} tile */
  #placeOf(tile) {
    const { x0, y0, x1, y1 } = this.#boxOf(tile);
    return { first: y0 * this.stride + x0 / this.perCell, across: (x1 - x0) / this.perCell, rows: y1 - y0 };
  }

  // Plain loops: a tile's rows are too short for the built-in copies to be worth their call.

  /** @param {number} tile @returns {Cells} */
  #copyOf(tile) {
    const { cells, stride } = this;
    const { first, across, rows } = this.#placeOf(tile);
    const copy = this.perCell > 1 ? new Uint32Array(across * rows) : new Uint8Array(across * rows);
    for (let row = first, to = 0; to < copy.length; row += stride) {
      for (let at = row, end = row + across; at < end; at++, to++) copy[to] = cells[at];
    }
    return copy;
  }

  /** Put stored cells back into the map. @param {number} tile or the key of a row @param {Cells} stored */
  #restore(tile, stored) {
    const row = this.#rowOf(tile);
    if (tile < 0) put(this.#row(row), stored);
    else this.#write(this.cells, this.#placeOf(tile), 0, stored);
    if (tile < 0 && stored.length === 1) this.plainRows.set(row, stored[0]);
    else this.plainRows.delete(row);
  }

  /**
   * Write a tile.
   * @param {Cells} cells whole rows of the image
   * @param {{first: number, across: number, rows: number}} place of the tile
   * @param {number} origin which cell of the image is the first of `cells`
   * @param {Cells} stored
   */
  #write(cells, { first, across, rows }, origin, stored) {
    const end = across * rows;
    for (let row = first - origin, from = 0; from < end; row += this.stride) {
      for (let at = row, last = row + across; at < last; at++, from++) cells[at] = stored[from];
    }
  }

  /** @param {number} tile @param {Cells} before */
  #isUnchanged(tile, before) {
    if (tile < 0) {
      const cells = this.#row(rowOfKey(tile));
      const step = before.length > 1 ? 1 : 0;
      for (let at = 0, from = 0; at < cells.length; at++, from += step) if (cells[at] !== before[from]) return false;
      return true;
    }
    const { cells, stride } = this;
    const { first, across } = this.#placeOf(tile);
    for (let row = first, from = 0; from < before.length; row += stride) {
      for (let at = row, end = row + across; at < end; at++, from++) if (cells[at] !== before[from]) return false;
    }
    return true;
  }
}

/** @param {Cells} cells @param {Cells} stored as many cells, or one for all of them */
function put(cells, stored) {
  if (stored.length === 1) cells.fill(stored[0]);
  else cells.set(stored);
}

/** Rows have keys below those of tiles. @param {number} row */
function keyOfRow(row) {
  return -1 - row;
}

/** @param {number} key */
function rowOfKey(key) {
  return -1 - key;
}

/** @param {Action | PackedAction} action */
function bytesOf(action) {
  if (action instanceof PackedAction) return action.byteLength;
  let bytes = 0;
  for (const cells of action.values()) bytes += cells.byteLength;
  return bytes;
}
