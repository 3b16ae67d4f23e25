import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EditorState } from '../../app/canvas/frontend/editor_state.js';
import { Hand } from '../../app/canvas/frontend/hand.js';

/** sessionStorage in memory. */
function storage() {
  const kept = new Map();
  return { kept, writes: 0, getItem: (key) => kept.get(key) ?? null, setItem(key, text) { this.writes++; kept.set(key, text); } };
}

const on = (id, ...visited) => ({ image: { id }, visited });
const state = () => new EditorState({ brush: 10 });
const POINTS = [{ x: 1, y: 2 }, { x: 3, y: 4 }];

function left(store, { imageId = 7, tool = 'polygon', value = 3, points = POINTS, project = 1 } = {}) {
  new Hand('Ada', project, store).keep(on(imageId), Object.assign(state(), { tool, value }), points);
}

test('image, tool, class and open polygon are found again', () => {
  const store = storage();
  left(store);
  const hand = new Hand('Ada', 1, store);
  const now = state();
  hand.takeUp(now);
  assert.deepEqual([hand.imageId, now.tool, now.value], [7, 'polygon', 3]);
  assert.deepEqual(hand.polygonOn(7), POINTS);
  assert.deepEqual(hand.polygonOn(7), [], 'once');
});

test('the way back is found again, so far as anybody goes it', () => {
  const store = storage();
  const all = Array.from({ length: 60 }, (_, at) => at);
  new Hand('Ada', 1, store).keep(on(99, ...all), state(), []);
  assert.deepEqual(new Hand('Ada', 1, store).visited, all.slice(10));
  assert.deepEqual(new Hand('Bea', 1, store).visited, []);
});

test('what was locked stays locked', () => {
  const store = storage();
  const before = Object.assign(state(), { locked: new Set([1, 255]), hidden: new Set([2]), onlyUnlabelled: true });
  new Hand('Ada', 1, store).keep(on(7), before, []);
  const now = state();
  new Hand('Ada', 1, store).takeUp(now);
  assert.deepEqual([now.locked, now.hidden, now.onlyUnlabelled], [before.locked, before.hidden, true]);
});

test('a polygon belongs to its image', () => {
  const store = storage();
  left(store);
  const hand = new Hand('Ada', 1, store);
  assert.deepEqual(hand.polygonOn(8), []);
  assert.deepEqual(hand.polygonOn(7), [], 'another image was first');
});

test('a polygon that was set aside is found when its image comes back, also after a reload', () => {
  const store = storage();
  for (const isReloaded of [false, true]) {
    const before = new Hand('Ada', 1, store);
    before.setAside(7, POINTS);
    before.setAside(9, []);
    assert.deepEqual(before.polygonOn(8), []);
    before.keep(on(8), state(), []);
    const hand = isReloaded ? new Hand('Ada', 1, store) : before;
    assert.deepEqual([8, 9, 7, 7].map((id) => hand.polygonOn(id)), [[], [], POINTS, []], 'once');
  }
});

test('other people and other projects have their own', () => {
  const store = storage();
  left(store);
  assert.equal(new Hand('Bo', 1, store).imageId, null);
  assert.equal(new Hand('Ada', 2, store).imageId, null);
});

test('what cannot be read, or is no tool, is nothing', () => {
  const store = storage();
  left(store, { tool: 'hammer' });
  const now = state();
  new Hand('Ada', 1, store).takeUp(now);
  assert.equal(now.tool, 'brush');
  for (const key of store.kept.keys()) store.kept.set(key, '{');
  assert.equal(new Hand('Ada', 1, store).imageId, null);
  const refusing = { getItem: () => { throw new Error('no'); }, setItem: () => { throw new Error('no'); } };
  const hand = new Hand('Ada', 1, refusing);
  const fresh = state();
  hand.takeUp(fresh);
  hand.keep(on(1), fresh, []);
  assert.deepEqual([fresh.tool, fresh.value], ['brush', 0]);
});

test('it is written only when it changed', () => {
  const store = storage();
  const hand = new Hand('Ada', 1, store);
  const now = state();
  for (let turn = 0; turn < 3; turn++) hand.keep(on(7), now, []);
  assert.equal(store.writes, 1);
  hand.keep(on(7), now, POINTS);
  assert.equal(store.writes, 2);
});
