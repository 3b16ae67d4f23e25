import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Transport } from '../../app/canvas/frontend/transport.js';

const REQUEST = {
  imageId: 3,
  revision: 1,
  status: 'draft',
  submission: '7',
  bytes: Uint8Array.of(1),
  edits: 1,
  seconds: 2,
  round: null,
  blind: false,
};

test('what is saved, on the way out too, and what is asked says whose page it is', async (context) => {
  // How long an answer may take would keep the process.
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = [];
  context.mock.method(globalThis, 'fetch', async (url, { headers }) => {
    asked.push([url, headers['X-Qualm'], decodeURIComponent(headers['X-Annotator'])]);
    return new Response('{}');
  });
  const transport = new Transport(1, () => [], 'Ada Łovelace, 50 %');
  await transport.save(REQUEST);
  transport.saveOnTheWayOut(REQUEST);
  await transport.skip(3);
  await transport.progress();
  assert.deepEqual(asked.map(([url]) => url.replace(/[?].*/, '')), [
    '/api/images/3/label',
    '/api/images/3/label',
    '/api/images/3/skip',
    '/api/projects/1/progress',
  ]);
  assert.ok(asked.every(([, qualm, annotator]) => qualm === '1' && annotator === 'Ada Łovelace, 50 %'));
});

test('a page whose person is signed out, or another one in, holds its pixels back', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  context.mock.method(globalThis, 'fetch', async () => new Response('{"error": "Bob has signed in."}', { status: 401 }));
  const answer = await new Transport(1, () => [], 'Ada').save(REQUEST);
  assert.deepEqual([answer.kind, answer.message], ['signed-out', 'Bob has signed in.']);
});
