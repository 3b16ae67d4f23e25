import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readKeycaps } from '../../app/canvas/frontend/keycaps.js';
import {
  BINDINGS, chordName, commandOf, commandsByChord, isStreamlitKey, objectionTo, receiverOf, shownChord, withKeys,
} from '../../app/canvas/frontend/keys.js';

const CLASSES = [
  { index: 0, hotkey: 'Digit1', archived: false },
  { index: 1, hotkey: 'KeyB', archived: false },
  { index: 2, hotkey: 'Digit3', archived: true },
];

function press(code, modifiers = {}) {
  return { code, key: '', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...modifiers };
}

test('a class key chooses its class, before any tool', () => {
  assert.deepEqual(commandOf(press('Digit1'), CLASSES), { command: 'class', classIndex: 0 });
  assert.deepEqual(commandOf(press('KeyB'), CLASSES), { command: 'class', classIndex: 1 });
  assert.deepEqual(commandOf(press('KeyB'), []), { command: 'tool-brush' });
});

test('an archived class has no key', () => {
  assert.equal(commandOf(press('Digit3'), CLASSES), null);
});

test('undo and redo, with Ctrl and with Command', () => {
  for (const mod of ['ctrlKey', 'metaKey']) {
    assert.equal(commandOf(press('KeyZ', { [mod]: true }), []).command, 'undo');
    assert.equal(commandOf(press('KeyZ', { [mod]: true, shiftKey: true }), []).command, 'redo');
    assert.equal(commandOf(press('KeyY', { [mod]: true }), []).command, 'redo');
  }
  assert.equal(commandOf(press('KeyZ'), []).command, 'toggle-difference');
});

test('the browser keeps its own keys', () => {
  for (const code of ['KeyR', 'KeyC', 'KeyL', 'KeyT', 'KeyF', 'KeyP', 'KeyS']) {
    assert.equal(commandOf(press(code, { ctrlKey: true }), CLASSES), null, code);
  }
  assert.equal(commandOf(press('KeyB', { altKey: true }), []), null);
});

test('the question mark opens the key sheet wherever the layout has it', () => {
  assert.equal(commandOf(press('Minus', { shiftKey: true, key: '?' }), []).command, 'key-sheet');
  assert.equal(commandOf(press('Slash', { shiftKey: true, key: '?' }), []).command, 'key-sheet');
});

test("Streamlit's r and c are its keys only without Ctrl", () => {
  assert.ok(isStreamlitKey(press('KeyR')));
  assert.ok(isStreamlitKey(press('KeyC', { shiftKey: true })));
  assert.ok(isStreamlitKey(press('KeyO', { key: 'r' })), 'another layout');
  assert.ok(!isStreamlitKey(press('KeyR', { ctrlKey: true })));
  assert.ok(!isStreamlitKey(press('KeyB')));
});

test('typing in a field is not for the editor; a slider is no field', () => {
  const field = { tag: 'INPUT', type: 'text', editable: false };
  assert.equal(receiverOf(press('KeyB'), field), 'page');
  assert.equal(receiverOf(press('KeyB'), { tag: 'TEXTAREA', editable: false }), 'page');
  assert.equal(receiverOf(press('KeyB'), { tag: 'DIV', editable: true }), 'page');
  assert.equal(receiverOf(press('KeyB'), { tag: 'INPUT', type: 'range', editable: false }), 'editor');
  assert.equal(receiverOf(press('KeyB'), { tag: 'BODY', editable: false }), 'editor');
});

test('Enter and Space press a button that has the focus', () => {
  const focus = { tag: 'BUTTON', editable: false };
  assert.equal(receiverOf(press('Enter'), focus), 'page');
  assert.equal(receiverOf(press('Space'), focus), 'page');
  assert.equal(receiverOf(press('KeyB'), focus), 'editor');
});

test('no key has two meanings, and every command has a key', () => {
  const chords = BINDINGS.flatMap((one) => one.chords);
  assert.equal(new Set(chords).size, chords.length);
  assert.equal(new Set(BINDINGS.map((one) => one.command)).size, BINDINGS.length);
  for (const { command, chords: own } of BINDINGS) assert.ok(own.length > 0, command);
});

test("no first key is one of Streamlit's", () => {
  for (const { chords } of BINDINGS) for (const chord of chords) assert.ok(!['KeyR', 'KeyC'].includes(chord), chord);
});

