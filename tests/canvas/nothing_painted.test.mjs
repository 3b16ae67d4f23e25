import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runCommand } from '../../app/canvas/frontend/commands.js';
import { EditorState } from '../../app/canvas/frontend/editor_state.js';
import { NOT_LABELLED, VOID } from '../../app/canvas/frontend/label_map.js';
import { whyNothing, whyUnchanged } from '../../app/canvas/frontend/nothing_painted.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { SuperpixelMap } from '../../app/canvas/frontend/superpixel_map.js';
import { toolsAt } from '../../app/canvas/frontend/toolbox.js';

const SIDE = 16;
const PRESS = { pointerType: 'mouse', pressure: 0.5, timeStamp: 0 };

/** Superpixels are stripes two pixels wide. */
function stripes() {
  const bytes = new Uint8Array(8 + 2 * SIDE * SIDE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SIDE, true);
  view.setUint32(4, SIDE, true);
  for (let at = 0; at < SIDE * SIDE; at++) view.setUint16(8 + 2 * at, Math.floor((at % SIDE) / 2), true);
  return new SuperpixelMap(bytes, SIDE, SIDE);
}

/** All tools at an image that has one value, but for its right half where `right` is given. */
function bench({ fill = 2, right = fill, value = 1, locked = [], onlyUnlabelled = false, suggested = null } = {}) {
  const suggestion = suggested === null ? null : new Uint8Array(SIDE * SIDE).fill(suggested);
  const pixels = Uint8Array.from({ length: SIDE * SIDE }, (_, at) => (at % SIDE < SIDE / 2 ? fill : right));
  const image = new OpenImage({ item: { image_id: 1, width: SIDE, height: SIDE }, pixels, revision: 0, status: null, suggestion });
  const state = new EditorState({ keys: {}, brush: 4, tolerance: 16, reach: 0, superpixelScale: 0 });
  Object.assign(state, { value, locked: new Set(locked), onlyUnlabelled });
  const notices = [];
  const [map, picture] = [stripes(), { rgba: new Uint8ClampedArray(4 * SIDE * SIDE).fill(90), width: SIDE, height: SIDE }];
  const tools = toolsAt({
    image,
    state,
    surface: { viewport: { scale: 1 }, showRing: () => {}, showPolygon: () => {}, visible: () => null },
    superpixels: { of: () => map },
    pixels: { read: () => picture },
    view: () => ({ uncertainty: null }),
    paint: () => state.paint(),
    colourOf: () => '#000000',
    nameOf: (index) => (index === VOID ? 'void' : `class ${index}`),
    notice: (text) => notices.push(text),
    preview: () => {},
    edited: () => {},
    lastEnd: null,
  });
  const draw = (name) => {
    const tool = tools[name];
    tool.down({ x: 2.5, y: 2.5 }, PRESS);
    for (const x of [3, 4, 5]) tool.move([{ x, y: 3 }, { x: x + 0.5, y: 4 }], PRESS);
    tool.up(PRESS);
  };
  return { image, state, notices, tools, draw };
}

const PAINTING = ['brush', 'line', 'rectangle', 'superpixel', 'flood', 'smart', 'region'];

test('what is kept from painting says so once, whatever the tool', () => {
  for (const name of PAINTING) {
    const labelled = bench({ onlyUnlabelled: true });
    labelled.draw(name);
    assert.equal(labelled.image.steps, 0, name);
    assert.deepEqual(
      labelled.notices,
      ['Nothing was painted: all of this is labelled, and “Only unlabelled” is on. ⇧ B turns it off.'],
      name,
    );
    const locked = bench({ locked: [2] });
    locked.draw(name);
    assert.deepEqual(locked.notices, ['Nothing was painted: class 2 is locked. Unlock it in the list of classes.'], name);
  }
});

test('a class over itself is no matter, nor is what paints', () => {
  for (const name of PAINTING) {
    for (const setting of [{ fill: 1, onlyUnlabelled: true }, { fill: 1, locked: [1] }, { fill: 1 }, { locked: [3] }]) {
      const { notices, draw } = bench(setting);
      draw(name);
      assert.deepEqual(notices, [], `${name} ${JSON.stringify(setting)}`);
    }
  }
});

test('a stroke that paints a part says nothing', () => {
  const { image, notices, tools } = bench({ fill: 2, right: NOT_LABELLED, onlyUnlabelled: true });
  tools.brush.down({ x: 2, y: 2 }, PRESS);
  tools.brush.move([{ x: 12, y: 2 }], PRESS);
  tools.brush.up(PRESS);
  assert.equal(image.steps, 1);
  assert.deepEqual(notices, []);
});

