import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ActiveTime } from '../../app/canvas/frontend/active_time.js';

test('work counts, pauses do not', () => {
  let now = 0;
  const time = new ActiveTime(() => now);
  now = 5000;
  time.begin();
  for (const later of [7000, 10_000, 310_000, 311_000]) {
    now = later;
    time.add(1);
  }
  assert.equal(time.of(1), 2 + 3 + 30 + 1);
  assert.equal(time.of(2), 0);
  now += 4000;
  assert.equal(time.idleSeconds, 4);
});

test('what the server was told is not told again', () => {
  let now = 0;
  const time = new ActiveTime(() => now);
  now = 5000;
  time.add(1);
  time.told(1, 5);
  now = 7000;
  time.add(1);
  assert.equal(time.of(1), 2);
  time.told(1, 2.04);
  assert.equal(time.of(1), 0);
});
