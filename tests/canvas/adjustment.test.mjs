import assert from 'node:assert/strict';
import { test } from 'node:test';

import { adjust, adjustmentTables } from '../../app/canvas/frontend/adjustment.js';
import { Adjustments, numberWords } from '../../app/canvas/frontend/adjustments.js';
import { UNADJUSTED, isAdjusted } from '../../app/canvas/frontend/display.js';
import { AS_IMPORTED } from '../../app/canvas/frontend/source_view.js';
import { installDom } from './fake_dom.mjs';

function adjusted(rgba, adjustment) {
  const pixels = new Uint8Array(rgba);
  adjust(new Uint32Array(pixels.buffer), adjustmentTables({ ...UNADJUSTED, ...adjustment }));
  return [...pixels];
}

test('without an adjustment every pixel stays', () => {
  assert.equal(isAdjusted(UNADJUSTED), false);
  for (let value = 0; value < 256; value++) {
    assert.deepEqual(adjusted([value, 255 - value, 7, 200], {}), [value, 255 - value, 7, 200]);
  }
});

test('a window stretches what lies in it', () => {
  assert.deepEqual(adjusted([50, 100, 150, 255], { low: 50, high: 150 }), [0, 128, 255, 255]);
  assert.deepEqual(adjusted([10, 200, 75, 255], { low: 50, high: 150 }), [0, 255, 64, 255]);
});

test('gamma lightens the dark, brightness shifts', () => {
  assert.deepEqual(adjusted([0, 64, 255, 255], { gamma: 2 }), [0, 128, 255, 255]);
  assert.deepEqual(adjusted([0, 100, 255, 255], { brightness: 0.2 }), [51, 151, 255, 255]);
});

test('one channel shows as grey', () => {
  assert.deepEqual(adjusted([10, 20, 30, 255], { channel: 'green' }), [20, 20, 20, 255]);
  assert.deepEqual(adjusted([10, 20, 30, 90], { channel: 'blue', low: 10, high: 50 }), [128, 128, 128, 90]);
});

test('a value has as many digits as the steps of its slider tell apart', () => {
  const shown = [[12.34, 65.5], [4095, 4.1], [0.5, 0.05], [-0.25, 0.01], [0.0123456, 0.00001], [3e-9, 1e-11]];
  assert.deepEqual(shown.map(([number, step]) => numberWords(number, step)), ['12', '4095', '0.50', '-0.25', '0.01235', '3e-9']);
});

test('the sliders of a window run over the values that the channels on the screen have', async () => {
  installDom();
  const channels = [[100, 900], [50, 4000], [0, 9]].map(([least, most]) => ({ name: '', least, most, low: 0, high: 65535 }));
  const source = { wanted: AS_IMPORTED, settle() {} };
  const panel = new Adjustments({ adjustment: UNADJUSTED }, { source, channels: async () => ({ channels, shown: [0, 1] }) });
  panel.element.hidden = false;
  const ends = async (channel) => {
    source.wanted = { ...AS_IMPORTED, channel };
    await panel.show({ channels_url: '/channels' });
    return [panel.low.input, panel.high.input].map(({ min, max }) => [min, max].map((one) => Math.round(Number(one))));
  };
  assert.deepEqual(await ends(''), [[50, 3996], [54, 4000]]);
  assert.deepEqual(await ends('0'), [[100, 899], [101, 900]]);
  assert.deepEqual(await ends('2'), [[0, 9], [0, 9]]);
});
