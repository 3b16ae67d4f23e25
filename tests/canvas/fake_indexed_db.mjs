// As much of IndexedDB as the journal uses, in memory. Transactions are atomic; requests answer in later turns.

const later = (action) => setImmediate(action);
const order = (a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

globalThis.IDBKeyRange = { bound: (lower, upper) => ({ lower, upper }) };

function matches(key, query) {
  if (query?.lower === undefined) return JSON.stringify(key) === JSON.stringify(query);
  return Array.isArray(key) && key[0] === query.lower[0] && key[1] >= query.lower[1] && key[1] <= query.upper[1];
}

class Transaction {
  constructor(database) {
    this.database = database;
    this.stores = new Map([...database.stores].map(([name, store]) => [name, { ...store, rows: new Map(store.rows) }]));
    this.waiting = 0;
    this.isOver = false;
    this.error = null;
    later(() => this.#finishWhenIdle());
  }

  objectStore(name) {
    const { rows, keyPath } = this.stores.get(name);
    const all = (query) => [...rows.values()].filter(({ key }) => query === undefined || matches(key, query));
    return {
      get: (key) => this.#request(() => rows.get(JSON.stringify(key))?.value),
      getAll: (query) => this.#request(() => all(query).sort((a, b) => order(a.key, b.key)).map(({ value }) => value)),
      put: (value, key = value[keyPath]) =>
        this.#request(() => {
          this.database.puts.push([name, key]);
          if (this.database.isFull) throw Object.assign(new Error('full'), { name: 'QuotaExceededError' });
          rows.set(JSON.stringify(key), { key, value: structuredClone(value) });
        }),
      delete: (query) => this.#request(() => all(query).forEach(({ key }) => rows.delete(JSON.stringify(key)))),
    };
  }

  abort() {
    if (this.isOver) throw new Error('The transaction is over.');
    this.isOver = true;
    later(() => this.onabort?.());
  }

  #request(work) {
    const request = {};
    this.waiting++;
    later(() => {
      this.waiting--;
      if (this.isOver) return;
      try {
        request.result = work();
        request.onsuccess?.();
      } catch (error) {
        this.error = request.error = error;
        request.onerror?.();
        this.abort();
      }
      later(() => this.#finishWhenIdle());
    });
    return request;
  }

  #finishWhenIdle() {
    if (this.isOver || this.waiting > 0) return;
    this.isOver = true;
    this.database.stores = this.stores;
    this.oncomplete?.();
  }
}

/** @returns {{open: () => object, database: object}} `database.puts` lists writes, `database.isFull` refuses them */
export function fakeIndexedDb() {
  const database = {
    version: 0,
    stores: new Map(),
    puts: [],
    isFull: false,
    objectStoreNames: { contains: (name) => database.stores.has(name) },
    createObjectStore: (name, { keyPath = null } = {}) => {
      if (database.stores.has(name)) throw new Error(`There is a store ${name} already.`);
      database.stores.set(name, { keyPath, rows: new Map() });
    },
    transaction: () => new Transaction(database),
    close: () => {},
  };
  const open = (_, version) => {
    const request = { result: database };
    later(() => {
      if (database.version < version) request.onupgradeneeded();
      database.version = version;
      request.onsuccess();
    });
    return request;
  };
  return { open, database };
}
