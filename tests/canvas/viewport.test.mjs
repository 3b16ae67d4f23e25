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
