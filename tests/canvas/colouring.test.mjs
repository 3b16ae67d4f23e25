import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Colouring, REACH, REMOVED, SUGGESTED, UNCHANGED } from '../../app/canvas/frontend/colouring.js';
import { PLAIN } from '../../app/canvas/frontend/display.js';
import { NOT_LABELLED, VOID, acceptAbove } from '../../app/canvas/frontend/label_map.js';
import { lookOf } from '../../app/canvas/frontend/palette.js';
import { between, seededRandom } from './seeded_random.mjs';

const SIDE = 64;
const CLASSES = [0, 1, 2, 3].map((index) => ({ index, name: `class ${index}`, colour: `#${index + 1}0000${index}` }));

/** A look in which every key has a colour of its own, so that colours tell keys. */
function tellingLook(display = {}) {
  const look = lookOf(CLASSES, { label: 1, suggestion: 1 }, { ...PLAIN, ...display }, 0);
  for (let key = 0; key < look.rank.length; key++) look.colours.fill(look.rank[key] ? key + 1 : 0, 2 * key, 2 * key + 2);
  return look;
}

function sourceOf(width, height, more = {}) {
  const pixels = new Uint8Array(width * height).fill(NOT_LABELLED);
  return { width, height, pixels, suggestion: null, base: null, uncertainty: null, mostUncertain: -1, ...more };
}

/** Keys of all tile pixels of a level, −1 for what is not seen. */
function keysAt(source, level, look = tellingLook(), side = SIDE) {
  const width = Math.ceil(source.width / 2 ** level);
  const height = Math.ceil(source.height / 2 ** level);
  const out = new Uint32Array(width * height);
  const colouring = new Colouring(side);
  for (let y0 = 0; y0 < height; y0 += side) {
    for (let x0 = 0; x0 < width; x0 += side) {
      const box = { x0, y0, x1: Math.min(width, x0 + side), y1: Math.min(height, y0 + side) };
      colouring.paint(source, look, level, box, out, y0 * width + x0, width);
    }
  }
  return { width, height, at: (x, y) => out[y * width + x] - 1, all: Array.from(out, (key) => key - 1) };
}

test('at full size every pixel shows its own value', () => {
  const source = sourceOf(37, 29);
  const random = seededRandom(1);
  for (let i = 0; i < source.pixels.length; i++) source.pixels[i] = [0, 1, 2, VOID, NOT_LABELLED][between(random, 0, 4)];
  const expected = Array.from(source.pixels, (value) => (value === NOT_LABELLED ? -1 : value));
  assert.deepEqual(keysAt(source, 0).all, expected);
});

test('finer levels repeat each pixel', () => {
  const source = sourceOf(9, 7);
  source.pixels[3 * 9 + 4] = 2;
  const keys = keysAt(source, -2);
  for (let y = 0; y < keys.height; y++) {
    for (let x = 0; x < keys.width; x++) assert.equal(keys.at(x, y), x >> 2 === 4 && y >> 2 === 3 ? 2 : -1);
  }
});

test('a line of one pixel is seen at every level, wherever it lies', () => {
  for (const level of [1, 2, 3, 4]) {
    for (let place = 0; place < 40; place++) {
      const flat = sourceOf(101, 97);
      flat.pixels.fill(0).fill(1, place * 101, (place + 1) * 101);
      const across = keysAt(flat, level);
      for (let x = 0; x < across.width; x++) {
        const seen = [...Array(across.height).keys()].filter((y) => across.at(x, y) === 1);
        assert.deepEqual(seen, [place >> level], `level ${level}, row ${place}, column ${x}`);
      }
      const upright = sourceOf(97, 101);
      upright.pixels.fill(0);
      for (let y = 0; y < 101; y++) upright.pixels[y * 97 + place] = 1;
      const along = keysAt(upright, level);
      for (let y = 0; y < along.height; y++) {
        const seen = [...Array(along.width).keys()].filter((x) => along.at(x, y) === 1);
        assert.deepEqual(seen, [place >> level], `level ${level}, column ${place}, row ${y}`);
      }
    }
  }
});

test('a slanted line of one pixel leaves no gap of two tile pixels', () => {
  for (const level of [1, 2, 3]) {
    for (let start = 0; start < 2 ** level; start++) {
      const source = sourceOf(128, 160);
      source.pixels.fill(0);
      for (let x = 0; x < 128; x++) source.pixels[(x + start) * 128 + x] = 1;
      const keys = keysAt(source, level);
      for (let y = 1; y < 120 >> level; y++) {
        const near = [y - 1, y].some((row) => [...Array(keys.width).keys()].some((x) => keys.at(x, row) === 1));
        assert.ok(near, `level ${level}, start ${start}, row ${y}`);
      }
    }
  }
});

