import assert from 'node:assert/strict';
import { test } from 'node:test';

import { doubtsOf } from '../../app/canvas/frontend/doubts.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';

/** An uncertainty map of 48 × 24 with boxes of high values; the image is four times as large. */
function scene(boxes) {
  const values = new Uint8Array(48 * 24).fill(3);
  for (const { x, y, side, value } of boxes) {
    for (let dy = 0; dy < side; dy++) values.fill(value, (y + dy) * 48 + x, (y + dy) * 48 + x + side);
  }
  const map = { width: 192, height: 96, pixels: new Uint8Array(192 * 96).fill(NOT_LABELLED) };
  return { uncertainty: { width: 48, height: 24, values }, map };
}

const LEFT = { x: 2, y: 2, side: 5, value: 180 };
const RIGHT = { x: 32, y: 10, side: 8, value: 200 };

test('the worst place comes first, in image pixels, and none lies over another', () => {
  const { uncertainty, map } = scene([LEFT, RIGHT]);
  const [first, second] = doubtsOf(uncertainty, map);
  assert.deepEqual([first.x0, first.y0, first.x1, first.y1], [128, 40, 160, 72]);
  assert.equal(first.weight, 200);
  assert.ok(second.x0 <= 8 && second.x1 >= 28 && second.y0 <= 8 && second.y1 >= 28, 'it holds the left box');
  assert.ok(second.weight < first.weight);
});

test('what is labelled by now is no doubt', () => {
  const { uncertainty, map } = scene([LEFT, RIGHT]);
  for (let y = 40; y < 72; y++) map.pixels.fill(0, y * 192 + 128, y * 192 + 160);
  assert.equal(doubtsOf(uncertainty, map).length, 1);
  map.pixels.fill(1);
  assert.deepEqual(doubtsOf(uncertainty, map), []);
});

test('a model that is sure everywhere leaves nothing to walk to', () => {
  const { uncertainty, map } = scene([]);
  assert.deepEqual(doubtsOf(uncertainty, map), []);
});

test('an uncertainty map smaller than a window is one place', () => {
  const map = { width: 10, height: 10, pixels: new Uint8Array(100).fill(NOT_LABELLED) };
  const doubts = doubtsOf({ width: 1, height: 1, values: Uint8Array.of(90) }, map);
  assert.deepEqual(doubts.map(({ x0, y0, x1, y1 }) => [x0, y0, x1, y1]), [[0, 0, 10, 10]]);
});
