import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { PixelCounter } from '../../app/canvas/frontend/pixel_counter.js';

/** A counter whose slices wait until the test lets them go on. */
function steppedCounter() {
  const results = [];
  const waiting = [];
  const counter = new PixelCounter((shares) => results.push(shares), (action) => waiting.push(action));
  const step = () => waiting.shift()?.();
  return { counter, results, waiting, step };
}

test('a large map is counted in slices, and every pixel once', () => {
  const { counter, results, waiting, step } = steppedCounter();
  const pixels = new Uint8Array(4_000_000).fill(NOT_LABELLED);
  pixels.fill(3, 0, 1_000_000);
  counter.start({ pixels });
  let slices = 0;
  while (waiting.length) {
    step();
    slices++;
  }
  assert.ok(slices > 1);
  assert.equal(results.length, 1);
  assert.equal(results[0].counts[3], 1_000_000);
  assert.equal(results[0].labelledShare, 0.25);
});

test('a change while counting begins the count anew, and a gone image ends it', () => {
  const { counter, results, waiting, step } = steppedCounter();
  const pixels = new Uint8Array(2_000_000);
  counter.start({ pixels });
  step();
  pixels.fill(1);
  counter.start({ pixels });
  while (waiting.length) step();
  assert.equal(results.length, 1);
  assert.equal(results[0].counts[0], 0);
  counter.start({ pixels });
  counter.stop();
  while (waiting.length) step();
  assert.equal(results.length, 1);
});

test('a stroke that changes the map again and again keeps one timer, and counts once it ended', () => {
  const { counter, results, waiting, step } = steppedCounter();
  const pixels = new Uint8Array(100);
  for (let change = 0; change < 5; change++) counter.start({ pixels });
  assert.equal(waiting.length, 1);
  step();
  assert.equal(results.length, 0);
  assert.equal(waiting.length, 1);
  step();
  assert.equal(results.length, 1);
});
