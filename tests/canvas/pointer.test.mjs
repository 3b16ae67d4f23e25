import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pointer, REST_MS } from '../../app/canvas/frontend/pointer.js';

/** A pointer over a surface without a screen, with a brush and an eraser that write down what they are told. */
function bench() {
  const listeners = {};
  const bench = { told: [], pinched: [], panned: [], asked: [], view: { x: 0, y: 0 } };
  const element = {
    dataset: {},
    addEventListener: (kind, listener) => (listeners[kind] = listener),
    setPointerCapture: () => {},
    hasPointerCapture: () => false,
    releasePointerCapture: () => {},
  };
  const surface = {
    element,
    canvas: { getBoundingClientRect: () => ({ left: 0, top: 0 }) },
    pointOf: ({ clientX, clientY }) => ({ x: clientX - bench.view.x, y: clientY - bench.view.y }),
    pinch: (factor) => bench.pinched.push(factor),
    pan: (dx, dy) => bench.panned.push([dx, dy]),
  };
  const toolOf = (name) => ({
    cursor: 'brush',
    down: ({ x }) => bench.told.push(`${name} down ${x}`),
    move: (points) => bench.told.push(`${name} move ${points.at(-1).x}`),
    up: (event) => bench.told.push(`${name} up${event ? '' : ', interrupted'}`),
    giveUp: () => bench.told.push(`${name} given up`),
    hover: (point) => (bench.hovered = point),
    show: () => {},
  });
  const [brush, eraser] = [toolOf('brush'), toolOf('eraser')];
  const parts = {
    tool: () => brush,
    eraser: () => eraser,
    isReady: () => true,
    onHover: () => {},
    onActive: () => {},
    onMenu: ({ clientX }) => bench.asked.push(clientX),
  };
  bench.pointer = new Pointer(surface, parts);
  bench.send = (kind, pointer, x, more = {}) => {
    const held = kind === 'up' || kind === 'cancel' ? 0 : 1;
    const event = { type: `pointer${kind}`, clientX: x, clientY: 0, button: 0, buttons: held, isPrimary: true, ...pointer, ...more };
    listeners[event.type]({ preventDefault: () => {}, ...event });
  };
  bench.heard = () => bench.told.splice(0);
  return bench;
}

const MOUSE = { pointerType: 'mouse', pointerId: 1 };
const PEN = { pointerType: 'pen', pointerId: 2 };
const finger = (number) => ({ pointerType: 'touch', pointerId: 10 + number, isPrimary: number === 0 });

test('a finger paints, a second one makes it a pinch', () => {
  const { send, heard, pinched } = bench();
  send('down', finger(0), 10);
  send('move', finger(0), 20);
  send('down', finger(1), 40);
  assert.deepEqual(heard(), ['brush down 10', 'brush move 20', 'brush given up']);
  send('move', finger(1), 60);
  assert.deepEqual(pinched, [2]);
});

test('a pinch ends with the first finger that is lifted, and the other one paints nothing', () => {
  for (const [lifted, stays] of [[0, 1], [1, 0]]) {
    for (const kind of ['up', 'cancel']) {
      const { pointer, send, heard, pinched } = bench();
      send('down', finger(0), 10);
      send('down', finger(1), 40);
      send(kind, finger(lifted), 10);
      heard();
      send('move', finger(stays), 50);
      send('move', finger(stays), 70);
      assert.equal(pointer.drag, null);
      send('up', finger(stays), 70);
      assert.deepEqual([heard(), pinched], [[], []]);
      send('down', finger(0), 5);
      assert.deepEqual(heard(), ['brush down 5'], 'and the next finger paints again');
    }
  }
});

test('a second finger that comes back pinches again', () => {
  const { send, pinched } = bench();
  send('down', finger(0), 10);
  send('down', finger(1), 40);
  send('up', finger(1), 40);
  send('down', finger(2), 20);
  send('move', finger(2), 40);
  assert.deepEqual(pinched, [3]);
});

test('what is under the cursor follows the view, though the cursor stays', () => {
  const { pointer, send, view } = bench();
  send('move', MOUSE, 30, { buttons: 0 });
  assert.deepEqual(pointer.hover, { x: 30, y: 0 });
  view.x = 20;
  pointer.viewMoved();
  assert.deepEqual(pointer.hover, { x: 10, y: 0 });
});

test('a hand that rests beside a pen neither draws nor ends its stroke', () => {
  const { send, heard, pinched } = bench();
  send('down', PEN, 10);
  send('down', finger(0), 300);
  send('move', finger(0), 310);
  send('down', finger(1), 340);
  send('move', finger(1), 350);
  send('up', finger(0), 310);
  send('move', PEN, 20);
  send('cancel', finger(1), 350);
  send('up', PEN, 20);
  assert.deepEqual(heard(), ['brush down 10', 'brush move 20', 'brush up']);
  assert.deepEqual(pinched, []);
});

