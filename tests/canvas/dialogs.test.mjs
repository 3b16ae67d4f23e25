import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Dialogs } from '../../app/canvas/frontend/dialogs.js';
import { h } from '../../app/canvas/frontend/elements.js';
import { KeySheet } from '../../app/canvas/frontend/key_sheet.js';
import { installDom } from './fake_dom.mjs';

/** An editor with a button, a surface and windows over them. */
function bench() {
  const body = installDom();
  const submit = h('button', { 'data-testid': 'submit' });
  const surface = h('canvas', {});
  const dialogs = new Dialogs(() => {}, surface);
  const behind = [h('header', {}, submit), h('main', {}, surface)];
  body.append(h('div', {}, ...behind, dialogs.element));
  const open = (title) => dialogs.open(title, [h('button', { 'data-testid': title })], () => {});
  const focused = () => document.activeElement.getAttribute('data-testid') ?? document.activeElement.tag;
  return { dialogs, submit, surface, behind, open, focused };
}

const question = (kind = 'conflict') => ({ kind, image: { item: { name: '1.png' } } });

test('while a question is open nothing behind it can be reached', async () => {
  const { dialogs, submit, behind, focused } = bench();
  submit.focus();
  const answer = dialogs.ask(question());
  assert.equal(focused(), 'answer-merge');
  assert.ok(behind.every((one) => one.inert));
  assert.ok(!dialogs.element.inert);
  submit.focus();
  assert.equal(focused(), 'answer-merge');
  dialogs.element.querySelector('answer-mine').click();
  assert.equal(await answer, 'mine');
  assert.ok(behind.every((one) => !one.inert));
  assert.equal(focused(), 'submit', 'the focus is where it was');
});

test('Escape gives a question its harmless answer, and leaves one alone that has none', async () => {
  for (const [kind, answered] of [['nothing-labelled', 'stay'], ['refused', 'stay'], ['other-picture', 'keep'], ['conflict', null], ['held', null]]) {
    const { dialogs } = bench();
    const answer = dialogs.ask(question(kind));
    dialogs.escape();
    assert.equal(dialogs.isOpen, answered === null, kind);
    if (answered) assert.equal(await answer, answered);
  }
  const { dialogs } = bench();
  const answer = dialogs.ask(question('nothing-labelled'));
  dialogs.element.querySelector('answer-skip').click();
  assert.equal(await answer, 'skip');
});

test('the focus goes to the surface when nothing had it, or what had it is gone', () => {
  const { submit, open, focused } = bench();
  open('one').close();
  assert.equal(focused(), 'canvas');
  submit.focus();
  const window = open('two');
  submit.hidden = true;
  window.close();
  assert.equal(focused(), 'canvas');
});

test('a window over another one leaves that the focus, and all behind shut', () => {
  const { submit, behind, open, focused } = bench();
  submit.focus();
  const [lower, upper] = [open('lower'), open('upper')];
  assert.equal(focused(), 'upper');
  upper.close();
  assert.equal(focused(), 'lower');
  assert.ok(behind.every((one) => one.inert));
  lower.close();
  assert.equal(focused(), 'submit');
});

test('the list of keys takes the focus, and keeps it at the key that is changed', () => {
  const { dialogs, focused } = bench();
  const parts = { preferences: { keys: {} }, classes: () => [], isDemo: () => false, changed: () => {} };
  const sheet = new KeySheet(dialogs, parts);
  sheet.toggle();
  assert.equal(focused(), 'key-tool-brush');
  const eraser = sheet.rows.querySelector('key-tool-eraser');
  eraser.focus();
  eraser.click();
  assert.equal(focused(), 'key-tool-eraser');
  sheet.capture({ code: 'F9', key: 'F9', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false });
  assert.equal(parts.preferences.keys['tool-eraser'], 'F9');
  assert.equal(focused(), 'key-tool-eraser');
  sheet.toggle();
  assert.equal(focused(), 'canvas');
});
