import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LABELLED, REMOVED, SUGGESTED, UNCHANGED } from '../../app/canvas/frontend/colouring.js';
import { PLAIN } from '../../app/canvas/frontend/display.js';
import { NOT_LABELLED, VOID } from '../../app/canvas/frontend/label_map.js';
import { lookOf } from '../../app/canvas/frontend/palette.js';
import { CROSSED, HATCH, classPattern } from '../../app/canvas/frontend/patterns.js';

const CLASSES = [
  { index: 0, name: 'soil', colour: '#e69f00' },
  { index: 1, name: 'crop', colour: '#0072b2' },
];

const look = (display = {}, opacity = { label: 1, suggestion: 1 }) => lookOf(CLASSES, opacity, { ...PLAIN, ...display }, 0);
const pair = ({ colours }, key) => [...colours.subarray(2 * key, 2 * key + 2)];
const alpha = (colour) => colour >>> 24;

test('twenty-four classes have patterns of their own, none of them the hatch', () => {
  const seen = new Set([HATCH, CROSSED].map(String));
  for (let index = 0; index < 24; index++) {
    const pattern = String(classPattern(index));
    assert.ok(!seen.has(pattern), `class ${index}`);
    seen.add(pattern);
  }
});

test('a label is one colour, a suggestion is hatched, nothing is clear', () => {
  const plain = look();
  assert.deepEqual(pair(plain, LABELLED + 1), [0xffb27200, 0xffb27200]);
  const [between, on] = pair(plain, SUGGESTED + 1).map(alpha);
  assert.ok(between < on);
  assert.deepEqual(pair(plain, NOT_LABELLED), [0, 0]);
  assert.deepEqual(pair(plain, SUGGESTED + NOT_LABELLED), [0, 0]);
  assert.notEqual(...pair(plain, VOID));
});

test('a dimmed suggestion has no hatch; patterns are seen in labels and suggestions', () => {
  const [between, on] = pair(look({ suggestion: 'dimmed' }), SUGGESTED + 1);
  assert.equal(between, on);
  const patterned = look({ patterns: true, suggestion: 'dimmed' });
  for (const state of [LABELLED, SUGGESTED, UNCHANGED]) {
    assert.notEqual(...pair(patterned, state + 1));
    assert.deepEqual(patterned.patterns.subarray(8 * (state + 1), 8 * (state + 2)), classPattern(1));
  }
});

test('what cannot be seen has no rank, and a label has a higher one than a suggestion', () => {
  const plain = look();
  assert.ok(plain.rank[LABELLED] > plain.rank[SUGGESTED]);
  assert.ok(plain.rank[SUGGESTED] > 0);
  assert.equal(plain.rank[NOT_LABELLED], 0);
  assert.equal(look({ hidden: new Set([0]) }).rank[LABELLED], 0);
  assert.equal(look({}, { label: 1, suggestion: 0 }).rank[SUGGESTED], 0);
});

test('in the difference view the unchanged steps back', () => {
  const plain = look();
  assert.ok(alpha(pair(plain, UNCHANGED + 1)[0]) < alpha(pair(plain, LABELLED + 1)[0]));
  assert.deepEqual(plain.patterns.subarray(8 * REMOVED, 8 * (REMOVED + 1)), CROSSED);
});
