import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EditorState } from '../../app/canvas/frontend/editor_state.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { PolygonTool, cornerAt, edgeAt } from '../../app/canvas/frontend/tool_polygon.js';
import { brushPoint, pressedSize } from '../../app/canvas/frontend/tool_stroke.js';

/** A person at a small image with the tool's polygon open on it. */
function closing({ corners = SQUARE, locked = [], onlyUnlabelled = false, fill = NOT_LABELLED, value = 1 } = {}) {
  const bench = { edited: 0, notices: [] };
  const pixels = new Uint8Array(20 * 20).fill(fill);
  bench.image = new OpenImage({ item: { image_id: 1, width: 20, height: 20 }, pixels, revision: 0, status: null, suggestion: null });
  const state = new EditorState({ keys: {} });
  Object.assign(state, { tool: 'polygon', locked: new Set(locked), onlyUnlabelled, value });
  bench.tool = new PolygonTool({
    image: bench.image,
    state,
    surface: { viewport: { scale: 1 }, showRing: () => {}, showPolygon: () => {} },
    paint: () => state.paint(),
    colourOf: () => '#000000',
    nameOf: (index) => `class ${index}`,
    notice: (text) => bench.notices.push(text),
    edited: () => bench.edited++,
  });
  bench.tool.resume(corners.slice());
  return bench;
}

const SQUARE = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }, { x: 0, y: 10 }];

/** A polygon of four corners that is not closed yet. */
function openPolygon() {
  const surface = { viewport: { scale: 1 }, showRing: () => {}, showPolygon: () => {} };
  const tool = new PolygonTool({ surface, state: { magnet: false, value: 1, tool: 'polygon' }, colourOf: () => '#000000' });
  const press = { detail: 0 };
  const corners = SQUARE.map(({ x, y }) => ({ x: 10 * x, y: 10 * y }));
  for (const corner of corners) {
    tool.down(corner, press);
    tool.up(press);
  }
  return { tool, corners, press };
}

test('the nearest corner within reach is grabbed', () => {
  assert.equal(cornerAt(SQUARE, { x: 9, y: 1 }, 3), 1);
  assert.equal(cornerAt(SQUARE, { x: 5, y: 5 }, 3), -1);
  assert.equal(cornerAt([], { x: 0, y: 0 }, 3), -1);
});

test('an edge is found by its first corner, the closing one too', () => {
  assert.equal(edgeAt(SQUARE, { x: 5, y: 1 }, 2), 0);
  assert.equal(edgeAt(SQUARE, { x: 1, y: 5 }, 2), 3);
  assert.equal(edgeAt(SQUARE, { x: 5, y: 5 }, 2), -1);
  assert.equal(edgeAt(SQUARE.slice(0, 2), { x: 5, y: 0 }, 2), -1, 'two corners have no edge to divide yet');
});

test('a pen presses the brush wider; a mouse does not', () => {
  assert.equal(pressedSize(40, { pointerType: 'mouse', pressure: 0.5 }), 40);
  assert.equal(pressedSize(40, { pointerType: 'pen', pressure: 1 }), 40);
  assert.ok(pressedSize(40, { pointerType: 'pen', pressure: 0.1 }) < 20);
  assert.equal(pressedSize(40, { pointerType: 'pen', pressure: 0 }), 40, 'a pen without a gauge');
});

test('the smallest brush snaps to the pixel under the cursor', () => {
  assert.deepEqual(brushPoint({ x: 3.9, y: 7.1 }, 1), { x: 3.5, y: 7.5 });
  assert.deepEqual(brushPoint({ x: 3.9, y: 7.1 }, 2), { x: 3.9, y: 7.1 });
});

test('a fingertip closes the polygon that a mouse would go on with', () => {
  for (const pointerType of ['mouse', 'touch']) {
    const { tool, corners } = openPolygon();
    const press = { pointerType, timeStamp: 5000 };
    let closed = 0;
    tool.close = () => closed++;
    tool.down({ x: 13, y: 5 }, press);
    tool.move([{ x: 15, y: 9 }]);
    tool.up(press);
    assert.equal(closed, Number(pointerType === 'touch'), `${pointerType}: near the first corner`);

    tool.points = corners.slice();
    tool.down({ x: 50, y: 50 }, { pointerType, timeStamp: 6000 });
    tool.up(press);
    tool.down({ x: 56, y: 52 }, { pointerType, timeStamp: 6200 });
    assert.equal(closed, 2 * Number(pointerType === 'touch'), `${pointerType}: pressed twice`);
  }
});

