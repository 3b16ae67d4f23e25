import assert from 'node:assert/strict';
import test from 'node:test';

import { PixelReadout } from '../../app/canvas/frontend/pixel_readout.js';

function readoutOn(width, height) {
  const shown = [];
  const image = { width, height, pixels: new Uint8Array(width * height), suggestion: null };
  const toolbar = { showHover: (pixel) => shown.push(pixel && `${pixel.x},${pixel.y}`) };
  const about = () => ({ view: { image, uncertainty: null }, classes: [] });
  return { readout: new PixelReadout(toolbar, about), shown };
}

test('words follow the cursor at once, but wait for a hand that draws to rest', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { readout, shown } = readoutOn(9, 9);
  readout.show({ x: 1.5, y: 1.5 });
  assert.deepEqual(shown, ['1,1']);
  for (let x = 2; x < 6; x++) {
    readout.show({ x, y: 1 }, true);
    context.mock.timers.tick(60);
  }
  assert.deepEqual(shown, ['1,1']);
  context.mock.timers.tick(240);
  assert.deepEqual(shown, ['1,1', '5,1']);
  readout.show({ x: 6, y: 1 }, true);
  readout.show(null);
  context.mock.timers.tick(500);
  assert.deepEqual(shown, ['1,1', '5,1', null]);
});
