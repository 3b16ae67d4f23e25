import assert from 'node:assert/strict';
import { test } from 'node:test';

import showMap from '../../app/embedding_map.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** What was drawn on the page of the test under way; Plotly is loaded once for all. */
let drawn = [];

/** As much of a page as the map asks for, with a Plotly that draws nothing and a server that answers on demand. */
function page() {
  drawn = [];
  const page = { opened: [], waiting: new Map(), listeners: {} };
  const element = () => ({
    append: () => {},
    on: (kind, listener) => (page.listeners[kind] = listener),
    offsetWidth: 0,
  });
  globalThis.document = { createElement: element, head: { append: (script) => script.onload() } };
  globalThis.window = { Plotly: { react: async (plot, traces) => drawn.push(traces.map((one) => one.x.length)) } };
  globalThis.getComputedStyle = () => ({ getPropertyValue: () => '#000000' });
  globalThis.ResizeObserver = class {
    observe() {}
  };
  globalThis.fetch = (address) => new Promise((resolve, reject) => page.waiting.set(address, { resolve, reject }));
  const parent = element();
  const send = (_, id) => page.opened.push(id);
  page.show = (version) => {
    const data = { version, colour: 'split', points_url: `/points/${version}`, plotly_url: '/plotly.js', most_chosen: 9 };
    showMap({ data, parentElement: parent, setStateValue: () => {}, setTriggerValue: send });
  };
  page.answer = async (version, ids) => {
    page.waiting.get(`/points/${version}`).resolve({ ok: true, json: async () => pointsOf(ids) });
    await settled();
  };
  page.fail = async (version) => {
    page.waiting.get(`/points/${version}`).reject(new Error('The server is gone.'));
    await settled();
  };
  page.clickFirst = () => page.listeners.plotly_click({ points: [{ curveNumber: 0, pointNumber: 0 }] });
  return page;
}

function pointsOf(ids) {
  const text = (values) => Buffer.from(values.buffer).toString('base64');
  const places = text(Float32Array.from(ids, (_, at) => at / ids.length));
  return {
    count: ids.length,
    shown: ids.length,
    splits: ['pool'],
    ids: text(Int32Array.from(ids)),
    x: places,
    y: places,
    score: places,
    split: text(new Uint8Array(ids.length)),
  };
}

test('an older answer that comes late does not take the place of the points that are drawn', async () => {
  const { show, answer, clickFirst, opened } = page();
  show(1);
  await settled();
  show(2);
  await settled();
  await answer(2, [21, 22, 23]);
  await answer(1, [11, 12]);
  assert.deepEqual(drawn, [[3]]);
  clickFirst();
  assert.deepEqual(opened, [21], 'the dot that is seen is the image that opens');
});

test('an older request that fails late is no failure of the map', async () => {
  const { show, answer, fail, waiting } = page();
  show(1);
  await settled();
  show(2);
  await settled();
  await answer(2, [21, 22, 23]);
  await fail(1);
  waiting.clear();
  show(2);
  await settled();
  assert.deepEqual(drawn, [[3]]);
  assert.equal(waiting.size, 0, 'nor is anything asked again');
});
