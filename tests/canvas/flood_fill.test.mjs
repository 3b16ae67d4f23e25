import assert from 'node:assert/strict';
import { test } from 'node:test';

import { floodFill, rehearseFill } from '../../app/canvas/frontend/flood_fill.js';
import { pixelsOf, randomMap, reachable } from './random_maps.mjs';
import { between, seededRandom } from './seeded_random.mjs';

test('a flood holds the connected pixels whose every channel is near that of the clicked one', () => {
  const random = seededRandom(31);
  for (let round = 0; round < 500; round++) {
    const { width, height, pixels } = randomMap(random, 20, [0, 60, 120, 180, 255]);
    const rgba = new Uint8ClampedArray(4 * width * height);
    pixels.forEach((value, at) => {
      const noise = () => between(random, -6, 6);
      rgba.set([value + noise(), 255 - value + noise(), 128 + noise(), between(random, 0, 255)], 4 * at);
    });
    const [x, y] = [between(random, 0, width - 1), between(random, 0, height - 1)];
    const tolerance = [0, 4, 8, 12, 70, 255][between(random, 0, 5)];
    const seed = 4 * (y * width + x);
    const expected = reachable(width, height, x, y, (at) =>
      [0, 1, 2].every((channel) => Math.abs(rgba[4 * at + channel] - rgba[seed + channel]) <= tolerance),
    );
    assert.deepEqual(pixelsOf(floodFill(rgba, width, height, x, y, tolerance), width), expected, `${round}`);
  }
});

test('a flood goes on through images of thousands of columns, after others left their marks', () => {
  const random = seededRandom(33);
  for (let round = 0; round < 30; round++) {
    const [width, height] = [between(random, 200, 1100), between(random, 1, 12)];
    const rgba = new Uint8ClampedArray(4 * width * height);
    for (let at = 0; at < width * height; at++) rgba[4 * at] = random() < [0.02, 0.2, 0.35][round % 3] ? 255 : 0;
    const [x, y] = [between(random, 0, width - 1), between(random, 0, height - 1)];
    const seed = rgba[4 * (y * width + x)];
    const expected = reachable(width, height, x, y, (at) => rgba[4 * at] === seed);
    assert.deepEqual(pixelsOf(floodFill(rgba, width, height, x, y, 10), width), expected, `${round}`);
  }
});

test('the widest tolerance takes the whole image, and outside there is nothing', () => {
  const rgba = Uint8ClampedArray.from({ length: 4 * 12 }, (_, i) => (i * 97) % 256);
  assert.equal(pixelsOf(floodFill(rgba, 4, 3, 1, 1, 255), 4).length, 12);
  assert.equal(floodFill(rgba, 4, 3, 4, 1, 255), null);
});

test('a rehearsal changes neither the picture nor the fills after it, whatever the size', () => {
  const random = seededRandom(9);
  for (const [width, height] of [[1, 1], [3, 500], [400, 2], [300, 250]]) {
    const rgba = Uint8Array.from({ length: 4 * width * height }, () => between(random, 0, 40));
    const before = rgba.slice();
    const alone = floodFill(rgba, width, height, width >> 1, height >> 1, 12);
    rehearseFill({ rgba, width, height }, 12);
    assert.deepEqual(rgba, before);
    assert.deepEqual(floodFill(rgba, width, height, width >> 1, height >> 1, 12), alone);
  }
});
