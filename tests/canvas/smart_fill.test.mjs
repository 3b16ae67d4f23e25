import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { SmartFill } from '../../app/canvas/frontend/smart_fill.js';
import { pixelsOf } from './random_maps.mjs';
import { hasPixel, pixelCount } from './region_pixels.mjs';
import { between, seededRandom } from './seeded_random.mjs';

const open = new Uint8Array(256);
open[NOT_LABELLED] = 1;

/** An image of noisy colours, the `kindOf` a pixel choosing among them; nothing is labelled. */
function sourcesOf(width, height, kindOf, seed = 81) {
  const random = seededRandom(seed);
  const colours = [[60, 70, 60], [150, 120, 90], [40, 90, 170]];
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const [red, green, blue] = colours[kindOf(x, y)];
      const noise = between(random, -8, 8);
      rgba.set([red + noise, green + noise, blue + between(random, -4, 4), 255], at);
    }
  }
  const labels = new Uint8Array(width * height).fill(NOT_LABELLED);
  return { width, height, rgba, labels, suggestion: null, uncertainty: null };
}

/** Pixels in both, of those in either. */
function overlap(region, width, height, isWanted) {
  let both = 0;
  let either = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const found = hasPixel(region, x, y);
      const wanted = isWanted(x, y);
      both += found && wanted;
      either += found || wanted;
    }
  }
  return both / either;
}

const inDisk = (cx, cy, radius) => (x, y) => Math.hypot(x + 0.5 - cx, y + 0.5 - cy) <= radius;

test('a click in a disk takes the disk, up to its edge', () => {
  const isDisk = inDisk(70, 60, 30);
  const fill = new SmartFill(sourcesOf(140, 120, (x, y) => (isDisk(x, y) ? 1 : 0)), [{ x: 66, y: 55 }], { open });
  assert.ok(overlap(fill.regionAt(fill.level), 140, 120, isDisk) > 0.96);
});

test('a click on the ground leaves out what lies on it', () => {
  const isDisk = inDisk(70, 60, 30);
  const sources = sourcesOf(140, 120, (x, y) => (isDisk(x, y) ? 1 : 0));
  const fill = new SmartFill(sources, [{ x: 10, y: 10 }], { open });
  assert.ok(overlap(fill.regionAt(fill.level), 140, 120, (x, y) => !isDisk(x, y)) > 0.96);
});

test('in a window of many pixels the edge is still exact to a pixel or so', () => {
  const isDisk = inDisk(500, 400, 210);
  const sources = sourcesOf(1000, 800, (x, y) => (isDisk(x, y) ? 1 : 0));
  const fill = new SmartFill(sources, [{ x: 450, y: 380 }], { open });
  assert.ok(fill.grid.scale > 1);
  assert.ok(overlap(fill.regionAt(fill.level), 1000, 800, isDisk) > 0.98);
});

test('a scribble over two colours takes both', () => {
  const kindOf = (x) => (x < 40 ? 0 : x < 80 ? 1 : 2);
  const points = [{ x: 20, y: 30 }, { x: 60, y: 32 }];
  const fill = new SmartFill(sourcesOf(120, 60, kindOf), points, { open });
  assert.ok(overlap(fill.regionAt(fill.level), 120, 60, (x) => x < 80) > 0.95);
});

test('each level holds the ones below it, and they differ', () => {
  const sources = sourcesOf(100, 80, (x, y) => (x + y < 90 ? 0 : 2));
  const fill = new SmartFill(sources, [{ x: 20, y: 20 }], { open });
  let before = new Set();
  const counts = new Set();
  for (let level = 0; level < 36; level++) {
    const region = new Set(pixelsOf(fill.regionAt(level), 100, false));
    for (const at of before) assert.ok(region.has(at));
    counts.add(region.size);
    before = region;
  }
  assert.ok(counts.size > 5);
  assert.equal(fill.levelBeside(fill.level, 1), fill.level + 1);
  assert.equal(fill.levelBeside(0, -1), 0);
  assert.equal(fill.levelBeside(fill.level, 999), 35);
});

test('labelled pixels are never covered, and a line of them stops the fill', () => {
  const sources = sourcesOf(90, 70, () => 0);
  // A staircase whose pixels touch by their corners only.
  for (let y = 0; y < 70; y++) sources.labels[y * 90 + 30 + Math.floor(y / 2)] = 3;
  for (let y = 0; y < 70; y += 2) sources.labels[y * 90 + 70] = 254;
  const fill = new SmartFill(sources, [{ x: 10, y: 35 }], { open });
  const region = fill.regionAt(35);
  for (const at of pixelsOf(region, 90, false)) {
    const [x, y] = [at % 90, Math.floor(at / 90)];
    assert.ok(x < 30 + Math.floor(y / 2), `${x}, ${y}`);
  }
  assert.equal(pixelCount(region), [...Array(70).keys()].reduce((sum, y) => sum + 30 + Math.floor(y / 2), 0));
});

test('a wall of one pixel holds on coarse grids too, and is filled up to', () => {
  const sources = sourcesOf(1000, 800, () => 0);
  for (let y = 0; y < 800; y++) sources.labels[y * 1000 + 501] = 3;
  const fill = new SmartFill(sources, [{ x: 100, y: 400 }], { open });
  assert.ok(fill.grid.scale > 1);
  const region = fill.regionAt(35);
  assert.ok(pixelsOf(region, 1000, false).every((at) => at % 1000 < 501));
  assert.ok(pixelCount(region) > 0.995 * 501 * 800);
});

test('the suggestion parts what looks alike', () => {
  const sources = sourcesOf(120, 80, () => 0);
  sources.suggestion = Uint8Array.from({ length: 120 * 80 }, (_, at) => (at % 120 < 70 ? 0 : 1));
  const fill = new SmartFill(sources, [{ x: 20, y: 40 }], { open });
  assert.ok(overlap(fill.regionAt(fill.level), 120, 80, (x) => x < 70) > 0.95);
});

test('where the model is unsure its suggestion parts nothing', () => {
  const sources = sourcesOf(120, 80, () => 0);
  sources.suggestion = Uint8Array.from({ length: 120 * 80 }, (_, at) => (at % 120 < 70 ? 0 : 1));
  sources.uncertainty = { width: 3, height: 2, values: new Uint8Array(6).fill(255) };
  const fill = new SmartFill(sources, [{ x: 20, y: 40 }], { open });
  assert.ok(overlap(fill.regionAt(fill.level), 120, 80, () => true) > 0.95);
});

test('a fill keeps to its window, and starts nowhere outside of it or on a wall', () => {
  const sources = sourcesOf(100, 80, () => 0);
  const window = { x0: 20, y0: 10, x1: 61, y1: 50 };
  const inside = new SmartFill(sources, [{ x: 30, y: 30 }], { open, window });
  const { x0, y0, x1, y1 } = inside.regionAt(35);
  assert.deepEqual({ x0, y0, x1, y1 }, window);
  assert.equal(pixelCount(inside.regionAt(35)), 41 * 40);
  assert.equal(new SmartFill(sources, [{ x: 80, y: 30 }], { open, window }).regionAt(35), null);
  sources.labels.fill(1);
  assert.equal(new SmartFill(sources, [{ x: 30, y: 30 }], { open, window }).regionAt(35), null);
});
