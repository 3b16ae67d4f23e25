import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as viewport from '../../app/canvas/frontend/viewport.js';
import { between, seededRandom } from './seeded_random.mjs';

const SCREEN = { width: 1000, height: 700 };
const IMAGE = { width: 2048, height: 1024 };

function near(actual, expected) {
  assert.ok(Math.abs(actual - expected) < 1e-6, `${actual} is not ${expected}`);
}

test('a fitted image lies inside the screen, centred', () => {
  const view = viewport.fitted(SCREEN, IMAGE);
  const from = viewport.toScreen(view, 0, 0);
  const to = viewport.toScreen(view, IMAGE.width, IMAGE.height);
  assert.ok(from.x >= 0 && from.y >= 0 && to.x <= SCREEN.width && to.y <= SCREEN.height);
  near(from.x, SCREEN.width - to.x);
  near(from.y, SCREEN.height - to.y);
});

test('screen and image coordinates are inverse', () => {
  const random = seededRandom(5);
  for (let round = 0; round < 100; round++) {
    const view = { scale: 0.1 + random() * 20, x: random() * 500 - 250, y: random() * 500 - 250 };
    const point = viewport.toImage(view, ...Object.values(viewport.toScreen(view, 12.25, 99.5)));
    near(point.x, 12.25);
    near(point.y, 99.5);
  }
});

test('zooming keeps the image point under the cursor', () => {
  let view = viewport.fitted(SCREEN, IMAGE);
  for (const factor of [1.3, 1.3, 2, 0.7, 3, 0.9]) {
    const before = viewport.toImage(view, 400, 300);
    view = viewport.zoomedAt(view, factor, 400, 300, SCREEN, IMAGE);
    const after = viewport.toImage(view, 400, 300);
    near(after.x, before.x);
    near(after.y, before.y);
  }
});

test('zoom has limits, and the image never leaves the screen', () => {
  const random = seededRandom(6);
  let view = viewport.fitted(SCREEN, IMAGE);
  for (let round = 0; round < 500; round++) {
    view =
      random() < 0.5
        ? viewport.zoomedAt(view, 0.2 + random() * 4, between(random, 0, 1000), between(random, 0, 700), SCREEN, IMAGE)
        : viewport.panned(view, random() * 4000 - 2000, random() * 4000 - 2000, SCREEN, IMAGE);
    assert.ok(view.scale <= viewport.MOST_ZOOM);
    const from = viewport.toScreen(view, 0, 0);
    const to = viewport.toScreen(view, IMAGE.width, IMAGE.height);
    assert.ok(from.x < SCREEN.width && from.y < SCREEN.height && to.x > 0 && to.y > 0);
  }
});

test('a resize fits a fitted image again and keeps the middle of another view', () => {
  const after = { width: 1400, height: 900 };
  assert.deepEqual(
    viewport.resized(viewport.fitted(SCREEN, IMAGE), SCREEN, after, IMAGE, true),
    viewport.fitted(after, IMAGE),
  );
  const view = viewport.zoomedAt(viewport.fitted(SCREEN, IMAGE), 4, 500, 350, SCREEN, IMAGE);
  const resized = viewport.resized(view, SCREEN, after, IMAGE, false);
  const middle = viewport.toImage(view, 500, 350);
  const later = viewport.toImage(resized, 700, 450);
  near(later.x, middle.x);
  near(later.y, middle.y);
});

test('two fingers: the point between them goes where they go', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 200; round++) {
    const image = { width: 3000, height: 2000 };
    const start = { scale: 0.5 + random(), x: -400 * random(), y: -300 * random() };
    const [x, y] = [between(random, 200, 600), between(random, 150, 450)];
    const [dx, dy] = [between(random, -40, 40), between(random, -40, 40)];
    const before = viewport.toImage(start, x - dx, y - dy);
    const after = viewport.toImage(viewport.pinched(start, 0.8 + random() / 2, x, y, dx, dy, SCREEN, image), x, y);
    assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < 1e-6);
  }
});

test('a rectangle is shown whole, in the middle, and not closer than is useful', () => {
  const image = { width: 4000, height: 3000 };
  const seen = viewport.viewIn(viewport.shown({ x0: 1800, y0: 1500, x1: 2000, y1: 1560 }, SCREEN, image), SCREEN, image);
  assert.ok(seen.x0 < 1800 && seen.x1 > 2000 && seen.y0 < 1500 && seen.y1 > 1560);
  assert.ok(Math.abs((seen.x0 + seen.x1) / 2 - 1900) < 1e-6);
  assert.ok(viewport.shown({ x0: 5, y0: 5, x1: 6, y1: 6 }, SCREEN, image).scale <= 8);
  const whole = viewport.shown({ x0: 0, y0: 0, x1: 4000, y1: 3000 }, SCREEN, image);
  assert.equal(whole.scale, viewport.fitted(SCREEN, image).scale);
});

test('a glide begins and ends where it should, and keeps the two middles on the screen', () => {
  const from = { scale: 0.2, x: 30, y: 20 };
  const to = { scale: 4, x: -5000, y: -2000 };
  const close = (one, other) => ['scale', 'x', 'y'].every((key) => Math.abs(one[key] - other[key]) < 1e-6);
  assert.ok(close(viewport.between(from, to, 0, SCREEN), from));
  assert.ok(close(viewport.between(from, to, 1, SCREEN), to));
  const middle = viewport.toImage(to, SCREEN.width / 2, SCREEN.height / 2);
  for (let share = 0; share <= 1; share += 0.05) {
    const at = viewport.toScreen(viewport.between(from, to, share, SCREEN), middle.x, middle.y);
    assert.ok(at.x > 0 && at.x < SCREEN.width && at.y > 0 && at.y < SCREEN.height, `${share}`);
  }
});

test('what is seen of an image ends with the image', () => {
  const image = { width: 100, height: 80 };
  assert.deepEqual(viewport.viewIn({ scale: 2, x: -50, y: 10 }, { width: 300, height: 100 }, image), { x0: 25, y0: 0, x1: 100, y1: 45 });
});
