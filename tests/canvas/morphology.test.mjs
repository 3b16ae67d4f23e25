import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectedRegion } from '../../app/canvas/frontend/connected.js';
import { grown, shrunk, smoothed } from '../../app/canvas/frontend/morphology.js';
import { holesOf, islandsOf } from '../../app/canvas/frontend/class_pieces.js';
import { pixelsOf, randomMap, reachable } from './random_maps.mjs';
import { between, seededRandom } from './seeded_random.mjs';

/** A random map, one class of it and, in every second round, one connected piece of that class. */
function* cases(seed, rounds) {
  const random = seededRandom(seed);
  for (let round = 0; round < rounds; round++) {
    const map = randomMap(random, 22);
    const at = between(random, 0, map.pixels.length - 1);
    const value = map.pixels[at];
    const { width, height, pixels } = map;
    const region = round % 2 ? connectedRegion(pixels, width, height, at % width, Math.floor(at / width)) : null;
    const members = region ? new Set(pixelsOf(region, width)) : null;
    const isInside = (i) => (members ? members.has(i) : pixels[i] === value);
    yield { map, value, region, isInside, random };
  }
}

/** What a change does, as pixel → value. */
function effectOf(change, map) {
  const effect = new Map();
  for (const at of pixelsOf(change, map.width)) {
    const [x, y] = [at % map.width, Math.floor(at / map.width)];
    effect.set(at, change.values[(y - change.y0) * (change.x1 - change.x0) + x - change.x0]);
  }
  if (change) assert.ok(effect.size > 0, 'an empty change is null');
  return effect;
}

function squaredDistance(map, one, other) {
  const dx = (one % map.width) - (other % map.width);
  const dy = Math.floor(one / map.width) - Math.floor(other / map.width);
  return dx * dx + dy * dy;
}

function indices(map) {
  return [...map.pixels.keys()];
}

/** Values at the least distance from a pixel among those that are not the class. */
function nearestOthers(map, at, value) {
  const others = indices(map).filter((i) => map.pixels[i] !== value);
  const least = Math.min(...others.map((i) => squaredDistance(map, at, i)));
  return { least, values: others.filter((i) => squaredDistance(map, at, i) === least).map((i) => map.pixels[i]) };
}

test('holes are what one cannot leave towards the border without crossing the class', () => {
  for (const { map, value, region, isInside } of cases(61, 400)) {
    const { width, height, pixels } = map;
    const free = new Set();
    for (const at of indices(map)) {
      const [x, y] = [at % width, Math.floor(at / width)];
      if (x > 0 && x < width - 1 && y > 0 && y < height - 1) continue;
      if (free.has(at)) continue;
      for (const one of reachable(width, height, x, y, (i) => !isInside(i))) free.add(one);
    }
    const expected = indices(map).filter((at) => !isInside(at) && !free.has(at) && pixels[at] !== value);
    assert.deepEqual(effectOf(holesOf(map, value, region), map), new Map(expected.map((at) => [at, value])));
  }
});

test('a ring of one pixel that closes over corners encloses a hole', () => {
  const pixels = Uint8Array.of(0, 1, 0, 1, 0, 1, 0, 1, 0);
  const map = { width: 3, height: 3, pixels };
  assert.deepEqual([...effectOf(holesOf(map, 1), map)], [[4, 1]]);
});

test('growing adds what a disk around any pixel of the class covers', () => {
  for (const { map, value, region, isInside, random } of cases(62, 300)) {
    const radius = between(random, 1, 7);
    const inside = indices(map).filter(isInside);
    const expected = indices(map).filter(
      (at) => map.pixels[at] !== value && inside.some((one) => squaredDistance(map, at, one) <= radius ** 2),
    );
    const found = effectOf(grown(map, value, radius, region), map);
    assert.deepEqual(found, new Map(expected.map((at) => [at, value])));
  }
});

test('shrinking takes what a disk around any other pixel covers, and gives it the nearest other value', () => {
  for (const { map, value, region, isInside, random } of cases(63, 150)) {
    const radius = between(random, 1, 7);
    const found = effectOf(shrunk(map, value, radius, region), map);
    for (const at of indices(map)) {
      const { least, values } = nearestOthers(map, at, value);
      const leaves = isInside(at) && least <= radius ** 2;
      assert.equal(found.has(at), leaves);
      if (leaves) assert.ok(values.includes(found.get(at)));
    }
  }
});

test('smoothing follows the majority of the disk', () => {
  for (const { map, value, region, isInside, random } of cases(64, 60)) {
    const radius = between(random, 1, 6);
    const found = effectOf(smoothed(map, value, radius, region), map);
    for (const at of indices(map)) {
      const disk = indices(map).filter((one) => squaredDistance(map, at, one) <= radius ** 2);
      const surplus = 2 * disk.filter(isInside).length - disk.length;
      if (!isInside(at)) {
        assert.equal(found.get(at), surplus > 0 && map.pixels[at] !== value ? value : undefined);
        continue;
      }
      const { least, values } = nearestOthers(map, at, value);
      const leaves = surplus < 0 && least <= radius ** 2;
      assert.equal(found.has(at), leaves);
      if (leaves) assert.ok(values.includes(found.get(at)));
    }
  }
});

test('islands are the small pieces, and take the value they share the most border with', () => {
  for (const { map, value, region, isInside, random } of cases(65, 100)) {
    const { width, height, pixels } = map;
    const smallest = between(random, 1, 40);
    const expected = new Map();
    for (const at of indices(map)) {
      if (!isInside(at) || expected.has(at)) continue;
      const piece = reachable(width, height, at % width, Math.floor(at / width), isInside);
      if (piece.length >= smallest) continue;
      const counts = new Array(256).fill(0);
      for (const one of piece) {
        for (const other of [one - 1, one + 1, one - width, one + width]) {
          const isBeside = other >= 0 && other < pixels.length && squaredDistance(map, one, other) === 1;
          if (isBeside && pixels[other] !== value) counts[pixels[other]]++;
        }
      }
      const most = Math.max(...counts);
      if (most > 0) for (const one of piece) expected.set(one, counts.indexOf(most));
    }
    const found = effectOf(islandsOf(map, value, smallest, region), map);
    assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()));
  }
});

test('a class that is not there, or has nothing to tidy, changes nothing', () => {
  const map = { width: 5, height: 4, pixels: new Uint8Array(20).fill(3) };
  for (const tool of [grown, shrunk, smoothed, islandsOf]) {
    assert.equal(tool(map, 1, 2), null, tool.name);
  }
  assert.equal(holesOf(map, 1), null);
  assert.equal(holesOf(map, 3), null);
  for (const tool of [grown, shrunk, smoothed, islandsOf]) assert.equal(tool(map, 3, 2), null, tool.name);
});
