// How many pixels each class has, counted a slice at a time so that painting goes on between. No DOM.

import { NOT_LABELLED } from './label_map.js';

const AFTER_MS = 120;
/** A few milliseconds' worth. */
const SLICE_PIXELS = 1_500_000;

/** @typedef {{counts: Uint32Array, labelledShare: number}} Shares pixels of each value; share not 254 in [0, 1] */

export class PixelCounter {
  /**
   * @param {(shares: Shares) => void} counted
   * @param {(action: () => void, delay: number) => void} later
   */
  constructor(counted, later = (action, delay) => void setTimeout(action, delay)) {
    this.counted = counted;
    this.later = later;
    /** What to count when nothing has changed for a while. @type {{pixels: Uint8Array} | null} */
    this.waiting = null;
    /** Counts beginnings; only the newest one goes on. */
    this.turn = 0;
  }

  /** Count soon, and from the start when it changes before that. @param {{pixels: Uint8Array}} image */
  start(image) {
    this.turn++;
    const waits = this.waiting !== null;
    this.waiting = image;
    // One timer however often a stroke changes the map.
    if (!waits) this.#wait(this.turn);
  }

  /** @param {number} turn the newest when the waiting began */
  #wait(turn) {
    this.later(() => {
      const image = this.waiting;
      if (!image) return;
      if (turn !== this.turn) {
        this.#wait(this.turn);
        return;
      }
      this.waiting = null;
      this.#count(image.pixels, turn);
    }, AFTER_MS);
  }

  /** @param {Uint8Array} pixels @param {number} turn */
  #count(pixels, turn) {
    const counts = new Uint32Array(256);
    let at = 0;
    const slice = () => {
      if (turn !== this.turn) return;
      for (const end = Math.min(pixels.length, at + SLICE_PIXELS); at < end; at++) counts[pixels[at]]++;
      if (at < pixels.length) this.later(slice, 0);
      else this.counted({ counts, labelledShare: 1 - counts[NOT_LABELLED] / pixels.length });
    };
    slice();
  }

  /** The image is gone. */
  stop() {
    this.turn++;
    this.waiting = null;
  }
}
