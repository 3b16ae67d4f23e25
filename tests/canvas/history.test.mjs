import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { History } from '../../app/canvas/frontend/history.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { between, seededRandom } from './seeded_random.mjs';

function openImage(width, height, seed = 0) {
  const random = seededRandom(seed);
  const suggestion = Uint8Array.from({ length: width * height }, () => between(random, 0, 5));
  const item = { image_id: 1, width, height };
  const pixels = new Uint8Array(width * height).fill(NOT_LABELLED);
  return new OpenImage({ item, pixels, revision: 0, status: null, suggestion });
}

function randomAction(image, random) {
  const point = () => ({ x: random() * image.width, y: random() * image.height });
  const value = between(random, 0, 4);
  const kind = between(random, 0, 5);
  if (kind === 0) return image.acceptAll();
  if (kind === 1) return image.fillRest(value);
  if (kind === 2) return image.polygon([point(), point(), point(), point()], { value });
  if (kind === 3) return image.replace(image.pixels.map((one) => (one === value ? NOT_LABELLED : one)));
  const paint = kind === 4 ? { value } : { suggestion: image.suggestion };
  const radius = 1 + random() * 30;
  let last = point();
  for (let piece = 0; piece < 4; piece++) {
    const next = point();
    image.stroke(last, next, radius, paint);
    last = next;
  }
  return image.endStroke();
}

test('random actions are undone and redone exactly', () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(100 + seed);
    const image = openImage(between(random, 1, 200), between(random, 1, 150), seed);
    const states = [image.pixels.slice()];
    for (let step = 0; step < 25; step++) {
      const before = image.pixels.slice();
      if (random() < 0.5) for (let row = 0; 64 * row < image.height; row++) image.history.learn(row);
      const changed = randomAction(image, random);
      assert.equal(changed, !before.every((value, i) => value === image.pixels[i]), `seed ${seed}, step ${step}`);
      if (changed) states.push(image.pixels.slice());
    }
    for (let at = states.length - 1; at >= 0; at--) {
      assert.deepEqual(image.pixels, states[at], `undo to ${at}, seed ${seed}`);
      assert.equal(image.undo(), at > 0);
    }
    for (let at = 0; at < states.length; at++) {
      assert.deepEqual(image.pixels, states[at], `redo to ${at}, seed ${seed}`);
      assert.equal(image.redo(), at < states.length - 1);
    }
  }
});

test('a new action forgets what was undone', () => {
  const image = openImage(80, 80);
  image.fillRest(1);
  image.undo();
  image.acceptAll();
  assert.equal(image.history.canRedo, false);
  assert.equal(image.redo(), false);
});

test('an action that changes no pixel leaves no trace', () => {
  const image = openImage(10, 10);
  image.fillRest(2);
  const { edits } = image;
  assert.equal(image.fillRest(3), false);
  assert.equal(image.acceptAll(), false);
  image.stroke({ x: 1, y: 1 }, { x: 5, y: 5 }, 2, { value: 2 });
  assert.equal(image.endStroke(), false);
  assert.equal(image.edits, edits);
  assert.equal(image.history.done.length, 1);
});

test('a small stroke keeps only the tiles it touched', () => {
  const image = openImage(1000, 1000);
  image.stroke({ x: 100, y: 100 }, { x: 104, y: 100 }, 3, { value: 1 });
  image.endStroke();
  assert.ok(image.history.bytes <= 4 * 64 * 64);
});

test('what nobody has labelled yet takes no memory to undo', () => {
  const image = openImage(400, 300);
  const before = image.pixels.slice();
  image.acceptAll();
  const after = image.pixels.slice();
  assert.ok(image.history.bytes <= 5 * 4);
  image.undo();
  assert.deepEqual(image.pixels, before);
  assert.equal(image.history.bytes, 400 * 300, 'to do it again');
  image.redo();
  assert.deepEqual(image.pixels, after);
  assert.ok(image.history.bytes <= 5 * 4);
});

test('accepting in the middle of a stroke leaves what the stroke painted', () => {
  const image = openImage(64, 64);
  image.stroke({ x: 0, y: 20 }, { x: 64, y: 20 }, 3, { value: 9 });
  image.acceptAll();
  assert.equal(image.pixels[20 * 64 + 20], 9);
  assert.equal(image.pixels[50 * 64 + 20], image.suggestion[50 * 64 + 20]);
  image.undo();
  assert.ok(image.pixels.every((value) => value === NOT_LABELLED));
});

test('while an action is under way the map without it can be read', () => {
  const random = seededRandom(4);
  for (const width of [401, 400]) {
    const image = openImage(width, 130, width);
    for (let round = 0; round < 10; round++) {
      const before = image.pixels.slice();
      const at = { x: random() * width, y: random() * 130 };
      image.stroke(at, { x: at.x + random() * 300, y: at.y + 20 }, 10, { value: round });
      for (const row of [0, 1, 2]) {
        assert.deepEqual(image.history.completeRow(row), before.subarray(row * 64 * width, (row + 1) * 64 * width));
      }
      if (round % 2) image.endStroke();
      else {
        image.giveUpStroke();
        assert.deepEqual(image.pixels, before);
      }
    }
  }
});

/**
 * A history with room for three snapshots of the whole map, and the map after each of some actions.
 * @param {number} width
 * @param {number} actions
 * @param {(pixels: Uint8Array, action: number) => void} paint
 */
function crowded(width, actions, paint) {
  const map = { width, height: 64, pixels: new Uint8Array(width * 64) };
  const history = new History(map, 3 * width * 64);
  const states = [map.pixels.slice()];
  for (let action = 1; action <= actions; action++) {
    history.begin();
    history.remember({ x0: 0, y0: 0, x1: width, y1: 64 });
    paint(map.pixels, action);
    history.commit();
    states.push(map.pixels.slice());
  }
  return { map, history, states };
}

// 64 columns are kept as words of four pixels, 63 as single ones.
for (const width of [64, 63]) {
  test(`every action of a long session is undone and redone, with room for three of ${width} columns`, () => {
    const { map, history, states } = crowded(width, 200, (pixels, action) => {
      pixels.fill(action, 0, 1000 + action);
    });
    for (let walk = 0; walk < 2; walk++) {
      for (let at = states.length - 2; at >= 0; at--) {
        assert.ok(history.undo());
        assert.deepEqual(map.pixels, states[at]);
        assert.ok(history.bytes <= 3 * width * 64);
      }
      assert.equal(history.undo(), null);
      for (let at = 1; at < states.length; at++) {
        assert.ok(history.redo());
        assert.deepEqual(map.pixels, states[at]);
        assert.ok(history.bytes <= 3 * width * 64);
      }
      assert.equal(history.redo(), null);
    }
  });
}

test('the oldest actions go first where run lengths do not make room', () => {
  const random = seededRandom(3);
  const { map, history, states } = crowded(64, 6, (pixels) => {
    for (let at = 0; at < pixels.length; at++) pixels[at] = random() * 200;
  });
  let undone = 0;
  while (history.undo()) undone++;
  assert.equal(undone, 3);
  assert.deepEqual(map.pixels, states[3]);
});

test('what changed is reported, also by undo', () => {
  const image = openImage(300, 300);
  const seen = [];
  image.onChange = (rectangle) => seen.push(rectangle);
  image.stroke({ x: 10, y: 10 }, { x: 10, y: 10 }, 4, { value: 1 });
  image.endStroke();
  image.undo();
  assert.deepEqual(seen[0], { x0: 6, y0: 6, x1: 14, y1: 14 });
  assert.deepEqual(seen[1], { x0: 0, y0: 0, x1: 64, y1: 64 });
});
