// Superpixels of the images at hand: asked of the server once per image and number, and forgotten with the image.

import { reasonOf } from './wording.js';

const KEPT = 8;
const RETRY_MS = 5000;

/** @typedef {import('./superpixel_map.js').SuperpixelMap} SuperpixelMap */
/** @typedef {{map: SuperpixelMap | null, whenHere: Promise<SuperpixelMap | null>}} Entry `map` is null until it is here */

export class SuperpixelShelf {
  /**
   * @param {import('./transport.js').Transport} transport
   * @param {import('./types.js').Notice} notice
   * @param {() => void} arrived superpixels are here
   */
  constructor(transport, notice, arrived) {
    this.transport = transport;
    this.notice = notice;
    this.arrived = arrived;
    /** Milliseconds until those that could not be had are asked for again. */
    this.retryAfter = RETRY_MS;
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
  }

  /**
   * @param {{item: import('./types.js').Item}} image
   * @param {number} count superpixels in the image, about
   * @returns {SuperpixelMap | null} null until they are here; asking again later finds them
   */
  of({ item }, count) {
    return this.#entry(item, count).map;
  }

  /**
   * @param {{item: import('./types.js').Item}} image
   * @param {number} count
   * @returns {Promise<SuperpixelMap | null>} null when they could not be had, which the person was told
   */
  whenHere({ item }, count) {
    return this.#entry(item, count).whenHere;
  }

  /** Ask for those of an image that comes soon. @param {import('./types.js').Item} item @param {number} count */
  prefetch(item, count) {
    this.#entry(item, count);
  }

  /** @param {import('./types.js').Item} item @param {number} count */
  #entry(item, count) {
    const key = `${item.image_id} ${count}`;
    const known = this.entries.get(key);
    if (known) return known;
    /** @type {Entry} */
    const entry = { map: null, whenHere: this.#load(key, item, count) };
    this.entries.set(key, entry);
    for (const oldest of [...this.entries.keys()].slice(0, -KEPT)) this.entries.delete(oldest);
    return entry;
  }

  /** @param {string} key @param {import('./types.js').Item} item @param {number} count */
  async #load(key, item, count) {
    try {
      const map = await this.transport.superpixels(item, count);
      const entry = this.entries.get(key);
      if (entry) entry.map = map;
      this.arrived();
      return map;
    } catch (error) {
      setTimeout(() => this.entries.delete(key), this.retryAfter);
      this.notice(`The superpixels could not be had: ${reasonOf(error)}`, 'warning');
      return null;
    }
  }
}