test('the edge between two large regions stays where it is', () => {
  for (const level of [1, 2, 3]) {
    for (let edge = 16; edge < 33; edge++) {
      const source = sourceOf(64, 8);
      for (let i = 0; i < source.pixels.length; i++) source.pixels[i] = i % 64 < edge ? 0 : 1;
      const keys = keysAt(source, level);
      const size = 2 ** level;
      for (let x = 0; x < keys.width; x++) assert.equal(keys.at(x, 0), x * size + size / 2 < edge ? 0 : 1);
    }
  }
});

test('a label shows over a suggestion around it, a crumb of suggestion not over a label', () => {
  const source = sourceOf(64, 64, { suggestion: new Uint8Array(64 * 64).fill(3) });
  for (let x = 0; x < 64; x++) source.pixels[9 * 64 + x] = 1;
  const lined = keysAt(source, 2);
  assert.equal(lined.at(5, 2), 1);
  assert.equal(lined.at(5, 3), SUGGESTED + 3);
  source.pixels.fill(1);
  for (let x = 0; x < 64; x++) source.pixels[9 * 64 + x] = NOT_LABELLED;
  assert.equal(keysAt(source, 2).at(5, 2), 1);
});

test('tiles join: how an image is cut changes nothing', () => {
  const random = seededRandom(5);
  const source = sourceOf(150, 131, { suggestion: new Uint8Array(150 * 131) });
  for (let i = 0; i < source.pixels.length; i++) {
    source.pixels[i] = [0, 1, NOT_LABELLED][between(random, 0, 2)];
    source.suggestion[i] = between(random, 0, 3);
  }
  for (const level of [-1, 0, 1, 2, 3]) {
    assert.deepEqual(keysAt(source, level, tellingLook(), 16).all, keysAt(source, level, tellingLook(), 512).all);
  }
});

test('blocks compared by words show what a search of all of them does', () => {
  const random = seededRandom(6);
  for (let round = 0; round < 40; round++) {
    const [width, height] = [4 * between(random, 10, 40), between(random, 30, 90)];
    const source = sourceOf(width, height, round % 2 ? { suggestion: new Uint8Array(width * height) } : {});
    source.suggestion?.forEach((_, at, all) => (all[at] = at % width < 30 ? 1 : 2));
    for (let box = 0; box < 12; box++) {
      const [x, y, side] = [between(random, 0, width - 1), between(random, 0, height - 1), [1, 2, 25][between(random, 0, 2)]];
      const value = [0, 1, 2, VOID, NOT_LABELLED][between(random, 0, 4)];
      for (let row = y; row < Math.min(height, y + side); row++) {
        source.pixels.fill(value, row * width + x, row * width + Math.min(width, x + side));
      }
    }
    // Where the map does not begin on a whole word, no words are compared.
    const pixels = new Uint8Array(width * height + 1).subarray(1);
    pixels.set(source.pixels);
    for (const level of [2, 3, 4]) {
      assert.deepEqual(keysAt(source, level).all, keysAt({ ...source, pixels }, level).all, `round ${round}, level ${level}`);
    }
  }
});

test('blocks of two by two show what the search of larger blocks would', () => {
  const random = seededRandom(8);
  for (let round = 0; round < 300; round++) {
    const [width, height] = [between(random, 1, 23), between(random, 1, 23)];
    const suggestion = Uint8Array.from({ length: width * height }, () => [0, 1, 2, 3, NOT_LABELLED][between(random, 0, 4)]);
    const source = sourceOf(width, height, { suggestion });
    source.pixels.forEach((_, at, all) => (all[at] = [0, 1, VOID, NOT_LABELLED, NOT_LABELLED][between(random, 0, 4)]));
    const look = tellingLook({ outlines: round % 2 === 1 });
    look.rank.forEach((_, key, all) => (all[key] = between(random, 0, 3)));
    // With a limit but no uncertainty map the keys are the same, and the search is the one for all sizes.
    const searched = keysAt({ ...source, mostUncertain: 0 }, 1, look, 5).all;
    assert.deepEqual(keysAt(source, 1, look, 5).all, searched, `round ${round}`);
  }
});

