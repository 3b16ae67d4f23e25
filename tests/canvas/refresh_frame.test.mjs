import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RefreshFrame } from '../../app/canvas/frontend/refresh_frame.js';

/** A refresh among frames that the test lets pass, 16 ms from one to the next. */
function bench() {
  const asked = new Map();
  let count = 0;
  globalThis.requestAnimationFrame = (callback) => Number(asked.set(++count, callback) && count);
  globalThis.cancelAnimationFrame = (id) => asked.delete(id);
  const bench = { updates: 0, isLoading: false, draws: false, isPressed: false, now: 0 };
  bench.refreshing = new RefreshFrame({
    update: () => bench.updates++,
    isLoading: () => bench.isLoading,
    drawsAt: () => bench.draws,
    isPressed: () => bench.isPressed,
  });
  bench.pass = (frames = 1) => {
    for (let frame = 0; frame < frames; frame++) {
      bench.now += 16;
      const due = [...asked.values()];
      asked.clear();
      for (const callback of due) callback(bench.now);
    }
  };
  return bench;
}

test('many requests make one update, at the next frame', () => {
  const one = bench();
  one.refreshing.request();
  one.refreshing.request();
  one.pass();
  assert.equal(one.updates, 1);
  one.pass(3);
  assert.equal(one.updates, 1);
});

test('a frame that draws the canvas goes first, but only one', () => {
  const one = bench();
  one.draws = true;
  one.refreshing.request();
  one.pass();
  assert.equal(one.updates, 0);
  one.pass();
  assert.equal(one.updates, 1, 'a stroke that draws at each frame does not hold the controls up');
});

test('the time and the news wait for the end of a stroke, what the person asks for does not', () => {
  const one = bench();
  one.isPressed = true;
  one.refreshing.requestAtRest();
  one.pass(2);
  assert.equal(one.updates, 0);
  one.refreshing.request();
  one.pass();
  assert.equal(one.updates, 1);
  one.isPressed = false;
  one.refreshing.requestAtRest();
  one.pass();
  assert.equal(one.updates, 2);
});

test('that an image is awaited is shown when it takes a while', () => {
  const one = bench();
  one.isLoading = true;
  one.refreshing.request();
  one.pass(10);
  assert.equal(one.updates, 0);
  one.pass(5);
  assert.equal(one.updates, 1);
});

test('an image that comes at once is drawn first', () => {
  const one = bench();
  one.isLoading = true;
  one.refreshing.request();
  one.pass(4);
  one.isLoading = false;
  one.draws = true;
  one.refreshing.again();
  one.pass();
  assert.equal(one.updates, 0);
  one.pass();
  assert.equal(one.updates, 1);
});
