import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as labelMap from '../../app/canvas/frontend/label_map.js';
import { between, seededRandom } from './seeded_random.mjs';

const { NOT_LABELLED, VOID } = labelMap;

function emptyMap(width, height) {
  return { width, height, pixels: new Uint8Array(width * height).fill(NOT_LABELLED) };
}

function distanceToLine(x, y, from, to) {
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const along = ((x - from.x) * dx + (y - from.y) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(x - from.x - t * dx, y - from.y - t * dy);
}

function assertInside(rectangle, map, before) {
  for (let i = 0; i < map.pixels.length; i++) {
    if (map.pixels[i] === before[i]) continue;
    const [x, y] = [i % map.width, Math.floor(i / map.width)];
    assert.ok(rectangle, 'pixels changed without a rectangle');
    assert.ok(x >= rectangle.x0 && x < rectangle.x1 && y >= rectangle.y0 && y < rectangle.y1, `${x}, ${y}`);
  }
}

function countsOf(pixels) {
  const counts = new Uint32Array(256);
  for (const value of pixels) counts[value]++;
  return counts;
}

test('a stroke paints exactly the pixels near its line', () => {
  const random = seededRandom(2);
  for (let round = 0; round < 300; round++) {
    const map = emptyMap(between(random, 1, 60), between(random, 1, 60));
    const before = map.pixels.slice();
    const point = () => ({ x: random() * 90 - 15, y: random() * 90 - 15 });
    const from = point();
    const to = round % 3 === 0 ? from : round % 3 === 1 ? { x: point().x, y: from.y } : point();
    const radius = 0.5 + random() * 20;
    const changed = labelMap.paintStroke(map, from, to, radius, { value: 3 });
    assertInside(changed, map, before);
    for (let y = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++) {
        const distance = distanceToLine(x + 0.5, y + 0.5, from, to);
        if (Math.abs(distance - radius) < 1e-9) continue;
        const isEnd = [from, to].some((end) => Math.floor(end.x) === x && Math.floor(end.y) === y);
        assert.equal(map.pixels[y * map.width + x] === 3, distance < radius || isEnd, `${round}: ${x}, ${y}`);
      }
    }
  }
});

test('the smallest brush paints the pixel under the cursor, and lines without holes', () => {
  const map = emptyMap(20, 20);
  labelMap.paintStroke(map, { x: 4.5, y: 7.5 }, { x: 4.5, y: 7.5 }, 0.5, { value: 1 });
  assert.equal(map.pixels[7 * 20 + 4], 1);
  assert.equal(countsOf(map.pixels)[1], 1);
  labelMap.paintStroke(map, { x: 0.5, y: 0.5 }, { x: 19.5, y: 6.5 }, 0.5, { value: 2 });
  for (let x = 0; x < 20; x++) {
    assert.ok([...Array(20).keys()].some((y) => map.pixels[y * 20 + x] === 2), `column ${x}`);
  }
});

test('a stroke outside the image changes nothing', () => {
  const map = emptyMap(10, 10);
  assert.equal(labelMap.paintStroke(map, { x: -30, y: 5 }, { x: -20, y: 5 }, 5, { value: 1 }), null);
  assert.equal(countsOf(map.pixels)[NOT_LABELLED], 100);
});

function windingNumber(x, y, points) {
  let winding = 0;
  for (let i = 0; i < points.length; i++) {
    const a = points[i];
    const b = points[(i + 1) % points.length];
    if (a.y <= y === b.y <= y) continue;
    if (a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x) > x) winding += a.y < b.y ? 1 : -1;
  }
  return winding;
}

test('a polygon paints exactly the pixels whose centre it encloses', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 300; round++) {
    const map = emptyMap(between(random, 1, 50), between(random, 1, 50));
    const before = map.pixels.slice();
    const points = Array.from({ length: between(random, 3, 12) }, () => ({ x: random() * 80 - 15, y: random() * 80 - 15 }));
    const changed = labelMap.paintPolygon(map, points, { value: VOID });
    assertInside(changed, map, before);
    for (let y = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++) {
        const inside = windingNumber(x + 0.5, y + 0.5, points) !== 0;
        assert.equal(map.pixels[y * map.width + x] === VOID, inside, `${round}: ${x}, ${y}`);
      }
    }
  }
});

test('polygons that share an edge leave no gap and do not overlap', () => {
  const map = emptyMap(40, 40);
  const seam = [{ x: 20.3, y: 0 }, { x: 13.7, y: 40 }];
  labelMap.paintPolygon(map, [{ x: 0, y: 0 }, ...seam, { x: 0, y: 40 }], { value: 1 });
  const left = countsOf(map.pixels)[1];
  labelMap.paintPolygon(map, [seam[0], { x: 40, y: 0 }, { x: 40, y: 40 }, seam[1]], { value: 2 });
  const counts = countsOf(map.pixels);
  assert.equal(counts[1], left);
  assert.equal(counts[1] + counts[2], 1600);
});

test('accepting moves the suggestion only where nothing is labelled', () => {
  const map = emptyMap(4, 1);
  map.pixels.set([5, VOID], 0);
  const suggestion = Uint8Array.of(1, 2, 3, 4);
  labelMap.paintStroke(map, { x: 0, y: 0.5 }, { x: 3, y: 0.5 }, 0.5, { suggestion });
  assert.deepEqual([...map.pixels], [5, VOID, 3, 4]);
  map.pixels[3] = NOT_LABELLED;
  labelMap.acceptAll(map.pixels, suggestion);
  assert.deepEqual([...map.pixels], [5, VOID, 3, 4]);
});

test('accepting takes every pixel that is not labelled, wherever the map begins in memory', () => {
  const random = seededRandom(12);
  for (const offset of [0, 1, 4]) {
    const pixels = new Uint8Array(1000 + offset).subarray(offset);
    const suggestion = Uint8Array.from({ length: 1000 }, () => between(random, 0, 5));
    for (let at = 0; at < 1000; ) {
      const end = at + between(random, 1, 150);
      pixels.fill(random() < 0.5 ? NOT_LABELLED : 9, at, end);
      at = end;
    }
    const expected = pixels.map((value, at) => (value === NOT_LABELLED ? suggestion[at] : value));
    labelMap.acceptAll(pixels, suggestion);
    assert.deepEqual(pixels, expected);
  }
});

test('filling the rest leaves what is labelled', () => {
  const map = emptyMap(3, 1);
  map.pixels[1] = VOID;
  labelMap.fillRest(map, 0);
  assert.deepEqual([...map.pixels], [0, VOID, 0]);
});

test('a merge is theirs, and mine where theirs is not labelled', () => {
  const N = NOT_LABELLED;
  assert.deepEqual([...labelMap.merged(Uint8Array.of(1, N, N, 255), Uint8Array.of(2, 3, N, 4))], [1, 3, N, 255]);
});

test('what a class had that is taken out is not labelled', () => {
  const pixels = Uint8Array.of(0, 1, 2, NOT_LABELLED, VOID, 1);
  assert.deepEqual(labelMap.withoutClasses(pixels, [1, 7]), Uint8Array.of(0, NOT_LABELLED, 2, NOT_LABELLED, VOID, NOT_LABELLED));
  assert.deepEqual([...labelMap.withoutClasses(pixels, [])], [0, 254, 2, 254, 255, 254]);
});
