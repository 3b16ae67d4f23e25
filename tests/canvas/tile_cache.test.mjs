import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TileCache } from '../../app/canvas/frontend/tile_cache.js';

function cacheOf(mostBytes) {
  const released = [];
  return { cache: new TileCache(mostBytes, (tile) => released.push(tile)), released };
}

test('the least recently used tiles go first', () => {
  const { cache, released } = cacheOf(30);
  for (const name of ['a', 'b', 'c', 'd']) cache.put(name, name, 10);
  cache.get('a');
  cache.trim();
  assert.deepEqual(released, ['b']);
  assert.equal(cache.bytes, 30);
  assert.equal(cache.get('b'), null);
});

test('what a view needs stays, even over the limit', () => {
  const { cache, released } = cacheOf(10);
  for (const name of ['a', 'b', 'c']) cache.put(name, name, 10);
  cache.trim(2);
  assert.deepEqual(released, ['a']);
});

test('a tile put again replaces the one before, and clearing gives everything up', () => {
  const { cache, released } = cacheOf(100);
  cache.put('a', 'first', 10);
  cache.put('a', 'second', 20);
  assert.deepEqual(released, ['first']);
  assert.equal(cache.bytes, 20);
  cache.clear();
  assert.deepEqual(released, ['first', 'second']);
  assert.equal(cache.bytes, 0);
  assert.deepEqual(cache.all(), []);
});
