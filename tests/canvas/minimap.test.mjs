import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Minimap } from '../../app/canvas/frontend/minimap.js';

/** As much of a page as the map asks for. */
function page() {
  globalThis.window = { devicePixelRatio: 2 };
  globalThis.document = {
    createElement: () => {
      const element = { style: {}, listeners: {}, drawn: [], append: () => {}, setPointerCapture: () => {} };
      element.hidden = false;
      element.setAttribute = (name) => {
        if (name === 'hidden') element.hidden = true;
      };
      element.addEventListener = (kind, listener) => (element.listeners[kind] = listener);
      element.hasPointerCapture = () => true;
      element.getContext = () => ({ drawImage: (...drawn) => element.drawn.push(drawn) });
      element.getBoundingClientRect = () => ({ left: 10, top: 20 });
      return element;
    },
  };
}

const LARGE = { width: 4000, height: 2000, smallest: 'the smallest level' };
const SCREEN = { width: 800, height: 400 };

function press(minimap, kind, x, y) {
  const event = { clientX: x, clientY: y, pointerId: 1, preventDefault: () => {}, stopPropagation: () => {} };
  minimap.element.listeners[kind](event);
}

test('above 4 megapixels the view is a frame on the whole image, and none while the whole is seen', () => {
  page();
  const minimap = new Minimap(() => {});
  minimap.show(LARGE);
  assert.deepEqual(minimap.canvas.drawn, [['the smallest level', 0, 0, 320, 160]]);
  minimap.update({ scale: 0.2, x: 0, y: 0 }, SCREEN);
  assert.equal(minimap.element.hidden, true);
  // Pixel (1000, 500) of the image is in the corner of the screen, one to one.
  minimap.update({ scale: 1, x: -1000, y: -500 }, SCREEN);
  assert.equal(minimap.element.hidden, false);
  assert.equal(minimap.frame.style.transform, 'translate(40px, 20px)');
  assert.deepEqual([minimap.frame.style.width, minimap.frame.style.height], ['32px', '16px']);
});

test('a press or a drag on it brings that place to the middle', () => {
  page();
  const asked = [];
  const minimap = new Minimap((x, y) => asked.push([x, y]));
  minimap.show(LARGE);
  press(minimap, 'pointerdown', 10 + 80, 20 + 40);
  press(minimap, 'pointermove', 10 + 160, 20 + 80);
  assert.deepEqual(asked, [[2000, 1000], [4000, 2000]]);
});

test('smaller images have none', () => {
  page();
  const minimap = new Minimap(() => {});
  minimap.show({ width: 2000, height: 2000, smallest: 'the smallest level' });
  minimap.update({ scale: 8, x: 0, y: 0 }, SCREEN);
  assert.equal(minimap.element.hidden, true);
  assert.deepEqual(minimap.canvas.drawn, []);
});
