import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AskedWorker } from '../../app/canvas/frontend/asked_worker.js';
import { Picture, decodedLevels } from '../../app/canvas/frontend/picture.js';

const MEGABYTE = 2 ** 20;

/** The workers that were started to decode. */
const decoders = [];
class Decoder {
  constructor() {
    this.asked = [];
    this.isAlive = true;
    decoders.push(this);
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
}

/** A test of another file may have put its own worker there since. */
function withDecoders() {
  globalThis.Worker = Decoder;
}

test('the worker that decodes is replaced once it has decoded much, never with an image under way', async () => {
  withDecoders();
  const first = decodedLevels({ size: 20 * MEGABYTE });
  decoders[0].answer();
  assert.deepEqual((await first).levels, ['full', 'half']);
  const [second, third] = [decodedLevels({ size: 20 * MEGABYTE }), decodedLevels({ size: MEGABYTE })];
  decoders[0].answer();
  await second;
  assert.ok(decoders[0].isAlive, 'it has another image to decode');
  decoders[0].answer();
  await third;
  assert.ok(!decoders[0].isAlive);
  const fourth = decodedLevels({ size: 20 * MEGABYTE });
  decoders[1].answer();
  await fourth;
  assert.ok(decoders[1].isAlive);
  assert.equal(decoders.length, 2);
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

test('an answer in two parts is both; the worker is not replaced between them', async () => {
  const workers = [];
  const asked = new AskedWorker(() => {
    workers.push({ postMessage: () => {}, terminate() { this.isDead = true; } });
    return workers.at(-1);
  }, MEGABYTE);
  const question = asked.ask({}, 2 * MEGABYTE);
  workers[0].onmessage({ data: { id: 0, part: 1, hasMore: true } });
  const { part, rest } = await question;
  assert.equal(part, 1);
  assert.ok(!workers[0].isDead, 'the second part is still to come');
  workers[0].onmessage({ data: { id: 0, part: 2 } });
  assert.equal((await rest).part, 2);
  assert.ok(workers[0].isDead);
});

/** Bitmaps that know whether they were closed, and a context that keeps which were drawn. */
function bitmap(width, height) {
  return { width, height, isClosed: false, close() { this.isClosed = true; } };
}

function drawnAt(picture, scale) {
  const drawn = [];
  const everything = { x0: 0, y0: 0, x1: picture.width, y1: picture.height };
  picture.draw({ drawImage: (bitmap) => drawn.push(bitmap.width) }, { scale, x: 0, y: 0 }, everything, null, 0);
  return drawn;
}

test('a picture is drawn from its full size until the smaller ones are here, and then once again', async () => {
  let arrive;
  const picture = new Picture({ levels: [bitmap(64, 32)], rest: new Promise((resolve) => (arrive = resolve)) });
  let arrivals = 0;
  picture.onArrival = () => arrivals++;
  assert.deepEqual(drawnAt(picture, 0.26), [64]);
  arrive([bitmap(32, 16), bitmap(16, 8)]);
  await picture.whole;
  assert.equal(arrivals, 1);
  assert.deepEqual(drawnAt(picture, 0.26), [32]);
  assert.equal(picture.smallest.width, 16);
});

test('smaller sizes that the view has no use for draw nothing again', async () => {
  const picture = new Picture({ levels: [bitmap(64, 32)], rest: Promise.resolve([bitmap(32, 16)]) });
  picture.onArrival = () => assert.fail('it is drawn from its full size now and later');
  assert.deepEqual(drawnAt(picture, 0.6), [64]);
  await picture.whole;
  assert.deepEqual(drawnAt(picture, 0.6), [64]);
});

test('smaller sizes of a picture that was left meanwhile are closed', async () => {
  let arrive;
  const picture = new Picture({ levels: [bitmap(64, 32)], rest: new Promise((resolve) => (arrive = resolve)) });
  picture.onArrival = () => assert.fail('nobody sees it');
  drawnAt(picture, 0.2);
  picture.close();
  const smaller = [bitmap(32, 16), bitmap(16, 8)];
  arrive(smaller);
  await picture.whole;
  assert.ok(smaller.every((one) => one.isClosed));
  assert.ok(picture.levels[0].isClosed);
});

test('a worker that dies between the full size and the smaller ones leaves a picture of one size', async () => {
  withDecoders();
  const decoding = decodedLevels({ size: 1 });
  const decoder = decoders.at(-1);
  decoder.onmessage({ data: { id: decoder.asked.pop(), levels: [bitmap(64, 32)], hasMore: true } });
  const picture = new Picture(await decoding);
  decoder.onerror();
  await picture.whole;
  assert.deepEqual(drawnAt(picture, 0.2), [64]);
});

/** What the worker posts for an image of a size, with canvases that tell when they were drawn and read. */
async function postedFor(width, height) {
  const acts = [];
  globalThis.createImageBitmap = async () => bitmap(width, height);
  globalThis.OffscreenCanvas = class {
    constructor(across, down) {
      Object.assign(this, { width: across, height: down });
    }

    getContext() {
      return { drawImage: ({ width: from }) => acts.push(`draw ${from}`) };
    }

    transferToImageBitmap() {
      return bitmap(this.width, this.height);
    }
  };
  globalThis.self = { postMessage: (message, { transfer }) => acts.push({ ...message, sent: transfer.length }) };
  await import(`../../app/canvas/frontend/picture_worker.js?${width}x${height}`);
  await globalThis.self.onmessage({ data: { id: 1, blob: null } });
  return acts.map((act) => (act.levels ? { ...act, levels: act.levels.map((one) => one.width) } : act));
}

test('the full size goes ahead of its halves, once what they need of it is drawn', async () => {
  assert.deepEqual(await postedFor(2048, 1024), [
    'draw 2048',
    { id: 1, levels: [2048], hasMore: true, sent: 1 },
    'draw 1024',
    { id: 1, levels: [1024, 512], sent: 2 },
  ]);
});

test('a large image, drawn from a half at first, and a small one, that has none, come in one piece', async () => {
  assert.deepEqual((await postedFor(4000, 3000)).at(-1), { id: 1, levels: [4000, 2000, 1000, 500], sent: 4 });
  assert.deepEqual(await postedFor(400, 300), [{ id: 1, levels: [400], sent: 1 }]);
});
