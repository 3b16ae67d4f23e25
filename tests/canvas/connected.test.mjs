import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectedRegion } from '../../app/canvas/frontend/connected.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { pixelsOf, randomMap, reachable } from './random_maps.mjs';
import { between, seededRandom } from './seeded_random.mjs';

test('a connected region is what one reaches through equal values', () => {
  const random = seededRandom(21);
  for (let round = 0; round < 1000; round++) {
    const { width, height, pixels } = randomMap(random, 24, round % 2 ? [0, 1] : [0, 1, 2, 254]);
    const [x, y] = [between(random, 0, width - 1), between(random, 0, height - 1)];
    const expected = reachable(width, height, x, y, (at) => pixels[at] === pixels[y * width + x]);
    assert.deepEqual(pixelsOf(connectedRegion(pixels, width, height, x, y), width), expected, `${round}`);
  }
});

test('noise is followed through every turn', () => {
  const random = seededRandom(22);
  for (let round = 0; round < 300; round++) {
    const [width, height] = [between(random, 1, 30), between(random, 1, 30)];
    const pixels = Uint8Array.from({ length: width * height }, () => (random() < 0.6 ? 1 : 0));
    const [x, y] = [between(random, 0, width - 1), between(random, 0, height - 1)];
    const expected = reachable(width, height, x, y, (at) => pixels[at] === pixels[y * width + x]);
    assert.deepEqual(pixelsOf(connectedRegion(pixels, width, height, x, y), width), expected, `${round}`);
  }
});

test('a region of the suggestion stays where the label map allows it', () => {
  const random = seededRandom(23);
  const allowed = new Uint8Array(256);
  allowed[NOT_LABELLED] = 1;
  for (let round = 0; round < 500; round++) {
    const { width, height, pixels } = randomMap(random, 20, [0, 1, 2]);
    const labels = pixels.map(() => (random() < 0.8 ? NOT_LABELLED : 1));
    const [x, y] = [between(random, 0, width - 1), between(random, 0, height - 1)];
    const wanted = pixels[y * width + x];
    const expected = reachable(width, height, x, y, (at) => pixels[at] === wanted && labels[at] === NOT_LABELLED);
    const found = connectedRegion(pixels, width, height, x, y, { values: labels, allowed });
    assert.deepEqual(pixelsOf(found, width), expected);
    if (labels[y * width + x] !== NOT_LABELLED) assert.equal(found, null);
  }
});

test('there is no region outside the image', () => {
  for (const [x, y] of [[-1, 0], [3, 0], [0, -1], [0, 2]]) {
    assert.equal(connectedRegion(new Uint8Array(6), 3, 2, x, y), null);
  }
});
