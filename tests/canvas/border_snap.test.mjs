import assert from 'node:assert/strict';
import { test } from 'node:test';

import { snappedBorders } from '../../app/canvas/frontend/border_snap.js';
import { NOT_LABELLED, VOID } from '../../app/canvas/frontend/label_map.js';
import { applyChange } from '../../app/canvas/frontend/region.js';

/** A label map and a picture of the same size, from the class and the grey of each pixel. */
function scene(width, height, classOf, greyOf) {
  const pixels = new Uint8Array(width * height);
  const rgba = new Uint8Array(4 * width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      pixels[at] = classOf(x, y);
      rgba.fill(greyOf(x, y), 4 * at, 4 * at + 3);
    }
  }
  return { map: { pixels, width, height }, picture: { rgba, width, height } };
}

function snapped({ map, picture }) {
  const change = snappedBorders(map, picture);
  if (change) applyChange(map, change);
  return map.pixels;
}

const split = (at) => (x) => (x < at ? 20 : 200);
const halves = (at) => (x) => (x < at ? 0 : 1);

test('a border goes to the edge that is within reach', () => {
  for (const painted of [18, 19, 20, 21, 22]) {
    const pixels = snapped(scene(40, 30, halves(painted), split(20)));
    assert.deepEqual([...pixels], [...scene(40, 30, halves(20), split(20)).map.pixels], `painted at ${painted}`);
  }
});

test('one that is out of reach stays, and so does one without an edge', () => {
  const far = scene(40, 30, halves(12), split(20));
  const before = far.map.pixels.slice();
  const after = snapped(far);
  const moved = after.filter((value, at) => value !== before[at]).length;
  assert.ok(moved <= 2 * 30, 'by two pixels a row at most');
  assert.equal(snappedBorders(scene(40, 30, halves(20), split(20)).map, scene(40, 30, halves(20), split(20)).picture), null);
});

test('what is void or not labelled neither grows nor shrinks', () => {
  for (const other of [VOID, NOT_LABELLED]) {
    const { map, picture } = scene(40, 30, (x) => (x < 22 ? 0 : other), split(20));
    assert.equal(snappedBorders(map, picture), null);
  }
});

test('a thin line stays, and slivers beside it go', () => {
  const line = (x, y) => (x === 20 || (x === 8 && y > 3 && y < 9) ? 1 : 0);
  const pixels = snapped(scene(40, 30, line, () => 90));
  const left = [...pixels].filter((value) => value === 1).length;
  assert.equal(left, 30, 'the line of 30 pixels and not the sliver of 5');
});

test('every pixel keeps a class of the label map', () => {
  let state = 7;
  const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
  const values = [0, 3, 9, NOT_LABELLED, VOID];
  const cells = Array.from({ length: 48 }, () => values[Math.floor(random() * values.length)]);
  const classOf = (x, y) => cells[8 * Math.floor(y / 8) + Math.floor(x / 8)];
  const { map, picture } = scene(64, 48, classOf, () => Math.floor(random() * 256));
  const before = map.pixels.slice();
  const after = snapped({ map, picture });
  for (let at = 0; at < after.length; at++) {
    if (before[at] >= NOT_LABELLED) assert.equal(after[at], before[at]);
    else assert.ok([0, 3, 9].includes(after[at]));
  }
});
