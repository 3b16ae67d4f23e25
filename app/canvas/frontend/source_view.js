// How an image of many bits or channels is shown: which channels, between which values, with which gamma. The
// server makes the picture. What is set holds for the next images with the same channels. No DOM.

import { reasonOf } from './wording.js';

const SETTLED_MS = 150;

/**
 * @typedef {{name: string, least: number, most: number, low: number, high: number}} Channel
 * @typedef {{bit_depth: number, shown: number[], channels: Channel[]}} ChannelFigures
 * @typedef {{channel: string, low: number | null, high: number | null, gamma: number}} Wanted `channel` is
 *   empty for the channels shown at first; `low` and `high` are null for the window they came with
 */

/** @type {Wanted} */
export const AS_IMPORTED = { channel: '', low: null, high: null, gamma: 1 };

/**
 * The query of a view; empty for the picture as it was imported.
 * @param {Wanted} wanted
 */
export function queryOf({ channel, low, high, gamma }) {
  const parts = [];
  if (channel !== '') parts.push(`channel=${channel}`);
  if (low !== null) parts.push(`low=${low}`);
  if (high !== null) parts.push(`high=${high}`);
  if (gamma !== 1) parts.push(`gamma=${gamma}`);
  return parts.length ? `?${parts.join('&')}` : '';
}

export class SourceView {
  /**
   * @param {import('./transport.js').Transport} transport
   * @param {object} parts
   * @param {() => import('./types.js').View | null} parts.view
   * @param {() => void} parts.changed the picture of the image on the screen is another one
   * @param {import('./types.js').Notice} parts.notice
   */
  constructor(transport, { view, changed, notice }) {
    this.transport = transport;
    this.view = view;
    this.changed = changed;
    this.notice = notice;
    /** @type {Wanted} */
    this.wanted = AS_IMPORTED;
    /** Names of the channels that `wanted` is about. */
    this.names = '';
    this.timer = 0;
    transport.viewQuery = (item) => this.#queryFor(item);
  }

  /** @param {Partial<Wanted>} wanted */
  set(wanted) {
    const view = this.view();
    if (!view) return;
    this.wanted = { ...this.wanted, ...wanted };
    this.names = namesOf(view.image.item);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), SETTLED_MS);
  }

  /** Bring the picture on the screen to the view that is wanted. */
  async settle() {
    const view = this.view();
    if (!view) return;
    const { item } = view.image;
    const query = this.#queryFor(item);
    if (query === view.query) return;
    try {
      const picture = await this.transport.picture(item, query);
      if (this.view() !== view || this.#queryFor(item) !== query) {
        picture.close();
        return;
      }
      const before = view.picture;
      Object.assign(view, { picture, query });
      this.changed();
      before.close();
    } catch (error) {
      this.notice(`The picture stays as it is: ${reasonOf(error)}`, 'warning');
    }
  }

  /** @param {import('./types.js').Item} item */
  #queryFor(item) {
    return item.source_url && namesOf(item) === this.names ? queryOf(this.wanted) : '';
  }
}

/** @param {import('./types.js').Item} item */
function namesOf(item) {
  return (item.channels ?? []).join('\n');
}
