// How many pixels each class has, counted a slice at a time so that painting goes on between. No DOM.

import { AfterRest } from './after_rest.js';
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
    this.rest = new AfterRest(() => this.#count(), AFTER_MS, later);
    /** What to count. @type {Uint8Array} */
    this.pixels = new Uint8Array(0);
    /** Counts beginnings; only the newest one goes on. */
    this.turn = 0;
  }

  /** Count soon, and from the start when it changes before that. @param {{pixels: Uint8Array}} image */
  start({ pixels }) {
    this.turn++;
    this.pixels = pixels;
    this.rest.ask();
  }

  #count() {
    const { pixels, turn } = this;
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
    this.pixels = new Uint8Array(0);
    this.rest.drop();
  }
}
