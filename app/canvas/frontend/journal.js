// Label maps that the server has not acknowledged, in the browser's IndexedDB: they outlive a reload and a
// crash of the tab. One entry per annotator, project and image; the newest wins.

const DATABASE = 'qualm';
const STORE = 'unsaved';

/**
 * @typedef {object} JournalEntry
 * @property {number} imageId
 * @property {object} item the queue's item, so that a submission can be repeated without asking
 * @property {number} revision the server's revision that the label map stands on
 * @property {string | null} submission id of the submission under way, null for a draft
 * @property {Uint8Array} bytes run lengths of the label map
 * @property {number} at milliseconds
 */

export class Journal {
  constructor(annotator, projectId) {
    this.scope = `${annotator}\n${projectId}\n`;
    this.database = openDatabase();
    // Writes keep their order, so that a removal never overtakes the entry it removes.
    this.writes = Promise.resolve();
  }

  /** @param {JournalEntry} entry */
  put(entry) {
    return this.#write((store) => store.put({ ...entry, key: this.scope + entry.imageId, scope: this.scope }));
  }

  remove(imageId) {
    return this.#write((store) => store.delete(this.scope + imageId));
  }

  /** @returns {Promise<JournalEntry[]>} newest first; empty when the browser keeps nothing */
  async entries() {
    const database = await this.database;
    if (!database) return [];
    await this.writes;
    const all = await finished(database.transaction(STORE).objectStore(STORE).getAll());
    return all.filter((entry) => entry.scope === this.scope).sort((a, b) => b.at - a.at);
  }

  #write(change) {
    this.writes = this.writes.then(async () => {
      const database = await this.database;
      if (!database) return;
      try {
        await finished(change(database.transaction(STORE, 'readwrite').objectStore(STORE)));
      } catch (error) {
        // A full disk must not stop the work: the label map still goes to the server.
        console.warn('Qualm could not keep a copy of the label map in this browser.', error);
      }
    });
    return this.writes;
  }
}

/** @returns {Promise<IDBDatabase | null>} null in a browser that offers none, such as some private windows */
function openDatabase() {
  return new Promise((resolve) => {
    if (!globalThis.indexedDB) {
      resolve(null);
      return;
    }
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'key' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
}

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
