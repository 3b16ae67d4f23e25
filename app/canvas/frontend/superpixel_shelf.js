// Superpixels of the images at hand: asked of the server once per image and number, and forgotten with the image.

import { SuperpixelMap } from './superpixel_map.js';
import { reasonOf } from './wording.js';

const KEPT = 8;
const RETRY_MS = 5000;

export class SuperpixelShelf {
  /**
   * @param {import('./transport.js').Transport} transport
   * @param {import('./types.js').Notice} notice
   */
  constructor(transport, notice) {
    this.transport = transport;
    this.notice = notice;
    /** @type {Map<string, SuperpixelMap | null>} null while the server makes them */
    this.maps = new Map();
  }

  /**
   * @param {{item: import('./types.js').Item}} image
   * @param {number} count superpixels in the image, about
   * @returns {SuperpixelMap | null} null until they are here; asking again later finds them
   */
  of({ item }, count) {
    const key = `${item.image_id} ${count}`;
    const known = this.maps.get(key);
    if (known === undefined) this.#load(key, item, count);
    return known ?? null;
  }

  /** Ask for those of an image that comes soon. @param {import('./types.js').Item} item @param {number} count */
  prefetch(item, count) {
    this.of({ item }, count);
  }

  /** @param {string} key @param {import('./types.js').Item} item @param {number} count */
  async #load(key, item, count) {
    this.maps.set(key, null);
    for (const oldest of [...this.maps.keys()].slice(0, -KEPT)) this.maps.delete(oldest);
    try {
      this.maps.set(key, await this.transport.superpixels(item, count));
    } catch (error) {
      setTimeout(() => this.maps.delete(key), RETRY_MS);
      this.notice(`The superpixels could not be had: ${reasonOf(error)}`, 'warning');
    }
  }
}
