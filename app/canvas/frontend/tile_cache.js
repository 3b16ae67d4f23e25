// Tiles by key, the least recently used given up first when they hold too many bytes. No DOM.

/**
 * @template T
 */
export class TileCache {
  /**
   * @param {number} mostBytes
   * @param {(tile: T) => void} release called for every tile that is given up
   */
  constructor(mostBytes, release) {
    this.mostBytes = mostBytes;
    this.release = release;
    this.bytes = 0;
    /** @type {Map<string, {tile: T, bytes: number}>} oldest use first */
    this.entries = new Map();
  }

  /** @returns {T | null} and makes it the most recently used */
  get(key) {
    const entry = this.entries.get(key);
    if (!entry) return null;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.tile;
  }

  /**
   * Keep a tile. What is over the limit goes at the next {@link trim}, so that one view may need more.
   * @param {string} key
   * @param {T} tile
   * @param {number} bytes
   */
  put(key, tile, bytes) {
    this.delete(key);
    this.entries.set(key, { tile, bytes });
    this.bytes += bytes;
  }

  /**
   * Give up the oldest tiles over the limit.
   * @param {number} kept how many of the most recently used stay in any case
   */
  trim(kept = 0) {
    for (const key of this.entries.keys()) {
      if (this.bytes <= this.mostBytes || this.entries.size <= kept) return;
      this.delete(key);
    }
  }

  delete(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.bytes -= entry.bytes;
    this.release(entry.tile);
  }

  clear() {
    for (const key of [...this.entries.keys()]) this.delete(key);
  }

  /** @returns {T[]} */
  all() {
    return [...this.entries.values()].map((entry) => entry.tile);
  }
}
