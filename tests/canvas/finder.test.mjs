import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fitting } from '../../app/canvas/frontend/finder.js';

const ENTRIES = ['Road', 'Sidewalk', 'Broad leaf', 'Fill the holes', 'Zoom in'].map((name) => ({ name }));
const names = (wanted) => fitting(ENTRIES, wanted).map((one) => one.name);

test('names that begin with the letters come before those that hold them', () => {
  assert.deepEqual(names('road'), ['Road', 'Broad leaf']);
  assert.deepEqual(names('leaf'), ['Broad leaf']);
  assert.deepEqual(names('HOLES'), ['Fill the holes']);
});

test('without letters everything is there, and nonsense finds nothing', () => {
  assert.equal(names('  ').length, ENTRIES.length);
  assert.deepEqual(names('xyz'), []);
});
