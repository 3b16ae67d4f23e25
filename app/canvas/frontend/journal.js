// Label maps that the server has not acknowledged, in the browser's IndexedDB: they outlive a reload and a
// crash of the tab. One entry per annotator, project, image and tab, in bands of run lengths: what one tab saves takes
// nothing from another. Beside them what was rejected of suggestions, which only the browser knows.

import { OpenPages } from './open_pages.js';

const DATABASE = 'qualm';
const VERSION = 3;
const HEADS = 'unsaved';
const BANDS = 'bands';
const REJECTED = 'rejected';
/** A database that has not opened by then is done without until it does: nobody waits longer for their first image. */
const OPEN_WITHIN_MS = 3000;
/** What the keys of a store are made of. */
const STORES = { [HEADS]: { keyPath: 'key' }, [BANDS]: {}, [REJECTED]: { keyPath: 'key' } };

/**
 * @typedef {object} JournalEntry
 * @property {number} imageId
 * @property {import('./types.js').Item} item the queue's item, so that a submission can be repeated without asking
 * @property {number} revision the server's revision that the label map stands on
 * @property {string} [request] id of the request that is under way or comes next
 * @property {string | null} submission id of the submission under way, null for a draft
 * @property {import('./autosave.js').SaveContext} [context] what goes with the save
 * @property {number} [secondsUnderWay] of the context's, that an unanswered request tells the server of
 * @property {Uint8Array[]} bands run lengths of the label map, one part after the other
 * @property {number} at milliseconds
 */
/**
 * @typedef {object} Rejection
 * @property {number} imageId
 * @property {string} suggestion address of the model's map that it is about
 * @property {Uint8Array} bytes run lengths of a map of the image that is 1 where the suggestion was rejected, else 0
 * @property {number} at milliseconds
 */

export class Journal {
  /**
   * @param {string} annotator
   * @param {number} projectId
   * @param {IDBFactory | undefined} factory
   * @param {OpenPages} pages
   * @param {number} openWithin milliseconds
   */
  constructor(annotator, projectId, factory = globalThis.indexedDB, pages = new OpenPages(), openWithin = OPEN_WITHIN_MS) {
    this.annotator = annotator;
    this.scope = `${annotator}\n${projectId}\n`;
    this.factory = factory;
    this.pages = pages;
    this.openWithin = openWithin;
    /** Called once when what earlier visits left cannot be read. */
    this.onUnreadable = () => {};
    /** @type {Promise<IDBDatabase | null> | null} */
    this.database = null;
    // Two tabs may have the same image open.
    this.writer = `${Date.now()} ${Math.random()}`;
    /** Keys of what pages that are gone left behind, by image. @type {Map<number, string[]>} */
    this.found = new Map();
    /** @type {Map<number, Uint8Array[]>} bands that lie in the database, by image */
    this.kept = new Map();
    // Writes keep their order, so that a removal never overtakes the entry it removes.
    /** @type {Promise<boolean>} */
    this.writes = Promise.resolve(true);
  }

