import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Journal } from '../../app/canvas/frontend/journal.js';
import { OpenPages } from '../../app/canvas/frontend/open_pages.js';
import { fakeIndexedDb } from './fake_indexed_db.mjs';
import { fakeLocks } from './fake_locks.mjs';

const band = (value) => Uint8Array.of(1, 0, 0, 0, value, 9);
const entry = (imageId, bands, more = {}) => ({
  imageId,
  item: { image_id: imageId },
  revision: 3,
  submission: null,
  at: 1,
  bands,
  ...more,
});

console.warn = () => {};

test('an entry comes back as it was put, newest first', async () => {
  const store = fakeIndexedDb();
  const journal = new Journal('Ada', 1, store);
  assert.equal(await journal.put(entry(1, [band(1), band(2)])), true);
  assert.equal(await journal.put(entry(2, [band(3)], { at: 2, submission: 'id' })), true);
  const found = await new Journal('Ada', 1, store).entries();
  assert.deepEqual(
    found.map(({ imageId, revision, submission, bands }) => [imageId, revision, submission, bands]),
    [
      [2, 3, 'id', [band(3)]],
      [1, 3, null, [band(1), band(2)]],
    ],
  );
});

test('only bands that changed are written', async () => {
  const store = fakeIndexedDb();
  const journal = new Journal('Ada', 1, store);
  const bands = [band(1), band(2), band(3)];
  await journal.put(entry(1, bands));
  store.database.puts.length = 0;
  bands[1] = band(7);
  await journal.put(entry(1, bands));
  assert.deepEqual(
    store.database.puts.map(([name, key]) => [name, key[1]]).filter(([name]) => name === 'bands'),
    [['bands', 1]],
  );
  assert.deepEqual((await journal.entries())[0].bands, [band(1), band(7), band(3)]);
});

test('a later change of the array does not reach a put under way', async () => {
  const journal = new Journal('Ada', 1, fakeIndexedDb());
  const bands = [band(1)];
  const first = journal.put(entry(1, bands));
  bands[0] = band(2);
  await first;
  assert.deepEqual((await journal.entries())[0].bands, [band(1)]);
});

/** The journals of two tabs of one browser, and what closes a tab. */
function tabs() {
  const store = fakeIndexedDb();
  const locks = fakeLocks();
  const name = () => `tab ${Math.random()}`;
  const open = (own = name()) => new Journal('Ada', 1, store, new OpenPages(locks, own));
  const [a, b] = [open(), open()];
  return { a, b, open, close: (journal) => locks.release(journal.pages.own) };
}

test('two tabs on one image never mix their bands', async () => {
  const { a, b, open, close } = tabs();
  const maps = [
    [band(1), band(1)],
    [band(2), band(2)],
  ];
  await a.put(entry(1, maps[0]));
  await b.put(entry(1, maps[1], { at: 2 }));
  maps[0][0] = band(5);
  await a.put(entry(1, maps[0], { at: 3 }));
  for (const tab of [a, b]) close(tab);
  assert.deepEqual((await open().entries()).map(({ bands }) => bands), [maps[0], maps[1]]);
});

test('what one tab saves takes nothing from another that could not', async () => {
  const { a, b, open, close } = tabs();
  await a.put(entry(1, [band(1)]));
  await b.put(entry(1, [band(2)]));
  await b.remove(1);
  close(a);
  const after = open();
  assert.deepEqual((await after.entries()).map(({ bands }) => bands), [[band(1)]]);
  await after.remove(1);
  assert.deepEqual(await open().entries(), [], 'what was found is done with once it is saved');
});

test('what another open tab has under way is not taken up', async () => {
  const { a, b, open, close } = tabs();
  await a.put(entry(1, [band(1)]));
  await b.put(entry(2, [band(2)]));
  close(b);
  assert.deepEqual((await open().entries()).map(({ imageId }) => imageId), [2]);
  const again = open(a.pages.own);
  assert.deepEqual((await again.entries()).map(({ imageId }) => imageId).sort(), [1, 2], 'of this page it is');
});

test('a page that is just being left is waited for', async () => {
  const { a, open, close } = tabs();
  await a.put(entry(1, [band(1)]));
  setTimeout(() => close(a), 50);
  assert.equal((await open().entries()).length, 1);
});

test('other people and other projects have their own entries', async () => {
  const store = fakeIndexedDb();
  await new Journal('Ada', 1, store).put(entry(1, [band(1)]));
  assert.deepEqual(await new Journal('Bo', 1, store).entries(), []);
  assert.deepEqual(await new Journal('Ada', 2, store).entries(), []);
});

test('what is unsent of other projects is counted, but for what other open pages send', async () => {
  const store = fakeIndexedDb();
  const locks = fakeLocks();
  const journal = (person, projectId, own) => new Journal(person, projectId, store, new OpenPages(locks, own));
  const here = journal('Ada', 1, 'here');
  await here.put(entry(1, [band(1)]));
  await journal('Ada', 12, 'gone').put(entry(2, [band(1)], { at: 5 }));
  await journal('Ada', 2, 'gone too').put(entry(3, [band(1)]));
  await journal('Ada', 2, 'and gone').put(entry(3, [band(1)], { at: 7 }));
  await journal('Ada', 2, 'here').put(entry(4, [band(1)]));
  await journal('Ada', 2, 'open').put(entry(5, [band(1)]));
  await journal('Ada B', 3, 'gone').put(entry(6, [band(1)]));
  for (const own of ['gone', 'gone too', 'and gone']) locks.release(own);
  assert.deepEqual(await here.elsewhere(), [
    { projectId: 2, images: 2 },
    { projectId: 12, images: 1 },
  ]);
  assert.deepEqual((await here.entries()).map(({ imageId }) => imageId), [1], 'none of it is taken up here');
});

