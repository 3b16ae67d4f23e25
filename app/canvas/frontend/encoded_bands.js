// The run lengths of one image's label map, band by band: after a stroke only the bands it touched are encoded
// again, a few milliseconds at a time. A band is a row of the history's tiles. No DOM.

import { TILE } from './history.js';
import { encode, join } from './run_length.js';

export class EncodedBands {
  /**
   * @param {import('./open_image.js').OpenImage} image
   * @param {() => number} now milliseconds
   */
  constructor(image, now = () => performance.now()) {
    this.image = image;
    this.now = now;
    /** @type {Uint8Array[]} a band that did not change stays the same object */
    this.bands = new Array(Math.ceil(image.height / TILE)).fill(null);
    /** @type {Set<number>} */
    this.stale = new Set(this.bands.keys());
  }

  /**
   * Encode what changed, one band at least.
   * @param {number} milliseconds how long at most; Infinity to be done with it
   * @returns {boolean} whether the bands now show every complete action
   */
  encodeFor(milliseconds) {
    const { changedRows } = this.image.history;
    for (const row of changedRows) this.stale.add(row);
    changedRows.clear();
    const end = this.now() + milliseconds;
    for (const row of this.stale) {
      this.bands[row] = encode(this.image.history.completeRow(row));
      this.image.history.learn(row);
      this.stale.delete(row);
      if (this.now() >= end) break;
    }
    return this.stale.size === 0;
  }

  /** @returns {Uint8Array<ArrayBuffer>} run-length bytes of the whole map */
  joined() {
    return join(this.bands);
  }
}
