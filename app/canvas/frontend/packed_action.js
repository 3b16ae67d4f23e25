// An action that lies long back, its snapshots as run lengths: label maps are large pieces of few values.

import { decode, encode } from './run_length.js';

/** @typedef {import('./history.js').Action} Action */
/** @typedef {import('./history.js').Cells} Cells */

export class PackedAction {
  /** @param {Action} action */
  constructor(action) {
    this.cells = new Map([...action].map(([key, cells]) => [key, packed(cells)]));
    this.byteLength = [...this.cells.values()].reduce((sum, one) => sum + one.runs.byteLength, 0);
  }

  /** @returns {Action} */
  unpacked() {
    return new Map([...this.cells].map(([key, one]) => [key, unpacked(one)]));
  }
}

/**
 * The bytes of some cells, `runs` without run lengths where those would take more room.
 * @typedef {{runs: Uint8Array, pixels: number, isWords: boolean}} PackedCells
 */

/** @param {Cells} cells @returns {PackedCells} */
function packed(cells) {
  const pixels = new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength);
  const runs = encode(pixels);
  return {
    runs: runs.byteLength < pixels.byteLength ? runs : pixels.slice(),
    pixels: pixels.length,
    isWords: cells instanceof Uint32Array,
  };
}

/** @param {PackedCells} one @returns {Cells} */
function unpacked({ runs, pixels, isWords }) {
  const bytes = runs.byteLength < pixels ? decode(runs, pixels) : runs;
  return isWords ? new Uint32Array(bytes.buffer, bytes.byteOffset, pixels / 4) : bytes;
}
