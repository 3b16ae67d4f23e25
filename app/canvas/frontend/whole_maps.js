// Whole label maps that come from elsewhere and take the place of the one on the screen, as actions that can be undone.

import { same } from './label_map.js';

const BUT = 'but for pixels that locked classes or “Only unlabelled” kept as they were.';

/** @typedef {import('./types.js').Item} Item */
/** @typedef {{pixels: Uint8Array, what?: string}} WholeMap `what` the person is told that it is */

export class WholeMaps {
  /** @param {import('./session.js').LabelSession} session */
  constructor(session) {
    this.session = session;
    /** Those under way, and whether each gets in. @type {Set<{image: import('./open_image.js').OpenImage | null, isIn: Promise<boolean>}>} */
    this.coming = new Set();
  }

  /**
   * Put in what is known to be true.
   * @param {Uint8Array} [over] for each value 1 when it may be replaced, else 0; without it all may
   * @returns {Promise<boolean>} whether the label map is the true one now, as far as it may be
   */
  async truth(over) {
    const { image, transport } = this.session;
    if (!image?.item.has_truth) return false;
    return this.put(async (item) => ({ pixels: await transport.truth(item) }), over);
  }

  /** Put in the label map of the image before this one in its group. @param {Uint8Array} [over] */
  previous(over) {
    return this.put(async (item) => {
      const { pixels, name } = await this.session.transport.previousLabel(item);
      return { pixels, what: name && `the label map of ${name}` };
    }, over);
  }

  /**
   * @param {(item: Item) => Promise<WholeMap>} load
   * @param {Uint8Array} [over]
   * @returns {Promise<boolean>} whether it is in
   */
  put(load, over) {
    const one = { image: this.session.image, isIn: this.#put(load, over) };
    this.coming.add(one);
    return one.isIn.finally(() => this.coming.delete(one));
  }

  /** @param {(item: Item) => Promise<WholeMap>} load @param {Uint8Array} [over] */
  async #put(load, over) {
    const { session } = this;
    const { image } = session;
    if (!image) return false;
    try {
      const { pixels, what } = await load(image.item);
      if (session.image !== image) return false;
      if (image.replace(pixels, over)) session.edited();
      if (what && same(image.pixels, pixels)) session.screen.notice(`This is ${what}.`);
      else if (what) session.screen.notice(`This is ${what}, ${BUT}`, 'warning');
      return true;
    } catch (error) {
      session.failed(error);
      return false;
    }
  }
}