test('a key that the person changed takes the place of all the old ones', () => {
  const changed = { redo: 'Mod+KeyE' };
  const commands = commandsByChord(changed);
  assert.equal(commands.get('Mod+KeyE'), 'redo');
  assert.equal(commands.get('Mod+KeyY'), undefined);
  assert.equal(commands.get('Mod+KeyZ'), 'undo');
  assert.equal(shownChord('redo', changed), 'Mod+KeyE');
  assert.equal(commandOf(press('KeyE', { ctrlKey: true }), [], commands).command, 'redo');
});

test('a key that means something else is refused with a sentence', () => {
  const classes = [{ name: 'road', hotkey: 'KeyK', archived: false }];
  assert.match(objectionTo('KeyB', 'fit', {}, []), /taken by “Brush”/);
  assert.match(objectionTo('KeyK', 'tool-region', {}, classes), /class road/);
  assert.match(objectionTo('KeyR', 'fit', {}, []), /Streamlit/);
  assert.match(objectionTo('Mod+KeyW', 'fit', {}, []), /browser/);
  assert.match(objectionTo('Escape', 'fit', {}, []), /needed elsewhere/);
  assert.equal(objectionTo('ShiftLeft', 'fit', {}, []), '', 'half a chord is no mistake');
  assert.equal(objectionTo('KeyF', 'fit', {}, []), null);
  assert.equal(objectionTo('Shift+KeyZ', 'fit', {}, []), null);
});

test('with Ctrl a letter is the one on the keycap, without it the place counts', () => {
  const on = (code, key, more) => commandOf({ ...press(code, more), key }, []);
  assert.deepEqual(on('KeyY', 'z', { ctrlKey: true }), { command: 'undo' }, 'QWERTZ');
  assert.deepEqual(on('KeyW', 'Z', { metaKey: true, shiftKey: true }), { command: 'redo' }, 'AZERTY');
  assert.deepEqual(on('KeyZ', 'я', { ctrlKey: true }), { command: 'undo' }, 'no Latin letter');
  assert.deepEqual(on('KeyQ', 'a'), { command: 'tool-accept' });
});

test('chords are named by the layout of this keyboard, where the browser tells', async () => {
  const layout = new Map([['KeyQ', 'a'], ['KeyZ', 'w'], ['Semicolon', 'm'], ['Digit1', '&']]);
  await readKeycaps({ getLayoutMap: async () => layout });
  assert.deepEqual(['KeyQ', 'Shift+KeyZ', 'Semicolon', 'Digit1', 'KeyB', 'Mod+KeyZ'].map(chordName), ['A', '⇧ W', 'M', '1', 'B', 'Ctrl Z']);
  await readKeycaps({ getLayoutMap: () => Promise.reject(new Error('in a frame')) });
  assert.equal(chordName('KeyQ'), 'A');
  await readKeycaps(null);
  assert.equal(chordName('KeyQ'), 'Q');
});

test('chords are named as the keycaps are', () => {
  assert.equal(chordName('Mod+Shift+KeyZ'), 'Ctrl ⇧ Z');
  assert.equal(chordName('BracketLeft'), '[');
  assert.equal(chordName('NumpadAdd'), 'Num Add');
});

test('classes without a key of their own get the next free ones of ⇧1 to ⇧0', () => {
  const classes = Array.from({ length: 13 }, (_, index) => ({ index, hotkey: index < 10 ? `Digit${(index + 1) % 10}` : null, archived: index === 11 }));
  const keys = (changed) => withKeys(classes, changed).slice(10).map((one) => one.hotkey);
  assert.deepEqual(keys({}), ['Shift+Digit1', null, 'Shift+Digit2']);
  assert.deepEqual(keys({ 'tool-brush': 'Shift+Digit1' }), ['Shift+Digit2', null, 'Shift+Digit3'], 'that key is taken');
  classes[0].hotkey = 'Shift+Digit2';
  assert.deepEqual(keys({}), ['Shift+Digit1', null, 'Shift+Digit3']);
  assert.equal(withKeys(classes)[0].hotkey, 'Shift+Digit2');
  assert.deepEqual(commandOf(press('Digit1', { shiftKey: true }), withKeys(classes)), { command: 'class', classIndex: 10 });
  const many = Array.from({ length: 12 }, (_, index) => ({ index, hotkey: null, archived: false }));
  assert.equal(withKeys(many)[11].hotkey, null, 'the rest is found by name');
});
