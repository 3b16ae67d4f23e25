import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AskedWorker } from '../../app/canvas/frontend/asked_worker.js';
import { decodedLevels } from '../../app/canvas/frontend/picture.js';

const MEGABYTE = 2 ** 20;

test('the worker that decodes is replaced once it has decoded much, never with an image under way', async () => {
  const workers = [];
  globalThis.Worker = class {
    constructor() {
      this.asked = [];
      this.isAlive = true;
      workers.push(this);
    }

    postMessage({ id }) {
      assert.ok(this.isAlive);
      this.asked.push(id);
    }

    answer() {
      this.onmessage({ data: { id: this.asked.shift(), levels: ['full', 'half'] } });
    }

    terminate() {
      assert.equal(this.asked.length, 0);
      this.isAlive = false;
    }
  };
  const first = decodedLevels({ size: 20 * MEGABYTE });
  workers[0].answer();
  assert.deepEqual(await first, ['full', 'half']);
  const [second, third] = [decodedLevels({ size: 20 * MEGABYTE }), decodedLevels({ size: MEGABYTE })];
  workers[0].answer();
  await second;
  assert.ok(workers[0].isAlive, 'it has another image to decode');
  workers[0].answer();
  await third;
  assert.ok(!workers[0].isAlive);
  const fourth = decodedLevels({ size: 20 * MEGABYTE });
  workers[1].answer();
  await fourth;
  assert.ok(workers[1].isAlive);
  assert.equal(workers.length, 2);
});

test('a worker that fails answers null to all who wait, and the next question starts another', async () => {
  const workers = [];
  const asked = new AskedWorker(() => {
    workers.push({ questions: [], postMessage: (question) => workers.at(-1).questions.push(question) });
    return workers.at(-1);
  });
  const lost = [asked.ask({ what: 'a' }), asked.ask({ what: 'b' })];
  workers[0].onerror();
  assert.deepEqual(await Promise.all(lost), [null, null]);
  const [third, fourth] = [asked.ask({ what: 'c' }), asked.ask({ what: 'd' })];
  for (const { id, what } of workers[1].questions.reverse()) workers[1].onmessage({ data: { id, said: what } });
  assert.deepEqual([(await third).said, (await fourth).said], ['c', 'd']);
  assert.equal(workers.length, 2);
});
