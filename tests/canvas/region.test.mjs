import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import * as region from '../../app/canvas/frontend/region.js';
import { pixelsOf, randomMap } from './random_maps.mjs';
import { between, seededRandom } from './seeded_random.mjs';

function randomRegion(random, width, height) {
  const x0 = between(random, 0, width - 1);
  const y0 = between(random, 0, height - 1);
  const x1 = between(random, x0 + 1, width);
  const y1 = between(random, y0 + 1, height);
  const mask = Uint8Array.from({ length: (x1 - x0) * (y1 - y0) }, () => between(random, 0, 1));
  return { x0, y0, x1, y1, mask };
}

function randomOver(random) {
  return Uint8Array.from({ length: 256 }, () => between(random, 0, 1));
}

test('painting a region changes its pixels and no other', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 200; round++) {
    const map = randomMap(random);
    const before = map.pixels.slice();
    const some = randomRegion(random, map.width, map.height);
    const over = round % 2 ? randomOver(random) : undefined;
    const { x0, y0, x1, y1 } = some;
    assert.deepEqual(region.paintRegion(map, some, { value: 7, over }), { x0, y0, x1, y1 });
    const painted = new Set(pixelsOf(some, map.width, false));
    before.forEach((value, at) => {
      assert.equal(map.pixels[at], painted.has(at) && (!over || over[value]) ? 7 : value);
    });
  }
});

test('the suggestion goes only where nothing is labelled', () => {
  const random = seededRandom(12);
  for (let round = 0; round < 200; round++) {
    const map = randomMap(random);
    const before = map.pixels.slice();
    const suggestion = map.pixels.map(() => between(random, 0, 5));
    const some = randomRegion(random, map.width, map.height);
    const over = round % 2 ? randomOver(random) : undefined;
    region.paintRegion(map, some, { suggestion, over });
    const painted = new Set(pixelsOf(some, map.width, false));
    before.forEach((value, at) => {
      const takes = painted.has(at) && value === NOT_LABELLED && (!over || over[NOT_LABELLED]);
      assert.equal(map.pixels[at], takes ? suggestion[at] : value);
    });
  }
});

test('a change gives each pixel its own value, and none to locked ones', () => {
  const random = seededRandom(13);
  for (let round = 0; round < 200; round++) {
    const map = randomMap(random);
    const before = map.pixels.slice();
    const some = randomRegion(random, map.width, map.height);
    const values = some.mask.map(() => between(random, 0, 255));
    const over = round % 2 ? randomOver(random) : null;
    const { x0, y0, x1, y1 } = some;
    assert.deepEqual(region.applyChange(map, { ...some, values }, over), { x0, y0, x1, y1 });
    const painted = new Set(pixelsOf(some, map.width, false));
    before.forEach((value, at) => {
      const place = (Math.floor(at / map.width) - y0) * (x1 - x0) + (at % map.width) - x0;
      assert.equal(map.pixels[at], painted.has(at) && (!over || over[value]) ? values[place] : value);
    });
  }
});

test('nothing is painted by the empty region', () => {
  const map = { width: 2, height: 1, pixels: Uint8Array.of(1, 2) };
  assert.equal(region.paintRegion(map, null, { value: 3 }), null);
  assert.equal(region.applyChange(map, null), null);
  assert.deepEqual([...map.pixels], [1, 2]);
});
