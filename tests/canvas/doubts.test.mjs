import assert from 'node:assert/strict';
import { test } from 'node:test';

import { doubtsOf, nextDoubt } from '../../app/canvas/frontend/doubts.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';

/** An uncertainty map of 20 × 10 with boxes of high values; the image is four times as large. */
function scene(boxes) {
  const values = new Uint8Array(200).fill(3);
  for (const { x, y, side, value } of boxes) {
    for (let dy = 0; dy < side; dy++) values.fill(value, (y + dy) * 20 + x, (y + dy) * 20 + x + side);
  }
  const map = { width: 80, height: 40, pixels: new Uint8Array(3200).fill(NOT_LABELLED) };
  return { uncertainty: { width: 20, height: 10, values }, map };
}

test('the heaviest doubtful place comes first, in image pixels', () => {
  const { uncertainty, map } = scene([{ x: 1, y: 1, side: 2, value: 200 }, { x: 12, y: 4, side: 3, value: 210 }]);
  const doubts = doubtsOf(uncertainty, map);
  assert.deepEqual(doubts.map(({ x0, y0, x1, y1 }) => [x0, y0, x1, y1]), [[48, 16, 60, 28], [4, 4, 12, 12]]);
  assert.equal(doubts[0].weight, 9 * 210);
});

test('what is labelled by now is no doubt', () => {
  const { uncertainty, map } = scene([{ x: 1, y: 1, side: 2, value: 200 }, { x: 12, y: 4, side: 3, value: 210 }]);
  for (let y = 16; y < 28; y++) map.pixels.fill(0, y * 80 + 48, y * 80 + 60);
  assert.deepEqual(doubtsOf(uncertainty, map).map((one) => one.x0), [4]);
  map.pixels.fill(1);
  assert.deepEqual(doubtsOf(uncertainty, map), []);
});

test('a model that is sure everywhere leaves nothing to walk to', () => {
  const { uncertainty, map } = scene([]);
  uncertainty.values.fill(0);
  assert.deepEqual(doubtsOf(uncertainty, map), []);
});

test('the walk goes round, in both directions, and begins at an end', () => {
  const doubts = [{ x0: 0, y0: 0 }, { x0: 5, y0: 5 }, { x0: 9, y0: 9 }];
  assert.equal(nextDoubt(doubts, null, 1), 0);
  assert.equal(nextDoubt(doubts, null, -1), 2);
  assert.equal(nextDoubt(doubts, doubts[2], 1), 0);
  assert.equal(nextDoubt(doubts, doubts[0], -1), 2);
  assert.equal(nextDoubt([], null, 1), -1);
});
