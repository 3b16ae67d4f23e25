// What a person rejected of the suggestions. The server does not know of it, so the browser keeps it: for as long as
// the model suggests the same.

import { boxOfValue, cutOut } from './region.js';
import { decode, encode } from './run_length.js';

/** More than a person rejects between two rounds; each round brings new suggestions. */
const MOST = 300;

/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./journal.js').Rejection} Rejection */

export class Rejections {
  /** @param {Pick<import('./journal.js').Journal, 'rejections' | 'putRejection' | 'removeRejection'>} journal */
  constructor(journal) {
    this.journal = journal;
    this.most = MOST;
    this.now = Date.now;
    /** By image, the newest last. @type {Map<number, Rejection>} */
    this.kept = new Map();
  }

  /** Read what earlier visits kept. */
  async read() {
    const entries = await this.journal.rejections();
    for (const entry of entries.reverse()) this.kept.set(entry.imageId, entry);
  }

  /**
   * An image comes on the screen: strike out what was rejected of this very suggestion, as an action that can be
   * undone, and keep what is rejected from now on.
   * @param {OpenImage} image
   */
  open(image) {
    const entry = this.kept.get(image.id);
    if (entry && entry.suggestion === image.item.suggestion_url) image.reject(regionOf(entry, image));
    else if (entry) this.#forget(image.id);
    image.onReject = () => this.#keep(image);
  }

  /** @param {OpenImage} image */
  #keep(image) {
    const { id, rejected, item } = image;
    if (!rejected || !item.suggestion_url) {
      this.#forget(id);
      return;
    }
    const entry = { imageId: id, suggestion: item.suggestion_url, bytes: encode(rejected), at: this.now() };
    this.kept.delete(id);
    this.kept.set(id, entry);
    this.journal.putRejection(entry);
    for (const oldest of [...this.kept.keys()].slice(0, -this.most)) this.#forget(oldest);
  }

  /** @param {number} imageId */
  #forget(imageId) {
    if (this.kept.delete(imageId)) this.journal.removeRejection(imageId);
  }
}

/** @param {Rejection} entry @param {OpenImage} image @returns {import('./region.js').Region | null} */
function regionOf({ bytes }, { width, height }) {
  try {
    const mask = decode(bytes, width * height);
    const box = boxOfValue(mask, width, 1);
    return box && cutOut(mask, width, box);
  } catch {
    return null;
  }
}
