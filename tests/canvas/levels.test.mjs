import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FINEST, coarsestLevel, labelLevel, pictureLevel, tileBox, tilesOver } from '../../app/canvas/frontend/levels.js';

test('label tiles have between half as many and twice as many pixels as the screen', () => {
  for (let scale = 0.02; scale < 10; scale *= 1.03) {
    const onScreen = scale * 2 ** labelLevel(scale, 10);
    assert.ok(onScreen > 0.7 && onScreen < 1.42, `${scale}: ${onScreen}`);
  }
  assert.equal(labelLevel(100, 10), FINEST);
  assert.equal(labelLevel(0.001, 4), 4);
});

test('a picture is drawn from at least as many pixels as the screen has, as long as it has them', () => {
  assert.equal(pictureLevel(1, 4), 0);
  assert.equal(pictureLevel(0.51, 4), 0);
  assert.equal(pictureLevel(0.5, 4), 1);
  assert.equal(pictureLevel(0.25, 4), 2);
  assert.equal(pictureLevel(0.01, 4), 3);
  assert.equal(pictureLevel(8, 4), 0);
});

test('the coarsest level is one tile', () => {
  assert.equal(coarsestLevel(200, 256, 256), 0);
  assert.equal(coarsestLevel(257, 10, 256), 1);
  assert.equal(coarsestLevel(4000, 3000, 256), 4);
});

test('tiles over a rectangle cover it, and their boxes end with the image', () => {
  assert.deepEqual(tilesOver({ x0: 511, y0: 512, x1: 1025, y1: 1024 }, 1, 256), { column0: 0, row0: 1, column1: 3, row1: 2 });
  assert.deepEqual(tilesOver({ x0: 31, y0: 0, x1: 33, y1: 1 }, -3, 256), { column0: 0, row0: 0, column1: 2, row1: 1 });
  assert.deepEqual(tileBox(2, 1, 1, 256, 1100, 700), { x0: 1024, y0: 512, x1: 1100, y1: 700 });
});