test('a pen draws although a hand lies there already, which then was no stroke', () => {
  for (const fingers of [[finger(0)], [finger(0), finger(1)]]) {
    const { send, heard, panned } = bench();
    for (const [at, one] of fingers.entries()) send('down', one, 300 + at);
    send('move', fingers[0], 310);
    send('down', PEN, 10);
    assert.deepEqual(heard().slice(-2), ['brush given up', 'brush down 10']);
    send('up', PEN, 10);
    heard();
    // The hand still lies there; by now it is known to be one.
    send('up', fingers[0], 310);
    send('down', finger(0), 300);
    send('move', finger(0), 320);
    send('down', PEN, 30);
    send('move', PEN, 40);
    assert.deepEqual(heard(), ['brush down 30', 'brush move 40']);
    assert.ok(panned.every(([dx]) => Math.abs(dx) <= 20), 'the image does not jump to the pen');
  }
});

test('a mouse and a finger do not disturb each other', () => {
  const { send, heard, pinched } = bench();
  send('down', MOUSE, 10);
  send('down', finger(0), 300);
  send('move', finger(0), 310);
  send('down', finger(1), 340);
  send('move', finger(1), 380);
  send('move', MOUSE, 20);
  send('up', finger(0), 310);
  send('up', finger(1), 380);
  send('up', MOUSE, 20);
  assert.deepEqual(heard(), ['brush down 10', 'brush move 20', 'brush up']);
  assert.deepEqual(pinched, []);
});

test('a finger whose end was never heard of makes no later one a pinch', () => {
  const { pointer, send, heard } = bench();
  send('down', finger(0), 10);
  pointer.finish();
  heard();
  send('down', { pointerType: 'touch', pointerId: 30 }, 50);
  send('move', { pointerType: 'touch', pointerId: 30 }, 60);
  assert.deepEqual(heard(), ['brush down 50', 'brush move 60']);
});

test('a button that was let go elsewhere ends the stroke', () => {
  for (const one of [MOUSE, PEN]) {
    const { send, heard } = bench();
    send('down', one, 10);
    send('move', one, 20);
    heard();
    send('move', one, 300, { buttons: 0 });
    send('move', one, 310, { buttons: 2 });
    assert.deepEqual(heard(), ['brush up, interrupted']);
  }
  const { send, heard } = bench();
  send('down', PEN, 10, { button: 5, buttons: 32 });
  send('move', PEN, 20, { buttons: 32 });
  assert.deepEqual(heard(), ['eraser down 10', 'eraser move 20'], "a pen's other end is a button too");
});

test('a pinch takes back no more of a tool than its first finger did', () => {
  const { pointer, send, heard, told } = bench();
  pointer.tool().takeBack = () => told.push('brush taken back');
  send('down', finger(0), 10);
  send('down', finger(1), 40);
  assert.deepEqual(heard(), ['brush down 10', 'brush taken back']);
});

test('of what a fast hand did between two frames every point reaches the tool', () => {
  const { pointer, send } = bench();
  const drawn = [];
  pointer.tool = () => ({ cursor: 'brush', down: () => {}, move: (points) => drawn.push(points.map(({ x }) => x)), show: () => {} });
  send('down', PEN, 1);
  const between = [2, 3, 5, 8].map((clientX) => ({ clientX, clientY: 0 }));
  send('move', PEN, 8, { getCoalescedEvents: () => between });
  send('move', PEN, 9, { getCoalescedEvents: () => [] });
  assert.deepEqual(drawn, [[2, 3, 5, 8], [9]]);
});

test('a finger that rests asks what can be done there, and paints nothing more', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { send, heard, asked } = bench();
  send('down', finger(0), 10);
  send('move', finger(0), 13);
  context.mock.timers.tick(REST_MS);
  assert.deepEqual(asked, [10]);
  assert.deepEqual(heard(), ['brush down 10', 'brush move 13', 'brush given up']);
  send('move', finger(0), 90);
  send('up', finger(0), 90);
  assert.deepEqual(heard(), []);
  send('down', finger(0), 20);
  send('up', finger(0), 20);
  assert.deepEqual(heard(), ['brush down 20', 'brush up']);
});

test('a finger that moves, is lifted or gets a second one beside it asks for nothing; nor does a mouse that rests', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { send, asked } = bench();
  send('down', finger(0), 10);
  send('move', finger(0), 30);
  context.mock.timers.tick(REST_MS);
  send('up', finger(0), 30);
  send('down', finger(0), 10);
  send('up', finger(0), 10);
  context.mock.timers.tick(REST_MS);
  send('down', finger(0), 10);
  send('down', finger(1), 40);
  context.mock.timers.tick(REST_MS);
  send('up', finger(1), 40);
  send('up', finger(0), 10);
  send('down', MOUSE, 10);
  context.mock.timers.tick(REST_MS);
  send('up', MOUSE, 10);
  assert.deepEqual(asked, []);
});

test('the right button asks what can be done at its place', () => {
  const { send, heard, asked } = bench();
  send('down', MOUSE, 70, { button: 2, buttons: 2 });
  send('up', MOUSE, 70, { button: 2 });
  assert.deepEqual(asked, [70]);
  assert.deepEqual(heard(), []);
});