test('colouring only around a change gives what colouring everything gives', () => {
  const random = seededRandom(7);
  const source = sourceOf(120, 110);
  for (let i = 0; i < source.pixels.length; i++) source.pixels[i] = between(random, 0, 9) ? 0 : 1;
  for (const [level, outlines] of [[-1, true], [0, true], [1, false], [2, false], [3, false], [2, true]]) {
    const look = tellingLook({ outlines });
    const [width, height] = [Math.ceil(120 / 2 ** level), Math.ceil(110 / 2 ** level)];
    const out = new Uint32Array(width * height);
    const colouring = new Colouring(256);
    colouring.paint(source, look, level, { x0: 0, y0: 0, x1: width, y1: height }, out, 0, width);
    const [x, y] = [between(random, 20, 80), between(random, 20, 80)];
    for (let row = y; row < y + 9; row++) source.pixels.fill(2, row * 120 + x, row * 120 + x + 7);
    const box = {
      x0: Math.floor(x / 2 ** level) - REACH,
      y0: Math.floor(y / 2 ** level) - REACH,
      x1: Math.min(width, Math.ceil((x + 7) / 2 ** level) + REACH),
      y1: Math.min(height, Math.ceil((y + 9) / 2 ** level) + REACH),
    };
    box.x0 = Math.max(0, box.x0);
    box.y0 = Math.max(0, box.y0);
    colouring.paint(source, look, level, box, out, box.y0 * width + box.x0, width);
    assert.deepEqual(Array.from(out, (key) => key - 1), keysAt(source, level, look, 256).all, `level ${level}`);
  }
});

test('outlines keep only pixels beside another key', () => {
  const source = sourceOf(20, 20);
  for (let y = 5; y < 15; y++) source.pixels.fill(1, y * 20 + 5, y * 20 + 15);
  const keys = keysAt(source, 0, tellingLook({ outlines: true }));
  assert.equal(keys.at(5, 9), 1);
  assert.equal(keys.at(14, 14), 1);
  assert.equal(keys.at(9, 9), -1);
});

test('hidden classes are not seen and hide nothing', () => {
  const source = sourceOf(64, 64);
  source.pixels.fill(0);
  source.pixels.fill(1, 9 * 64, 10 * 64);
  const look = tellingLook({ hidden: new Set([1]) });
  assert.equal(keysAt(source, 0, look).at(3, 9), -1);
  assert.equal(keysAt(source, 2, look).at(3, 2), 0);
});

test('the difference view tells unchanged, changed and taken away', () => {
  const source = sourceOf(4, 1, { base: Uint8Array.of(0, 0, 0, NOT_LABELLED), suggestion: new Uint8Array(4) });
  source.pixels.set([0, 1, NOT_LABELLED, NOT_LABELLED]);
  assert.deepEqual(keysAt(source, 0).all, [UNCHANGED, 1, REMOVED, -1]);
});

test('against the suggestion, what is not labelled is still suggested', () => {
  const suggestion = Uint8Array.of(0, 0, 0);
  const source = sourceOf(3, 1, { base: suggestion, suggestion });
  source.pixels.set([0, 1, NOT_LABELLED]);
  assert.deepEqual(keysAt(source, 0).all, [UNCHANGED, 1, SUGGESTED]);
});

test('what shows as sure enough is what is then accepted', () => {
  const random = seededRandom(9);
  const uncertainty = { width: 13, height: 7, values: Uint8Array.from({ length: 91 }, () => between(random, 0, 255)) };
  for (const confidence of [0, 0.3, 0.55, 0.9, 1]) {
    const suggestion = new Uint8Array(60 * 40).fill(2);
    const source = sourceOf(60, 40, { suggestion, uncertainty, mostUncertain: 255 * (1 - confidence) });
    const shown = keysAt(source, 0).all.map((key) => (key === 2 ? 2 : NOT_LABELLED));
    acceptAbove(source, suggestion, uncertainty, confidence);
    assert.deepEqual(shown, [...source.pixels], `confidence ${confidence}`);
  }
});

test('a suggestion sure enough shows as a label, at the map\'s own resolution', () => {
  const uncertainty = { width: 2, height: 1, values: Uint8Array.of(20, 200) };
  const source = sourceOf(4, 2, { suggestion: new Uint8Array(8).fill(2), uncertainty, mostUncertain: 20 });
  source.pixels[0] = 1;
  const unsure = SUGGESTED + 2;
  assert.deepEqual(keysAt(source, 0).all, [1, 2, unsure, unsure, 2, 2, unsure, unsure]);
});