  /**
   * Keep a label map; only bands that are other objects than at the last time are written.
   * @param {JournalEntry} entry
   * @returns {Promise<boolean>} whether the browser keeps it now
   */
  put({ bands, ...head }) {
    const key = this.#keyOf(head.imageId);
    const parts = [...bands];
    return this.#write([HEADS, BANDS], async (transaction) => {
      const heads = transaction.objectStore(HEADS);
      const store = transaction.objectStore(BANDS);
      // The browser may have been told to forget everything meanwhile.
      const before = ((await finished(heads.get(key))) && this.kept.get(head.imageId)) || [];
      this.kept.delete(head.imageId);
      for (const [row, band] of parts.entries()) if (band !== before[row]) store.put(band, [key, row]);
      heads.put({ ...head, key, scope: this.scope, page: this.pages.own });
      return () => this.kept.set(head.imageId, parts);
    });
  }

  /**
   * Forget what this tab wrote of an image, and what it found of it. What other tabs have not saved yet stays.
   * @param {number} imageId
   * @returns {Promise<boolean>} whether it is gone
   */
  remove(imageId) {
    return this.#write([HEADS, BANDS], async (transaction) => {
      for (const key of [this.#keyOf(imageId), ...(this.found.get(imageId) ?? [])]) {
        transaction.objectStore(HEADS).delete(key);
        transaction.objectStore(BANDS).delete(bandsUnder(key));
      }
      return () => {
        this.kept.delete(imageId);
        this.found.delete(imageId);
      };
    });
  }

  /** What was found of an image is of another picture, and stays when this one's is removed. @param {number} imageId */
  setAside(imageId) {
    this.found.delete(imageId);
  }

  /**
   * What pages that are gone left behind, and this one.
   * @returns {Promise<JournalEntry[]>} newest first; empty when the browser keeps nothing, or cannot read it
   */
  entries() {
    return this.#read((database) => this.#entriesIn(database));
  }

  /** @param {IDBDatabase} database @returns {Promise<JournalEntry[]>} */
  async #entriesIn(database) {
    const transaction = database.transaction([HEADS, BANDS]);
    const heads = await finished(transaction.objectStore(HEADS).getAll());
    const own = heads.filter((head) => head.scope === this.scope).sort((a, b) => b.at - a.at);
    const bands = own.map((head) => finished(transaction.objectStore(BANDS).getAll(bandsUnder(head.key))));
    // The first version of the database had the whole map in the head.
    const entries = await Promise.all(own.map(async (head, i) => ({ ...head, bands: head.bytes ? [head.bytes] : await bands[i] })));
    const isOpen = await this.pages.areOpenElsewhere(entries.map(({ page }) => page));
    const left = entries.filter((_, i) => !isOpen[i]);
    for (const { imageId, key } of left) {
      if (key !== this.#keyOf(imageId)) this.found.set(imageId, [...(this.found.get(imageId) ?? []), key]);
    }
    return left;
  }

  /**
   * How many images of other projects pages that are gone left behind of this person's, and this one.
   * @returns {Promise<{projectId: number, images: number}[]>} the project with the newest first
   */
  elsewhere() {
    return this.#read(async (database) => {
      const heads = await finished(database.transaction([HEADS]).objectStore(HEADS).getAll());
      const person = `${this.annotator}\n`;
      const others = heads.filter(({ scope }) => scope.startsWith(person) && scope !== this.scope).sort((a, b) => b.at - a.at);
      const isOpen = await this.pages.areOpenElsewhere(others.map(({ page }) => page));
      /** @type {Map<number, Set<number>>} */
      const images = new Map();
      for (const { scope, imageId } of others.filter((_, i) => !isOpen[i])) {
        const projectId = Number(scope.slice(person.length));
        images.set(projectId, (images.get(projectId) ?? new Set()).add(imageId));
      }
      return [...images].map(([projectId, ids]) => ({ projectId, images: ids.size }));
    });
  }

  /** @param {number} imageId */
  #keyOf(imageId) {
    return `${this.scope}${imageId}\n${this.writer}`;
  }

  /** @param {Rejection} rejection @returns {Promise<boolean>} whether the browser keeps it now */
  putRejection(rejection) {
    return this.#write([REJECTED], async (transaction) => {
      const key = this.scope + rejection.imageId;
      transaction.objectStore(REJECTED).put({ ...rejection, key, scope: this.scope });
      return () => {};
    });
  }

  /** @param {number} imageId @returns {Promise<boolean>} whether it is gone */
  removeRejection(imageId) {
    return this.#write([REJECTED], async (transaction) => {
      transaction.objectStore(REJECTED).delete(this.scope + imageId);
      return () => {};
    });
  }

  /** @returns {Promise<Rejection[]>} newest first; empty when the browser keeps nothing, or cannot read it */
  rejections() {
    return this.#read(async (database) => {
      /** @type {(Rejection & {scope: string})[]} */
      const all = await finished(database.transaction([REJECTED]).objectStore(REJECTED).getAll());
      return all.filter((one) => one.scope === this.scope).sort((a, b) => b.at - a.at);
    });
  }

  /**
   * @template T
   * @param {(database: IDBDatabase) => Promise<T[]>} read
   * @returns {Promise<T[]>}
   */
  async #read(read) {
    await this.writes;
    try {
      const database = await this.#open();
      return database ? await read(database) : [];
    } catch (error) {
      console.warn('Qualm could not read what this browser keeps of your work.', error);
      this.onUnreadable();
      this.onUnreadable = () => {};
      return [];
    }
  }

  /**
   * @param {string[]} stores
   * @param {(transaction: IDBTransaction) => Promise<() => void>} change what it returns is done once it is written
   * @returns {Promise<boolean>}
   */
  #write(stores, change) {
    this.writes = this.writes.then(async () => {
      let transaction = null;
      try {
        const database = await this.#open();
        if (!database) return false;
        transaction = database.transaction(stores, 'readwrite');
        const [afterwards] = await Promise.all([change(transaction), completed(transaction)]);
        afterwards();
        return true;
      } catch (error) {
        // A full disk must not stop the work: the label map still goes to the server.
        console.warn('Qualm could not keep a copy of your work in this browser.', error);
        abort(transaction);
        return false;
      }
    });
    return this.writes;
  }

  /**
   * Once it is late or failed, nobody waits for it: the work goes on without until it is here.
   * @returns {Promise<IDBDatabase | null>} null in a browser that offers none, such as some private windows
   */
  #open() {
    if (this.database) return this.database;
    const { factory } = this;
    if (!factory) return Promise.resolve(null);
    const forget = () => (this.database = null);
    const opening = openDatabase(factory, forget);
    opening.then(() => (this.database = opening), forget);
    this.database = within(opening, this.openWithin);
    return this.database;
  }
}

/**
 * @param {IDBFactory} factory
 * @param {() => void} onClosed the browser or a newer version of this page took the database away
 * @returns {Promise<IDBDatabase>} waits as long as another page holds an older version of it
 */
function openDatabase(factory, onClosed) {
  return new Promise((resolve, reject) => {
    const request = factory.open(DATABASE, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      for (const [name, options] of Object.entries(STORES)) {
        if (!database.objectStoreNames.contains(name)) database.createObjectStore(name, options);
      }
    };
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = onClosed;
      database.onversionchange = () => {
        database.close();
        onClosed();
      };
      resolve(database);
    };
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} milliseconds
 * @returns {Promise<T>} fails when the promise is not kept by then
 */
function within(promise, milliseconds) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('The database of the browser does not open.')), milliseconds);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** @param {string} key */
function bandsUnder(key) {
  return IDBKeyRange.bound([key, 0], [key, Infinity]);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function completed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Half a label map must not stay behind. @param {IDBTransaction | null} transaction */
function abort(transaction) {
  try {
    transaction?.abort();
  } catch {
    // It is over already.
  }
}