test('a removed entry is gone, and the next one is whole', async () => {
  const journal = new Journal('Ada', 1, fakeIndexedDb());
  const bands = [band(1), band(2)];
  await journal.put(entry(1, bands));
  await journal.remove(1);
  assert.deepEqual(await journal.entries(), []);
  await journal.put(entry(1, bands));
  assert.deepEqual((await journal.entries())[0].bands, bands);
});

test('a full disk says so, leaves the entry before as it was, and is overcome later', async () => {
  const store = fakeIndexedDb();
  const journal = new Journal('Ada', 1, store);
  const bands = [band(1), band(2)];
  await journal.put(entry(1, bands));
  store.database.isFull = true;
  bands[0] = band(8);
  assert.equal(await journal.put(entry(1, bands)), false);
  assert.deepEqual((await journal.entries())[0].bands, [band(1), band(2)]);
  store.database.isFull = false;
  assert.equal(await journal.put(entry(1, bands)), true);
  assert.deepEqual((await journal.entries())[0].bands, [band(8), band(2)]);
});

test('a browser without a database keeps nothing and says so', async () => {
  const journal = new Journal('Ada', 1, undefined);
  assert.equal(await journal.put(entry(1, [band(1)])), false);
  assert.deepEqual(await journal.entries(), []);
});

/** A browser whose database opens only as `open` says, each time anew; `really` opens it. */
function openingAs(open) {
  const store = fakeIndexedDb();
  return { database: store.database, open: (...how) => open(() => store.open(...how)) };
}

/** A request that ends as told. */
function failing(error) {
  const request = { error };
  setImmediate(() => request.onerror());
  return request;
}

test('what cannot be read is said once, and stops nothing', async () => {
  const store = fakeIndexedDb();
  const { transaction } = store.database;
  const journal = new Journal('Ada', 1, store);
  let told = 0;
  journal.onUnreadable = () => told++;
  await journal.put(entry(1, [band(1)]));
  store.database.transaction = () => {
    throw new Error('UnknownError');
  };
  assert.deepEqual([await journal.rejections(), await journal.entries(), told], [[], [], 1]);
  assert.equal(await journal.put(entry(1, [band(2)])), false);
  store.database.transaction = transaction;
  assert.equal(await journal.put(entry(1, [band(2)])), true);
  assert.deepEqual((await journal.entries()).map(({ bands }) => bands), [[band(2)]]);
});

test('a database that does not open the first time is tried again', async () => {
  const thrown = () => {
    throw new Error('SecurityError');
  };
  for (const first of [thrown, () => failing(new Error('UnknownError'))]) {
    const ways = [first, first];
    const store = openingAs((really) => (ways.shift() ?? really)());
    const journal = new Journal('Ada', 1, store);
    assert.deepEqual(await journal.entries(), []);
    assert.equal(await journal.put(entry(1, [band(1)])), false);
    assert.equal(await journal.put(entry(1, [band(1)])), true);
  }
});

test('a database that another page holds up is waited for once, and used when it is here', { timeout: 2000 }, async () => {
  let letOpen = () => {};
  const store = openingAs((really) => {
    const request = {};
    letOpen = () => {
      const opened = really();
      opened.onupgradeneeded = () => request.onupgradeneeded.call(Object.assign(request, { result: opened.result }));
      opened.onsuccess = () => request.onsuccess();
    };
    setImmediate(() => request.onblocked?.());
    return request;
  });
  const journal = new Journal('Ada', 1, store, new OpenPages(), 30);
  let told = 0;
  journal.onUnreadable = () => told++;
  assert.deepEqual([await journal.entries(), told], [[], 1]);
  const since = performance.now();
  assert.equal(await journal.put(entry(1, [band(1)])), false);
  assert.ok(performance.now() - since < 20, 'nobody waits a second time');
  letOpen();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await journal.put(entry(1, [band(1)])), true);
});

test('a database that was taken away is opened again', async () => {
  const store = fakeIndexedDb();
  const journal = new Journal('Ada', 1, store);
  await journal.put(entry(1, [band(1)]));
  store.database.onversionchange();
  assert.equal(await journal.put(entry(1, [band(2)])), true);
});

test('an entry of the first version, with the map in its head, is found', async () => {
  const store = fakeIndexedDb();
  store.database.createObjectStore('unsaved', { keyPath: 'key' });
  store.database.createObjectStore('bands');
  const transaction = store.database.transaction();
  transaction.objectStore('unsaved').put({ key: 'Ada\n1\n4', scope: 'Ada\n1\n', imageId: 4, bytes: band(6), at: 1 });
  await new Promise((resolve) => (transaction.oncomplete = resolve));
  assert.deepEqual((await new Journal('Ada', 1, store).entries())[0].bands, [band(6)]);
});

test('a database of the second version gets its new store, and keeps what it has', async () => {
  const store = fakeIndexedDb();
  store.database.createObjectStore('unsaved', { keyPath: 'key' });
  store.database.createObjectStore('bands');
  store.database.version = 2;
  const journal = new Journal('Ada', 1, store);
  await journal.put(entry(1, [band(1)]));
  const rejection = { imageId: 1, suggestion: '/s', bytes: band(2), at: 5 };
  assert.equal(await journal.putRejection(rejection), true);
  const [{ imageId, suggestion, bytes, at }] = await journal.rejections();
  assert.deepEqual({ imageId, suggestion, bytes, at }, rejection);
  assert.equal((await journal.entries()).length, 1);
  assert.deepEqual(await new Journal('Ada', 2, store).rejections(), []);
  await journal.removeRejection(1);
  assert.deepEqual(await journal.rejections(), []);
});
