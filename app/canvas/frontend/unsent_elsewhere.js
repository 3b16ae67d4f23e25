// What this person has not sent yet of other projects: only a page that shows one of them sends it. No DOM.

/** The saves of a project that was just left are on their way. */
const FIRST_AFTER_MS = 2000;
const AGAIN_AFTER_MS = 10000;

export class UnsentElsewhere {
  /**
   * @param {Pick<import('./journal.js').Journal, 'elsewhere'>} journal
   * @param {() => void} changed
   */
  constructor(journal, changed) {
    this.journal = journal;
    this.changed = changed;
    /** Of all projects, by their ids. @type {Record<string, string>} */
    this.names = {};
    /** @type {{projectId: number, images: number}[]} */
    this.found = [];
    this.timer = 0;
  }

  /**
   * The project whose work was left there last.
   * @returns {{projectId: number, name: string, images: number} | null} null where nothing is left
   */
  get newest() {
    // A browser may have been at another workspace under this address.
    const known = this.found.find(({ projectId }) => projectId in this.names);
    return known ? { ...known, name: this.names[known.projectId] } : null;
  }

  /** Look from now on. @param {number} after milliseconds */
  start(after = FIRST_AFTER_MS) {
    this.stop();
    const timer = setTimeout(async () => {
      const found = await this.journal.elsewhere();
      if (this.timer !== timer) return;
      const isNews = JSON.stringify(found) !== JSON.stringify(this.found);
      this.found = found;
      if (isNews) this.changed();
      this.start(AGAIN_AFTER_MS);
    }, after);
    this.timer = timer;
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
  }
}
