import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runCommand } from '../../app/canvas/frontend/commands.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';

test('an archived class is not picked, and the person hears why', () => {
  const classes = ['sky', 'road'].map((name, index) => ({ index, name, colour: '#000000', hotkey: null, archived: index === 1 }));
  const picked = [];
  const notices = [];
  const editor = {
    session: { image: { width: 3, height: 1, pixels: Uint8Array.of(0, 1, NOT_LABELLED), suggestion: null } },
    state: { show: { suggestion: true } },
    classes,
    setClass: (index) => picked.push(index),
    notices: { add: (text) => notices.push(text) },
  };
  for (const x of [0, 1, 2]) runCommand(editor, 'pick', { at: { x, y: 0 } });
  assert.deepEqual(picked, [0]);
  assert.deepEqual(notices, ['road is archived: nobody labels it any more.']);
});

test('who accepts what the model is sure of hears when that is nothing', () => {
  const notices = [];
  const image = new OpenImage({
    item: { image_id: 1, width: 2, height: 1 },
    pixels: Uint8Array.of(NOT_LABELLED, NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion: Uint8Array.of(0, 1),
  });
  const editor = {
    session: { image, view: { uncertainty: { values: Uint8Array.of(200, 26), width: 2, height: 1 } } },
    state: { confidence: 0.95 },
    edit: (change) => change(),
    confidence: { end() {} },
    notices: { add: (text) => notices.push(text) },
  };
  runCommand(editor, 'accept-sure');
  assert.deepEqual(notices, ['Nothing to accept: where nothing is labelled, the model is nowhere 95 % sure. Lower the slider.']);
  editor.state.confidence = 0.85;
  runCommand(editor, 'accept-sure');
  assert.deepEqual([...image.pixels], [NOT_LABELLED, 1]);
  assert.equal(notices.length, 1);
});

test('borders are moved as one action, or the person hears why they stay', () => {
  const [width, height] = [12, 8];
  const notices = [];
  const image = new OpenImage({
    item: { image_id: 1, width, height },
    pixels: Uint8Array.from({ length: width * height }, (_, at) => (at % width < 7 ? 0 : 1)),
    revision: 0,
    status: null,
    suggestion: null,
  });
  const rgba = Uint8Array.from({ length: 4 * width * height }, (_, at) => (Math.floor(at / 4) % width < 6 ? 20 : 220));
  const picture = { rgba, width, height };
  const editor = {
    session: { image },
    desk: { pixels: { read: () => picture } },
    state: { over: () => undefined, locked: new Set(), preferences: {} },
    classes: [],
    edit: (change) => change(),
    notices: { add: (text) => notices.push(text) },
  };
  runCommand(editor, 'snap-borders', {});
  assert.deepEqual([...image.pixels.subarray(0, width)], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(notices, []);
  runCommand(editor, 'snap-borders', {});
  assert.deepEqual(notices, ['No border between two classes moves.']);
  image.undo();
  assert.equal(image.pixels[6], 0, 'one action');
  picture.width = 6;
  runCommand(editor, 'snap-borders', {});
  assert.match(notices[1], /^In an image this large only its overview is at hand/);
  assert.equal(image.pixels[6], 0);
});
