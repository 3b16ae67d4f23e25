import assert from 'node:assert/strict';
import test from 'node:test';

import { AfterRest } from '../../app/canvas/frontend/after_rest.js';

test('it is done once, so long after it was last asked for, with one timer', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let done = 0;
  const rest = new AfterRest(() => done++, 100);
  for (let time = 0; time < 300; time += 50) {
    rest.ask();
    context.mock.timers.tick(50);
  }
  assert.equal(done, 0);
  context.mock.timers.tick(200);
  assert.equal(done, 1);
  context.mock.timers.tick(500);
  assert.equal(done, 1);
});

test('what was dropped is not done, and what is asked for again waits its time', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let done = 0;
  const rest = new AfterRest(() => done++, 100);
  rest.ask();
  rest.drop();
  context.mock.timers.tick(60);
  rest.ask();
  context.mock.timers.tick(60);
  assert.equal(done, 0);
  context.mock.timers.tick(100);
  assert.equal(done, 1);
});
