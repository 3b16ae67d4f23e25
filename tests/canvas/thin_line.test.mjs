import assert from 'node:assert/strict';
import { test } from 'node:test';

import { thinLine } from '../../app/canvas/frontend/thin_line.js';
import { pixelsOf } from './random_maps.mjs';
import { between, seededRandom } from './seeded_random.mjs';

const SIZE = 64;

function randomPoint(random) {
  return { x: random() * SIZE, y: random() * SIZE };
}

test('each pixel of a segment is the nearest one in its step of the longer axis', () => {
  const random = seededRandom(41);
  for (let round = 0; round < 500; round++) {
    const [from, to] = [randomPoint(random), randomPoint(random)];
    const [ax, ay, bx, by] = [from.x, from.y, to.x, to.y].map(Math.floor);
    const pixels = pixelsOf(thinLine([from, to], SIZE, SIZE), SIZE);
    const steps = Math.max(Math.abs(bx - ax), Math.abs(by - ay));
    assert.equal(pixels.length, steps + 1);
    for (const at of pixels) {
      const [x, y] = [at % SIZE, Math.floor(at / SIZE)];
      const along = Math.abs(bx - ax) === steps ? Math.abs(x - ax) : Math.abs(y - ay);
      const share = steps ? along / steps : 0;
      assert.ok(Math.abs(x - (ax + share * (bx - ax))) <= 0.5 + 1e-9);
      assert.ok(Math.abs(y - (ay + share * (by - ay))) <= 0.5 + 1e-9);
    }
  }
});

test('a segment is the same from either end', () => {
  const random = seededRandom(42);
  for (let round = 0; round < 500; round++) {
    const ends = [randomPoint(random), randomPoint(random)];
    assert.deepEqual(thinLine(ends, SIZE, SIZE), thinLine(ends.toReversed(), SIZE, SIZE));
  }
});

test('a line through points holds its segments and nothing else', () => {
  const random = seededRandom(43);
  for (let round = 0; round < 200; round++) {
    const points = Array.from({ length: between(random, 2, 8) }, () => randomPoint(random));
    const expected = new Set();
    for (let i = 0; i + 1 < points.length; i++) {
      pixelsOf(thinLine(points.slice(i, i + 2), SIZE, SIZE), SIZE).forEach((at) => expected.add(at));
    }
    assert.deepEqual(new Set(pixelsOf(thinLine(points, SIZE, SIZE), SIZE)), expected);
  }
});

test('one point is one pixel', () => {
  assert.deepEqual(pixelsOf(thinLine([{ x: 3.9, y: 2.1 }], SIZE, SIZE), SIZE), [2 * SIZE + 3]);
});

test('a line is cut at the border of the image', () => {
  const across = thinLine([{ x: -20.5, y: 5.5 }, { x: 90.5, y: 5.5 }], SIZE, SIZE);
  assert.deepEqual([across.x0, across.y0, across.x1, across.y1], [0, 5, SIZE, 6]);
  assert.equal(thinLine([{ x: -9, y: -9 }, { x: -1, y: 40 }], SIZE, SIZE), null);
  assert.equal(thinLine([], SIZE, SIZE), null);
});
