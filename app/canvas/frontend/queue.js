// The images to come: the order the server gave, and the next few loaded ahead. No DOM, no fetch of its own.

const LOAD_AHEAD = 5;
const PREPARE_AHEAD = 2;
/** The server reserves what waits here for two minutes, and is asked again every minute by who is at work. */
const RESERVED_MS = 100000;
const MOST_WAIT_MS = 3000;

/** @typedef {import('./types.js').Item} Item */
/** @typedef {import('./types.js').Loaded} Loaded */
/** @typedef {{item: Item, promise: Promise<Loaded>, loaded: Loaded | null, isPrepared: boolean}} Ahead */

export class ImageQueue {
  /**
   * @param {(item: Item, earlier: Promise<Loaded> | null) => Promise<Loaded>} load brings everything of an item
   *   that the editor needs; `earlier` is what was brought for it before the server changed a part of it, and
   *   belongs to the new load
   * @param {(loaded: Loaded) => void} release lets go of what `load` brought
   * @param {(loaded: Loaded) => void} prepare makes what comes very next ready for the screen
   */
  constructor(load, release = () => {}, prepare = () => {}) {
    this.load = load;
    this.release = release;
    this.prepare = prepare;
    /** @type {Item[]} */
    this.items = [];
    /** When the server was last asked for them, and reserved them, milliseconds. */
    this.reservedAt = -Infinity;
    /**
     * Images that were submitted or skipped here, and when the server said that it knows; an order it made
     * before that may still hold them.
     * @type {Map<number, number | null>}
     */
    this.leaving = new Map();
    /** @type {number | null} */
    this.current = null;
    /**
     * Images that another one took the place of on the screen, and of which the server has not been told so.
     * @type {Set<number>}
     */
    this.displaced = new Set();
    /** @type {Map<number, Ahead>} */
    this.ahead = new Map();
  }

  get length() {
    return this.items.length;
  }

  /**
   * Take the server's newest order. The image on the screen stays where it is.
   * @param {Item[]} items
   * @param {number} askedAt milliseconds, when the server was asked for it
   */
  update(items, askedAt) {
    for (const [id, knownAt] of this.leaving) {
      if (knownAt !== null && knownAt < askedAt) this.leaving.delete(id);
    }
    this.items = items.filter((item) => item.image_id !== this.current && !this.leaving.has(item.image_id));
    this.reservedAt = askedAt;
    this.loadAhead();
  }

  /** Whether somebody else may have got what waits here. @param {number} now milliseconds */
  mayBeTaken(now) {
    return now - this.reservedAt > RESERVED_MS;
  }

  /**
   * Wait for a newer order, but not for long where something is loaded: it is most likely still free.
   * @param {Promise<void>} order
   * @returns {Promise<unknown>}
   */
  waitFor(order) {
    if (this.items.length === 0) return order;
    return Promise.race([order, new Promise((resolve) => setTimeout(resolve, MOST_WAIT_MS))]);
  }

  /**
   * The person is done with an image; it does not come again until the server has heard of that.
   * @param {number} imageId
   */
  leave(imageId) {
    this.leaving.set(imageId, null);
  }

  /** The server has heard that the person is done with an image. @param {number} imageId @param {number} knownAt */
  acknowledge(imageId, knownAt) {
    if (this.leaving.has(imageId)) this.leaving.set(imageId, knownAt);
  }

  /**
   * An image that waits here has a newer label map on the server than the one loaded ahead.
   * @param {number} imageId
   * @param {number} revision
   */
  saved(imageId, revision) {
    const at = this.items.findIndex((item) => item.image_id === imageId);
    if (at < 0 || this.items[at].revision === revision) return;
    this.items[at] = { ...this.items[at], revision };
    this.loadAhead();
  }

  /** Take the first item out of the queue and make it the current one. @returns {Item | null} */
  next() {
    const item = this.items.shift() ?? null;
    this.current = item?.image_id ?? null;
    if (item) this.displaced.delete(item.image_id);
    return item;
  }

  /** Make an image the current one that did not come from the queue. @param {number} imageId */
  hold(imageId) {
    if (this.current !== null) this.displaced.add(this.current);
    this.displaced.delete(imageId);
    this.current = imageId;
    this.leaving.delete(imageId);
    this.items = this.items.filter((item) => item.image_id !== imageId);
  }

  /**
   * Tell the server of the images that were displaced; those that it did not hear of are to be told again.
   * @template Answer
   * @param {(displaced: number[]) => Promise<Answer>} ask
   * @returns {Promise<Answer>}
   */
  async tell(ask) {
    const displaced = [...this.displaced];
    this.displaced.clear();
    try {
      return await ask(displaced);
    } catch (error) {
      for (const imageId of displaced) this.displaced.add(imageId);
      throw error;
    }
  }

  /**
   * What was loaded for an item, or the promise of it. It then belongs to the caller, who calls `loadAhead` when
   * the next one may be asked for.
   * @param {Item} item
   * @returns {Ahead}
   */
  take(item) {
    const entry = this.#entry(item);
    this.ahead.delete(item.image_id);
    return entry;
  }

  /** Load the next few images, as far as that is not done. */
  loadAhead() {
    const wanted = this.items.slice(0, LOAD_AHEAD);
    const ids = new Set(wanted.map((item) => item.image_id));
    for (const id of [...this.ahead.keys()]) if (!ids.has(id)) this.#drop(id);
    for (const item of wanted) this.#entry(item);
    this.#prepareAhead();
  }

  /** What was loaded ahead is out of date, as after a class was archived. */
  loadAnew() {
    for (const id of [...this.ahead.keys()]) this.#drop(id);
    this.loadAhead();
  }

  /** @param {Item} item @returns {Ahead} */
  #entry(item) {
    const known = this.ahead.get(item.image_id);
    if (known && sameSources(known.item, item)) return known;
    /** @type {Ahead} */
    const entry = { item, promise: this.load(item, known?.promise ?? null), loaded: null, isPrepared: false };
    entry.promise.then(
      (loaded) => {
        entry.loaded = loaded;
        this.#prepareAhead();
      },
      () => {
        if (this.ahead.get(item.image_id) === entry) this.ahead.delete(item.image_id);
      },
    );
    this.ahead.set(item.image_id, entry);
    return entry;
  }

  #prepareAhead() {
    for (const item of this.items.slice(0, PREPARE_AHEAD)) {
      const entry = this.ahead.get(item.image_id);
      if (!entry?.loaded || entry.isPrepared) continue;
      entry.isPrepared = true;
      this.prepare(entry.loaded);
    }
  }

  /** @param {number} id */
  #drop(id) {
    const entry = this.ahead.get(id);
    this.ahead.delete(id);
    entry?.promise.then(this.release, () => {});
  }
}

/** Whether what was loaded for one item is still what the other one asks for. @param {Item} one @param {Item} other */
function sameSources(one, other) {
  return (
    one.image_url === other.image_url &&
    one.suggestion_url === other.suggestion_url &&
    one.uncertainty_url === other.uncertainty_url &&
    one.revision === other.revision
  );
}

/**
 * Whether there is an image that nobody has labelled, perhaps with somebody else now.
 * @param {import('./types.js').Progress} progress
 */
export function mayHaveMore({ images, labelled, excluded }) {
  return images - excluded > labelled;
}