test('a pinch leaves the open polygon as it was before its first finger', () => {
  const { tool, corners, press } = openPolygon();
  const presses = [{ x: 150, y: 150 }, { x: 100, y: 0 }, { x: 50, y: 1 }];
  for (const at of [...presses, { ...corners[1], altKey: true }]) {
    tool.down(at, { ...press, altKey: at.altKey });
    tool.move([{ x: at.x + 5, y: at.y + 5 }]);
    tool.takeBack();
    assert.deepEqual(tool.points, corners, 'neither a corner more, nor one moved, nor one less');
  }
  tool.removePoint();
  assert.deepEqual(tool.points, corners.slice(0, 3));
  tool.down({ x: 0, y: 100 }, press);
  tool.up(press);
  tool.giveUp();
  tool.takeBack();
  assert.deepEqual(tool.points, [], 'what is given up or closed does not come back');
});

test('a click that trembles moves no corner, and on the first one it closes the polygon', () => {
  const { tool, corners, press } = openPolygon();
  tool.down(corners[1], press);
  tool.move([{ x: corners[1].x + 2, y: corners[1].y + 1 }]);
  tool.up(press);
  assert.deepEqual(tool.points, corners);
  const painted = [];
  Object.assign(tool.desk, { image: { polygon: (points) => painted.push(points) }, paint: () => ({}), edited: () => {} });
  tool.down(corners[0], press);
  tool.move([{ x: corners[0].x + 2, y: corners[0].y - 1 }]);
  tool.up(press);
  assert.deepEqual(painted, [corners]);
});

test('corners taken back while one of them is moved leave no hole', () => {
  const { tool, corners, press } = openPolygon();
  tool.down(corners[3], press);
  tool.removePoint();
  tool.removePoint();
  tool.move([{ x: 55, y: 55 }]);
  assert.deepEqual(tool.points, corners.slice(0, 2));
});

test('a double click closes the polygon without a corner of its own', () => {
  const { tool, corners } = openPolygon();
  const closed = [];
  tool.desk.image = { polygon: (points) => closed.push(points) };
  Object.assign(tool.desk, { paint: () => ({ value: 1 }), edited: () => {} });
  const last = { x: 50, y: 150 };
  tool.down({ x: 0, y: 150 }, { timeStamp: 900 });
  tool.down(last, { timeStamp: 1000 });
  tool.up({});
  assert.deepEqual(closed, [], 'elsewhere it is a corner, however quick');
  tool.down({ x: 51, y: 151 }, { timeStamp: 1200 });
  assert.deepEqual(closed, [[...corners, { x: 0, y: 150 }, last]]);
});

test('an open polygon is neither seen nor lost while another tool is in the hand', () => {
  const { tool, corners } = openPolygon();
  const shown = [];
  tool.desk.surface.showPolygon = (points) => shown.push(points);
  tool.desk.state.tool = 'brush';
  tool.show();
  tool.desk.state.tool = 'polygon';
  tool.show();
  assert.deepEqual(shown, [[], corners]);
});

test('two corners close nothing: they stay, and the person is told', () => {
  const { tool, notices } = closing({ corners: SQUARE.slice(0, 2) });
  assert.equal(tool.close(), true, 'it is not handed in over an open polygon');
  assert.deepEqual(tool.points, SQUARE.slice(0, 2));
  assert.deepEqual(notices, ['Three corners close a polygon, and this one has 2. The polygon stays open; Escape drops it.']);
});

test('a polygon that may paint nothing keeps its corners and says why', () => {
  for (const [setting, reason] of [
    [{ onlyUnlabelled: true, fill: 2 }, /all of this is labelled, and “Only unlabelled” is on/],
    [{ locked: [2], fill: 2 }, /class 2 is locked/],
    [{ corners: SQUARE.map(({ x, y }) => ({ x: x / 100, y: y / 100 })) }, /no pixel/],
  ]) {
    const { tool, notices, edited } = closing(setting);
    assert.equal(tool.close(), true);
    assert.equal(tool.points.length, 4);
    assert.equal(edited, 0);
    assert.equal(notices.length, 1);
    assert.match(notices[0], reason);
  }
});

test('a polygon over its own class is closed without a word', () => {
  for (const setting of [{ fill: 1 }, { fill: 1, onlyUnlabelled: true }, { fill: 1, locked: [1] }]) {
    const { tool, notices } = closing(setting);
    assert.equal(tool.close(), true);
    assert.deepEqual([tool.points, notices], [[], []]);
  }
});

test('a polygon that paints is closed', () => {
  const bench = closing();
  bench.tool.close();
  assert.deepEqual([bench.tool.points, bench.notices, bench.edited], [[], [], 1]);
});
