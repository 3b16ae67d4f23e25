import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EditorState } from '../../app/canvas/frontend/editor_state.js';
import { NOT_LABELLED, VOID } from '../../app/canvas/frontend/label_map.js';
import { SUPERPIXEL_SCALES } from '../../app/canvas/frontend/superpixel_map.js';

function newState() {
  return new EditorState({
    brush: 24, tolerance: 24, reach: 0, superpixelScale: 1, magnet: false, outlines: false, patterns: false, dimmed: false,
    opacity: { label: 0.6, suggestion: 0.4, uncertainty: 0.6 }, keys: {},
  });
}

test('without locks everything may be painted over', () => {
  assert.equal(newState().over(), undefined);
});

test('a locked class is not painted over, nor erased', () => {
  const state = newState();
  state.toggleLock(3);
  assert.equal(state.over()[3], 0);
  assert.equal(state.over()[2], 1);
  assert.equal(state.erasing().over[3], 0);
  state.toggleLock(3);
  assert.equal(state.over(), undefined);
});

test('only what is not labelled may be painted, when asked for', () => {
  const state = newState();
  state.onlyUnlabelled = true;
  const over = state.over();
  assert.equal(over[NOT_LABELLED], 1);
  assert.equal(over[VOID], 0);
  assert.equal(over.reduce((sum, one) => sum + one), 1);
});

test('choosing a class leaves the eraser, and no other tool', () => {
  const state = newState();
  for (const [tool, after] of [['eraser', 'brush'], ['accept', 'brush'], ['polygon', 'polygon']]) {
    state.setTool(tool);
    state.setClass(2);
    assert.equal(state.tool, after);
  }
});

test('one pair of keys sets the size of every tool, within its limits', () => {
  const state = newState();
  state.setTool('superpixel');
  for (let i = 0; i < 9; i++) state.stepSize(-1);
  assert.equal(state.superpixels, SUPERPIXEL_SCALES.at(-1), 'smaller superpixels are more of them');
  state.setTool('flood');
  for (let i = 0; i < 99; i++) state.stepSize(-1);
  assert.equal(state.tolerance, 0);
  state.setTool('brush');
  state.stepSize(1);
  assert.ok(state.brush > 24);
});

test('classes that are gone lose their lock, and void keeps its own', () => {
  const state = newState();
  state.toggleLock(1);
  state.toggleLock(VOID);
  state.setClass(1);
  state.keepTo([{ index: 0, archived: false }, { index: 1, archived: true }]);
  assert.deepEqual([...state.locked], [VOID]);
  assert.equal(state.value, 0);
});

test('layers step back while the uncertainty is shown, and only then', () => {
  const state = newState();
  assert.equal(state.opacity(true).label, 0.6);
  state.show.uncertainty = true;
  assert.ok(state.opacity(true).label < 0.6);
  assert.equal(state.opacity(false).label, 0.6);
  state.show.label = false;
  assert.equal(state.opacity(true).label, 0);
});

test('the confidence moves in steps and stays a share', () => {
  const state = newState();
  assert.equal(state.confidenceAt(1), 0.95);
  state.confidence = 1;
  assert.equal(state.confidenceAt(1), 1);
  state.confidence = 0;
  assert.equal(state.confidenceAt(-1), 0);
});
