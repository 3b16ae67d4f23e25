import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ImageQueue } from '../../app/canvas/frontend/queue.js';

function item(id, round = 1) {
  return {
    image_id: id,
    image_url: `/pixels/${id}`,
    suggestion_url: `/suggestion/${round}/${id}`,
    uncertainty_url: null,
    revision: 0,
  };
}

function loader() {
  const loads = [];
  const released = [];
  const queue = new ImageQueue(
    (one) => {
      loads.push(one);
      return Promise.resolve({ item: one });
    },
    (loaded) => released.push(loaded.item.image_id),
  );
  return { queue, loads, released };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const ids = (list) => list.map((one) => one.image_id);

test('the next five are loaded ahead, and are there when they are taken', async () => {
  const { queue, loads } = loader();
  queue.update([1, 2, 3, 4, 5, 6, 7].map((id) => item(id)), 1);
  assert.deepEqual(ids(loads), [1, 2, 3, 4, 5]);
  await settled();
  const first = queue.next();
  const taken = queue.take(first);
  assert.equal(taken.loaded.item.image_id, 1);
  assert.equal(queue.current, 1);
  assert.deepEqual(ids(loads), [1, 2, 3, 4, 5], 'nothing is asked for while the person waits');
  queue.loadAhead();
  assert.deepEqual(ids(loads), [1, 2, 3, 4, 5, 6]);
});

test('a new order keeps what is loaded and lets go of the rest', async () => {
  const { queue, loads, released } = loader();
  queue.update([1, 2, 3].map((id) => item(id)), 1);
  await settled();
  queue.update([3, 1, 9].map((id) => item(id)), 2);
  await settled();
  assert.deepEqual(ids(loads), [1, 2, 3, 9]);
  assert.deepEqual(released, [2]);
  assert.deepEqual(ids(queue.items), [3, 1, 9]);
});

test('what was loaded ahead can be loaded anew', async () => {
  const { queue, loads, released } = loader();
  queue.update([1, 2].map((id) => item(id)), 1);
  await settled();
  queue.loadAnew();
  await settled();
  assert.deepEqual(ids(loads), [1, 2, 1, 2]);
  assert.deepEqual(released, [1, 2]);
  assert.equal(queue.take(queue.next()).loaded.item.image_id, 1);
});

test('a new suggestion is loaded anew, on top of what is there', async () => {
  const given = [];
  const released = [];
  const queue = new ImageQueue(
    async (one, earlier) => {
      given.push(await earlier);
      return { item: one };
    },
    (loaded) => released.push(loaded),
  );
  queue.update([item(1, 1)], 1);
  await settled();
  queue.update([item(1, 2)], 2);
  await settled();
  assert.deepEqual(given, [null, { item: item(1, 1) }]);
  assert.deepEqual(released, [], 'the image is not thrown away');
  assert.equal(queue.take(queue.next()).loaded.item.suggestion_url, '/suggestion/2/1');
});

test('a draft saved while its image waits is loaded again', async () => {
  const { queue, loads } = loader();
  queue.update([item(1), item(2)], 1);
  await settled();
  queue.saved(2, 5);
  queue.saved(9, 1);
  await settled();
  assert.deepEqual(loads.map((one) => [one.image_id, one.revision]), [[1, 0], [2, 0], [2, 5]]);
  queue.next();
  assert.equal(queue.take(queue.next()).loaded.item.revision, 5);
});

test('the image on the screen is never in the queue', () => {
  const { queue } = loader();
  queue.update([item(1), item(2)], 1);
  queue.next();
  queue.update([item(1), item(2)], 2);
  assert.deepEqual(ids(queue.items), [2]);
  queue.hold(2);
  queue.update([item(1), item(2)], 3);
  assert.deepEqual(ids(queue.items), [1]);
});

test('an image that was submitted does not come back from an older answer', () => {
  const { queue } = loader();
  queue.update([item(1), item(2), item(3)], 10);
  queue.next();
  queue.leave(1);
  queue.next();
  queue.update([item(1), item(3)], 20);
  assert.deepEqual(ids(queue.items), [3]);
  queue.acknowledge(1, 30);
  queue.update([item(1), item(3)], 25);
  assert.deepEqual(ids(queue.items), [3], 'asked before the server knew');
  queue.update([item(3), item(1)], 40);
  assert.deepEqual(ids(queue.items), [3, 1], 'the server brings a skipped image back on purpose');
});

test('a failed load is tried again', async () => {
  let fails = true;
  const queue = new ImageQueue((one) => (fails ? Promise.reject(new Error('no')) : Promise.resolve({ item: one })));
  queue.update([item(1)], 1);
  await settled();
  fails = false;
  const { promise } = queue.take(queue.next());
  assert.equal((await promise).item.image_id, 1);
});

test('only the next two are made ready for the screen, once each', async () => {
  const prepared = [];
  const queue = new ImageQueue(
    (one) => Promise.resolve({ item: one }),
    () => {},
    (loaded) => prepared.push(loaded.item.image_id),
  );
  queue.update([1, 2, 3, 4].map((id) => item(id)), 1);
  await settled();
  assert.deepEqual(prepared, [1, 2]);
  queue.take(queue.next());
  queue.loadAhead();
  assert.deepEqual(prepared, [1, 2, 3]);
});
