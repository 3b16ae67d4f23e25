import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { SuperpixelMap, decodeSuperpixels } from '../../app/canvas/frontend/superpixel_map.js';
import { pixelsOf } from './random_maps.mjs';
import { between, seededRandom } from './seeded_random.mjs';

const golden = JSON.parse(readFileSync(new URL('../golden/superpixels.json', import.meta.url), 'utf8'));

for (const { name, width, height, ids, hex } of golden) {
  test(`the bytes are Python's: ${name}`, () => {
    const decoded = decodeSuperpixels(new Uint8Array(Buffer.from(hex, 'hex')));
    assert.deepEqual(decoded, { width, height, ids: Uint16Array.from(ids) });
  });
}

function bytesOf(width, height, ids) {
  const bytes = new Uint8Array(8 + 2 * ids.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, width, true);
  view.setUint32(4, height, true);
  ids.forEach((id, i) => view.setUint16(8 + 2 * i, id, true));
  return bytes;
}

function randomGrid(random) {
  const [width, height] = [between(random, 1, 20), between(random, 1, 20)];
  const ids = Array.from({ length: width * height }, () => between(random, 0, 5));
  const imageWidth = between(random, width, 3 * width);
  const imageHeight = between(random, height, 3 * height);
  const idOf = (x, y) =>
    ids[Math.floor((y * height) / imageHeight) * width + Math.floor((x * width) / imageWidth)];
  return { map: new SuperpixelMap(bytesOf(width, height, ids), imageWidth, imageHeight), idOf };
}

test('each pixel of the image belongs to the superpixel of its cell', () => {
  const random = seededRandom(51);
  for (let round = 0; round < 100; round++) {
    const { map, idOf } = randomGrid(random);
    for (let y = 0; y < map.imageHeight; y++) {
      for (let x = 0; x < map.imageWidth; x++) assert.equal(map.at(x + 0.5, y + 0.5), idOf(x, y));
    }
    for (const [x, y] of [[-0.1, 0], [map.imageWidth, 0], [0, -0.1], [0, map.imageHeight]]) {
      assert.equal(map.at(x, y), -1);
    }
  }
});

test('the region of some superpixels holds exactly their pixels', () => {
  const random = seededRandom(52);
  for (let round = 0; round < 300; round++) {
    const { map, idOf } = randomGrid(random);
    const chosen = new Set();
    while (chosen.size < between(random, 1, 3)) {
      chosen.add(idOf(between(random, 0, map.imageWidth - 1), between(random, 0, map.imageHeight - 1)));
      if (map.count < 3) break;
    }
    const expected = [];
    for (let at = 0; at < map.imageWidth * map.imageHeight; at++) {
      if (chosen.has(idOf(at % map.imageWidth, Math.floor(at / map.imageWidth)))) expected.push(at);
    }
    assert.deepEqual(pixelsOf(map.regionOf(chosen), map.imageWidth), expected);
  }
  assert.equal(randomGrid(random).map.regionOf([]), null);
});

test('a stroke meets every superpixel under it', () => {
  const map = new SuperpixelMap(bytesOf(4, 2, [0, 1, 2, 3, 4, 4, 4, 5]), 8, 4);
  assert.deepEqual([...map.along({ x: 0.5, y: 0.5 }, { x: 7.5, y: 0.5 })], [0, 1, 2, 3]);
  assert.deepEqual([...map.along({ x: 7.5, y: 3.5 }, { x: -5, y: 3.5 })], [5, 4]);
  assert.deepEqual([...map.along({ x: 3, y: 1 }, { x: 3, y: 1 })], [1]);
});

test('bytes that do not describe a grid are refused', () => {
  const good = bytesOf(2, 2, [0, 0, 1, 1]);
  for (const bytes of [good.slice(0, -1), good.slice(0, 7), new Uint8Array(8), Uint8Array.of(...good, 0)]) {
    assert.throws(() => decodeSuperpixels(bytes), RangeError);
  }
});
