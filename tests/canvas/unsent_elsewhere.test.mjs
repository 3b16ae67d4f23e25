import assert from 'node:assert/strict';
import { test } from 'node:test';

import { UnsentElsewhere } from '../../app/canvas/frontend/unsent_elsewhere.js';

/** Who looks at a journal of two projects beside this one, with a clock that is set on by hand. */
function bench(context) {
  const bench = { changes: 0, looks: 0, found: [{ projectId: 9, images: 4 }, { projectId: 2, images: 1 }] };
  const elsewhere = async () => {
    bench.looks++;
    return bench.found;
  };
  context.mock.timers.enable({ apis: ['setTimeout'] });
  bench.watch = new UnsentElsewhere({ elsewhere }, () => bench.changes++);
  bench.watch.names = { 1: 'Lanes', 2: 'Roads' };
  bench.pass = async (milliseconds) => {
    context.mock.timers.tick(milliseconds);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  return bench;
}

test('what is unsent of another project is told once its own save had time, and until it is sent', async (context) => {
  const parts = bench(context);
  parts.watch.start();
  await parts.pass(1000);
  assert.equal(parts.watch.newest, null);
  await parts.pass(1000);
  assert.deepEqual(parts.watch.newest, { projectId: 2, name: 'Roads', images: 1 }, 'of a project that is here');
  await parts.pass(10_000);
  assert.deepEqual([parts.looks, parts.changes], [2, 1]);
  parts.found = [];
  await parts.pass(10_000);
  assert.equal(parts.watch.newest, null);
  assert.equal(parts.changes, 2);
});

test('nobody looks while the editor is not on the page, not even who was about to', async (context) => {
  const parts = bench(context);
  parts.watch.start();
  context.mock.timers.tick(2000);
  parts.watch.stop();
  await parts.pass(60_000);
  assert.deepEqual([parts.looks, parts.changes], [1, 0]);
});
