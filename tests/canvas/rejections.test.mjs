import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Journal } from '../../app/canvas/frontend/journal.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { Rejections } from '../../app/canvas/frontend/rejections.js';
import { fakeIndexedDb } from './fake_indexed_db.mjs';

const [WIDTH, HEIGHT] = [20, 10];
const REGION = { x0: 4, y0: 2, x1: 6, y1: 4, mask: Uint8Array.of(1, 0, 1, 1) };

/** An image as it comes from the server: everything is suggested as class 2. */
function loaded(suggestion_url = '/suggestion/a', image_id = 7) {
  return new OpenImage({
    item: { image_id, width: WIDTH, height: HEIGHT, suggestion_url },
    pixels: new Uint8Array(WIDTH * HEIGHT).fill(NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion: new Uint8Array(WIDTH * HEIGHT).fill(2),
  });
}

/** What a page finds that is opened now. */
async function opened(store) {
  const rejections = new Rejections(new Journal('Ada', 1, store));
  await rejections.read();
  return rejections;
}

/** An image that comes on the screen. */
function shown(rejections, ...about) {
  const image = loaded(...about);
  rejections.open(image);
  return image;
}

const left = (image) => image.suggestion.reduce((sum, value) => sum + Number(value === 2), 0);

test('what was rejected stays so after a reload, and can still be taken back', async () => {
  const store = fakeIndexedDb();
  const first = await opened(store);
  const image = shown(first);
  image.reject(REGION);
  assert.equal(left(image), 197);
  await first.journal.writes;

  const later = await opened(store);
  const again = shown(later);
  assert.deepEqual(again.suggestion, image.suggestion);
  again.acceptAll();
  assert.equal(again.pixels.filter((value) => value === NOT_LABELLED).length, 3);
  again.undo();
  again.undo();
  assert.equal(left(again), 200, 'the second undo takes the rejection back');
  await later.journal.writes;
  const last = shown(await opened(store));
  assert.equal(left(last), 200);
});

test('an undone rejection is not kept, and one done again is', async () => {
  const store = fakeIndexedDb();
  const rejections = await opened(store);
  const image = shown(rejections);
  image.reject(REGION);
  image.undo();
  await rejections.journal.writes;
  const undone = shown(await opened(store));
  assert.equal(left(undone), 200);
  image.redo();
  await rejections.journal.writes;
  const redone = shown(await opened(store));
  assert.equal(left(redone), 197);
});

test('it is known when the image comes back while the page is open', async () => {
  const rejections = await opened(fakeIndexedDb());
  const image = shown(rejections);
  image.reject(REGION);
  const again = shown(rejections);
  assert.equal(left(again), 197);
  const other = shown(rejections, '/suggestion/a', 8);
  assert.equal(left(other), 200);
});

test('a new suggestion is whole, and the rejections of the old one are forgotten', async () => {
  const store = fakeIndexedDb();
  const rejections = await opened(store);
  const image = shown(rejections);
  image.reject(REGION);
  const newer = shown(rejections, '/suggestion/b');
  assert.equal(left(newer), 200);
  await rejections.journal.writes;
  assert.deepEqual(await new Journal('Ada', 1, store).rejections(), []);
});

test('a suggestion that comes while the image is open starts whole', async () => {
  const rejections = await opened(fakeIndexedDb());
  const image = shown(rejections);
  image.reject(REGION);
  Object.assign(image, { item: { ...image.item, suggestion_url: '/suggestion/b' } });
  image.suggestion = new Uint8Array(WIDTH * HEIGHT).fill(2);
  image.reject({ x0: 0, y0: 0, x1: 1, y1: 1, mask: Uint8Array.of(1) });
  const again = shown(rejections, '/suggestion/b');
  assert.equal(left(again), 199);
});

test('a long project keeps those that were made last', async () => {
  const store = fakeIndexedDb();
  const rejections = await opened(store);
  rejections.most = 2;
  let clock = 0;
  rejections.now = () => ++clock;
  for (const id of [1, 2, 3]) {
    const image = shown(rejections, '/suggestion/a', id);
    image.reject(REGION);
  }
  await rejections.journal.writes;
  const kept = await new Journal('Ada', 1, store).rejections();
  assert.deepEqual(kept.map((entry) => entry.imageId), [3, 2]);
  assert.ok(kept[0].bytes.length < 40, 'as run lengths');
});