test('a stroke of which a part was completed for something else says nothing', () => {
  const { image, notices, tools } = bench({ fill: NOT_LABELLED, right: 2, onlyUnlabelled: true });
  tools.brush.down({ x: 8, y: 2 }, PRESS);
  assert.ok(image.endStroke());
  tools.brush.move([{ x: 8, y: 2 }], PRESS);
  tools.brush.up(PRESS);
  assert.deepEqual(notices, []);
});

test('the eraser is kept off by locks alone', () => {
  const { notices, draw } = bench({ locked: [2], onlyUnlabelled: true });
  draw('eraser');
  assert.deepEqual(notices, ['Nothing was erased: class 2 is locked. Unlock it in the list of classes.']);
  const free = bench({ fill: NOT_LABELLED, locked: [2], onlyUnlabelled: true });
  free.draw('eraser');
  assert.deepEqual(free.notices, [], 'where nothing is labelled nothing is to be erased');
});

test('of many locked classes some are named', () => {
  const state = { locked: new Set([2, 3, 4, 5, 6, VOID]), preferences: { keys: {} } };
  const paint = { value: 1, over: Uint8Array.from({ length: 256 }, (_, at) => Number(!state.locked.has(at))) };
  const why = (...values) => whyNothing(new Set(values), paint, state, (value) => `c${value}`);
  assert.equal(why(2, 1, 3), 'Nothing was painted: c2 and c3 are locked. Unlock them in the list of classes.');
  assert.equal(why(2, 3, 4, 5, 6), 'Nothing was painted: c2, c3, c4 and 2 more are locked. Unlock them in the list of classes.');
});

test('the region tool fills nothing where nothing is labelled or suggested, and says so', () => {
  for (const suggested of [null, NOT_LABELLED]) {
    const { image, notices, draw } = bench({ fill: NOT_LABELLED, right: 2, suggested });
    draw('region');
    assert.equal(image.steps, 0);
    assert.deepEqual(notices, ['Nothing is labelled or suggested here. Y fills all that is not labelled.']);
  }
  const { image, notices, draw } = bench({ fill: NOT_LABELLED, right: 2, suggested: 5 });
  draw('region');
  assert.equal(image.pixels.indexOf(NOT_LABELLED), -1, 'the suggested region gets the class');
  assert.deepEqual(notices, []);
});

/** An editor that shows the image of a bench, with the cursor at its left. */
function editorOf({ image, state, notices }) {
  return {
    state,
    session: { image },
    pointer: { hover: { x: 2.5, y: 2.5 } },
    classes: [0, 1, 2, 3].map((index) => ({ index, name: `class ${index}` })),
    notices: { add: (text) => notices.push(text) },
    edit: (change) => change(),
  };
}

test('an edit of a whole class that changes nothing says what keeps it from doing so', () => {
  for (const command of ['grow', 'smooth', 'shrink']) {
    const locked = bench({ fill: 2, right: 3, locked: [2, 3] });
    runCommand(editorOf(locked), command, {});
    const wanted = {
      grow: ['Nothing was changed: class 3 is locked. Unlock it in the list of classes.'],
      shrink: ['Nothing was changed: class 2 is locked. Unlock it in the list of classes.'],
      smooth: [],
    };
    assert.deepEqual(locked.notices, wanted[command], command);
    assert.equal(locked.image.steps, 0, command);
    const free = bench({ fill: 2, right: 3, locked: [1] });
    runCommand(editorOf(free), command, {});
    assert.deepEqual(free.notices, [], command);
  }
  const all = bench({ fill: 2, right: 3, onlyUnlabelled: true });
  runCommand(editorOf(all), 'grow', {});
  assert.match(all.notices[0], /^Nothing was changed: all of this is labelled, and “Only unlabelled” is on/);
});

test('the values under a change are those of its mask alone', () => {
  const { image, state } = bench({ fill: 2, right: 3, locked: [3] });
  const left = { x0: 6, y0: 1, x1: 10, y1: 3, mask: Uint8Array.of(1, 1, 0, 0, 1, 1, 0, 0), values: new Uint8Array(8) };
  const name = (value) => `class ${value}`;
  assert.equal(whyUnchanged(image, left, state, name), null);
  const right = { ...left, mask: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1) };
  assert.match(whyUnchanged(image, right, state, name), /class 3 is locked/);
});
