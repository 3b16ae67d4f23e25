import assert from 'node:assert/strict';
import { test } from 'node:test';

import { wordsOf } from '../../app/canvas/frontend/dialogs.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { duration, elsewhereState, emptyState, hoverWords, originHint, originLine, percent, reasonPieces, roundLine, saveState, unsentState } from '../../app/canvas/frontend/wording.js';

const QUIET = { savedAt: null, retryAt: null, message: '' };

test('the save state is always told', () => {
  const image = { revision: 14, status: 'draft' };
  const of = (state) => saveState({ ...QUIET, ...state }, image, 10_000).text;
  assert.equal(of({ kind: 'saved', savedAt: 8000 }), 'Saved 2 s ago · revision 14');
  assert.equal(of({ kind: 'saved' }), 'Saved · revision 14');
  assert.equal(of({ kind: 'saving' }), 'Saving…');
  assert.equal(of({ kind: 'retrying', retryAt: 14_000 }), 'Not saved: retrying in 4 s');
  assert.match(of({ kind: 'refused', message: 'Too large.' }), /Not saved/);
  assert.equal(saveState({ ...QUIET, kind: 'saved' }, { revision: 0, status: null }, 0).text, 'Not labelled yet');
});

test('label maps that cannot be sent are told from those on their way', () => {
  const [onTheWay, failed] = [{ attempts: 0, message: '' }, { attempts: 3, message: 'The server cannot be reached.' }];
  assert.deepEqual(unsentState([onTheWay, onTheWay]), { text: '2 on the way', isBad: false, more: '' });
  assert.deepEqual(unsentState([failed, onTheWay, failed]), { text: '2 not sent: retrying', isBad: true, more: failed.message });
});

test('what a person painted is not told with the confidence of the model in something else', () => {
  const image = { width: 3, height: 1, pixels: Uint8Array.of(1, NOT_LABELLED, 1), suggestion: Uint8Array.of(0, 0, NOT_LABELLED) };
  const uncertainty = { width: 3, height: 1, values: Uint8Array.of(181, 51, 0) };
  const words = (x) => hoverWords(image, { x, y: 0 }, uncertainty, (value) => ['sky', 'road'][value] ?? 'not labelled');
  assert.equal(words(0), 'road · the model says sky, 29 % sure');
  assert.equal(words(1), 'not labelled · suggested sky, 80 % sure');
  assert.equal(words(2), 'road');
});

test('the round says what it does, or why it waits', () => {
  const round = { number: 3, state: 'training', step: 45, steps: 150, eta_seconds: 61, note: null };
  assert.equal(roundLine({ round }), 'Round 3 training 45/150 · 1 min left');
  const waits = { round: null, next_round: { reason: 'Three more labels' } };
  assert.equal(roundLine(waits), 'Three more labels');
});

test('shares never pretend to be none or all', () => {
  assert.equal(percent(0), '0 %');
  assert.equal(percent(0.0001), '<1 %');
  assert.equal(percent(0.9999), '99 %');
  assert.equal(percent(1), '100 %');
});

test('durations are short', () => {
  assert.deepEqual([0.2, 59, 90, 7200].map(duration), ['1 s', '59 s', '2 min', '2.0 h']);
});

test('every empty state says what to do', () => {
  const progress = { images: 4, labelled: 4, excluded: 0 };
  const base = { failure: '', hasClasses: true, phase: 'empty' };
  assert.match(emptyState({ ...base, progress }).title, /All images are labelled/);
  assert.match(emptyState({ ...base, progress: { ...progress, images: 0 } }).text, /Project page/);
  const excluded = { images: 4, labelled: 0, excluded: 4 };
  assert.match(emptyState({ ...base, progress: excluded }).title, /All images are excluded/);
  assert.match(emptyState({ ...base, progress, hasClasses: false }).text, /Project page/);
  assert.match(emptyState({ ...base, progress: { ...progress, labelled: 1 } }).text, /come back/);
  assert.match(emptyState({ ...base, progress, phase: 'signed-out' }).text, /Reload/);
  const refused = emptyState({ ...base, progress, phase: 'refused', failure: 'It is archived.' });
  assert.deepEqual([refused.text, refused.retry, refused.page], ['It is archived.', undefined, 'Project']);
});

test('a conflict offers three ways, and the file', () => {
  const image = { item: { name: 'a.png' } };
  const words = wordsOf({ kind: 'conflict', image, author: 'Bo', revision: 3 });
  assert.deepEqual(words.choices.map((choice) => choice.id).sort(), ['merge', 'mine', 'theirs']);
  assert.ok(words.download);
  assert.match(words.text, /revision 3/);
  assert.match(wordsOf({ kind: 'held', image, heldBy: 'Bo' }).title, /Bo/);
  const unsaved = { ...image, hasUnsaved: true };
  assert.match(wordsOf({ kind: 'held', image: unsaved, heldBy: 'Bo' }).text, /cannot be saved/);
  assert.match(wordsOf({ kind: 'held', image, heldBy: 'Bo' }).text, /All you drew is saved/);
  assert.match(wordsOf({ kind: 'refused', image, message: 'Too large.' }).text, /Too large/);
});

test('a conflict with a revision of one\'s own speaks of nobody else', () => {
  const image = { item: { name: 'a.png' } };
  const { title, text, choices, download } = wordsOf({ kind: 'conflict', image, author: 'Ada', isOwn: true, revision: 9 });
  assert.deepEqual(choices.map((choice) => choice.id).sort(), ['merge', 'mine', 'theirs']);
  assert.ok(download);
  assert.match(text, /Revision 9 of a\.png is yours/);
  for (const words of [title, text, ...choices.map((choice) => choice.label)]) assert.doesNotMatch(words, /Ada|theirs/i);
});

test('a reason names its classes in their colours, and only whole names', () => {
  const classes = [
    { name: 'car', colour: '#111111' },
    { name: 'car (parked)', colour: '#222222' },
  ];
  const of = (sentence) => reasonPieces(sentence, classes).map(({ text, colour }) => (colour ? `<${text}>` : text));
  assert.deepEqual(of('unsure about car against car (parked) here'), ['unsure about ', '<car>', ' against ', '<car (parked)>', ' here']);
  assert.deepEqual(of('scarce car'), ['scarce ', '<car>']);
  assert.deepEqual(of('nothing'), ['nothing']);
  assert.deepEqual(reasonPieces('any car', []), [{ text: 'any car', colour: null }]);
});

test('the round that trains nothing has a name of its own', () => {
  assert.equal(originLine({ is_audit: false, ranking_round_number: 0 }), 'Cold start');
  assert.equal(originLine({ is_audit: false, ranking_round_number: 3 }), 'Round 3');
  assert.equal(originLine({ is_audit: false, ranking_round_number: null }), '');
  assert.equal(originLine({ is_audit: true, ranking_round_number: 3 }), '');
  assert.equal(originHint({ ranking_round_number: 3, suggestion_round_number: 3 }), '');
  assert.equal(originHint({ ranking_round_number: 3, suggestion_round_number: 4 }), 'The suggestion is newer: it is of round 4');
});

test('what another project has unsent is told with the way out', () => {
  assert.deepEqual(elsewhereState({ name: 'Roads', images: 2 }), {
    text: '2 not sent in Roads: open it',
    more: '2 images of Roads are kept in this browser alone. Open the project to send them.',
  });
  assert.match(elsewhereState({ name: 'Roads', images: 1 }).more, /^1 image of Roads is kept .* to send it\.$/);
  assert.equal(elsewhereState(null).text, '');
});
