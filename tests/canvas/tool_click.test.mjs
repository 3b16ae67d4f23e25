import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { ClickTool, alikeRegion, suggestedRegion } from '../../app/canvas/frontend/tool_click.js';
import { SmartTool } from '../../app/canvas/frontend/tool_smart.js';

const SIDE = 24;

/**
 * An image that grows brighter to the right, with a labelled line down its middle and one suggested class, and the
 * two tools whose fill can be done over.
 */
function bench() {
  const size = SIDE * SIDE;
  const image = new OpenImage({
    item: { image_id: 1, width: SIDE, height: SIDE },
    pixels: Uint8Array.from({ length: size }, (_, at) => (at % SIDE === SIDE / 2 ? 3 : NOT_LABELLED)),
    revision: 0,
    status: null,
    suggestion: new Uint8Array(size).fill(7),
  });
  const rgba = Uint8ClampedArray.from({ length: 4 * size }, (_, at) => (at % 4 === 3 ? 255 : 8 * ((at >> 2) % SIDE)));
  const picture = { rgba, width: SIDE, height: SIDE };
  const state = { value: 1, tolerance: 16, reach: 0, over: () => undefined };
  const surface = { showRing: () => {}, showPolygon: () => {}, visible: () => null };
  const desk = {
    image,
    state,
    surface,
    pixels: { read: () => picture },
    view: () => ({ uncertainty: null }),
    paint: () => ({ value: state.value }),
    colourOf: () => '#000000',
    edited: () => {},
  };
  const flood = new ClickTool(desk, (one, pixel) => alikeRegion(picture, one, pixel, state.tolerance));
  const smart = new SmartTool(desk);
  const count = (value) => image.pixels.reduce((sum, one) => sum + Number(one === value), 0);
  return { image, desk, state, flood, smart, count };
}

/** @param {import('../../app/canvas/frontend/pointer.js').Tool} tool @param {number} x @param {number} y */
function click(tool, x, y) {
  tool.down({ x, y }, { detail: 1 });
  tool.up({ type: 'pointerup' });
}

/** A click of each tool, and how its size is changed. */
const FILLS = [
  ['flood', (state, by) => (state.tolerance += 8 * by)],
  ['smart', (state, by) => (state.reach += 10 * by)],
];

test('another size does the last fill over', () => {
  for (const [name, resize] of FILLS) {
    const { image, state, count, ...tools } = bench();
    click(tools[name], 3.5, 10.5);
    const first = count(1);
    resize(state, -1);
    tools[name].sizeChanged();
    assert.ok(count(1) < first, `${name}: ${count(1)} of ${first}`);
    assert.equal(image.history.done.length, 1);
    resize(state, 1);
    tools[name].sizeChanged();
    assert.equal(count(1), first);
  }
});

test('a fill is not done over once a region of the suggestion was rejected', () => {
  for (const [name, resize] of FILLS) {
    const { image, state, count, ...tools } = bench();
    click(tools[name], 3.5, 10.5);
    const filled = count(1);
    const free = image.pixels.indexOf(NOT_LABELLED);
    image.reject(suggestedRegion(image, { x: free % SIDE, y: Math.floor(free / SIDE) }));
    const rejected = image.suggestion.slice();
    assert.equal(rejected[free], NOT_LABELLED);
    resize(state, -1);
    tools[name].sizeChanged();
    assert.deepEqual(image.suggestion, rejected);
    assert.equal(count(1), filled);
  }
});

test('a fill done over keeps its class, though another one is chosen by then', () => {
  for (const [name, resize] of FILLS) {
    const { state, count, ...tools } = bench();
    click(tools[name], 3.5, 10.5);
    const first = count(1);
    state.value = 2;
    resize(state, -1);
    tools[name].sizeChanged();
    assert.equal(count(2), 0);
    assert.ok(count(1) > 0 && count(1) < first);
  }
});

test('only another size does a fill over, not whatever else is preferred', () => {
  for (const [name] of FILLS) {
    const { image, ...tools } = bench();
    click(tools[name], 3.5, 10.5);
    const { edits } = image;
    tools[name].sizeChanged();
    assert.equal(image.edits, edits);
  }
});

test('a size at which a fill changes nothing is not the end of it', () => {
  const { image, state, flood, count } = bench();
  image.rectangle({ x: 0, y: 0 }, { x: 4, y: SIDE }, { value: 1 });
  const before = count(1);
  click(flood, 3.5, 10.5);
  const filled = count(1);
  assert.ok(filled > before);
  for (const [tolerance, expected] of [[0, before], [16, filled], [0, before]]) {
    state.tolerance = tolerance;
    flood.sizeChanged();
    assert.equal(count(1), expected);
  }
});

test('a finger that turns out to be the first of a pinch fills nothing', () => {
  for (const [name] of FILLS) {
    const { image, ...tools } = bench();
    tools[name].down({ x: 3.5, y: 10.5 }, { detail: 0 });
    tools[name].giveUp();
    assert.equal(image.edits, 0);
    assert.equal(image.canRedo, false);
    tools[name].up(null);
    assert.equal(image.edits, 0, 'nor does a press that is interrupted');
  }
});

test('a scribble that was given up fills nothing when the button is let go', () => {
  const { smart, image } = bench();
  smart.down({ x: 5, y: 5 });
  smart.move([{ x: 6, y: 5 }]);
  smart.giveUp();
  smart.move([{ x: 7, y: 5 }]);
  smart.up({});
  assert.equal(image.steps, 0);
});

/** An image of 3 × 3 pixels to a pixel of its overview, which has one colour, with a line one pixel wide across it, and a smart tool. */
function tiledBench({ over } = {}) {
  const [side, overview, line] = [96, 32, 50];
  const image = new OpenImage({
    item: { image_id: 1, width: side, height: side },
    pixels: Uint8Array.from({ length: side * side }, (_, at) => (at % side === line ? 3 : NOT_LABELLED)),
    revision: 0,
    status: null,
    suggestion: null,
  });
  const { desk } = bench();
  const picture = { rgba: new Uint8ClampedArray(4 * overview * overview).fill(90), width: overview, height: overview };
  Object.assign(desk.state, { over: () => over });
  const smart = new SmartTool({ ...desk, image, pixels: { read: () => picture } });
  const count = (value, isThere) => image.pixels.filter((one, at) => one === value && isThere(at % side)).length;
  return { image, smart, count, side, line };
}

test('a line of one pixel stops a smart fill that looks at an overview, and stays', () => {
  const { smart, count, side, line } = tiledBench();
  click(smart, 10.5, 40.5);
  assert.equal(count(3, () => true), side, 'the line is whole');
  assert.equal(count(1, (x) => x > line), 0, 'nothing is painted beyond it');
  assert.equal(count(1, (x) => x < 48), 48 * side, 'up to the cells that it passes all is');
});

test('a smart fill that covers a class does so to the pixel, and not what is locked', () => {
  const { smart, count, side } = tiledBench();
  click(smart, 50.5, 40.5);
  assert.equal(count(1, () => true), side * side, 'the scribble lies on the line');
  const locked = tiledBench({ over: Uint8Array.from({ length: 256 }, (_, value) => Number(value !== 3)) });
  click(locked.smart, 10.5, 40.5);
  assert.equal(locked.count(3, () => true), side);
});
