import assert from 'node:assert/strict';
import { test } from 'node:test';

import { landmarks, revisionWords } from '../../app/canvas/frontend/revisions.js';

const revision = (number, status, author = 'ann') => ({ revision: number, status, author, age_s: 90, labelled_share: 0.5 });

test('of drafts that were saved by themselves only the last of a row is listed', () => {
  const all = [
    revision(7, 'draft'),
    revision(6, 'draft'),
    revision(5, 'submitted'),
    revision(4, 'draft', 'bob'),
    revision(3, 'draft'),
    revision(2, 'draft'),
    revision(1, 'submitted'),
  ];
  assert.deepEqual(landmarks(all).map((one) => one.revision), [7, 5, 4, 3, 1]);
  assert.deepEqual(landmarks([]), []);
});

test('a line says who, when and how much', () => {
  assert.equal(revisionWords(revision(1, 'submitted')), 'Submitted by ann, 2 min ago · 50 % labelled');
  assert.match(revisionWords(revision(1, 'draft')), /^Draft by ann/);
});
