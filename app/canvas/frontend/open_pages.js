// Which pages of this browser are still open. Each holds a lock by its name, which the browser takes back when the page
// goes away, however it goes.

/** A page that is being left may hold its lock a little longer than the next one takes to ask. */
const PATIENCE_MS = 500;

/** The name of this page, the same for all that is opened in it. */
const OWN = `${Date.now()} ${Math.random()}`;
/** Names whose locks are held here. @type {Set<string>} */
const held = new Set();

export class OpenPages {
  /**
   * @param {LockManager | undefined} locks browsers have them on https and on this machine only; without them every
   *   other page is taken for gone
   * @param {string} own
   */
  constructor(locks = globalThis.navigator?.locks, own = OWN) {
    this.locks = locks;
    this.own = own;
    if (held.has(own)) return;
    held.add(own);
    this.locks?.request(lockOf(own), () => new Promise(() => {})).catch(() => {});
  }

  /**
   * @param {(string | undefined)[]} pages names as {@link OpenPages.own}; undefined for a page that had none
   * @returns {Promise<boolean[]>} for each whether it is another page, and open
   */
  async areOpenElsewhere(pages) {
    const others = [...new Set(pages)].filter((page) => page && page !== this.own);
    const open = await Promise.all(others.map((page) => this.#isHeld(/** @type {string} */ (page))));
    return pages.map((page) => open[others.indexOf(page)] ?? false);
  }

  /** @param {string} page */
  async #isHeld(page) {
    if (!this.locks) return false;
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), PATIENCE_MS);
    try {
      return await this.locks.request(lockOf(page), { signal: waiting.signal }, () => false);
    } catch {
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @param {string} page */
function lockOf(page) {
  return `qualm page ${page}`;
}
