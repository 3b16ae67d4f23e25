import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodedMap } from '../../app/canvas/frontend/decoded_map.js';
import { decode, encode } from '../../app/canvas/frontend/run_length.js';

const SIZE = 2_000_000;

test('a large map is decoded by a worker, and here when the worker fails', async () => {
  const workers = [];
  globalThis.Worker = class {
    constructor() {
      workers.push(this);
    }

    postMessage(question) {
      this.question = question;
    }
  };
  const map = Uint8Array.from({ length: SIZE }, (_, at) => (at >> 12) % 5);
  const wire = encode(map).slice().buffer;

  const decoded = decodedMap(wire, SIZE);
  const { id, bytes, size } = workers[0].question;
  workers[0].onmessage({ data: { id, pixels: decode(bytes, size) } });
  assert.deepEqual(await decoded, map);

  const refused = decodedMap(wire, SIZE);
  workers[0].onmessage({ data: { id: workers[0].question.id, message: 'too few' } });
  await assert.rejects(refused, new RangeError('too few'));

  const late = decodedMap(wire, SIZE);
  workers[0].onerror();
  assert.deepEqual(await late, map);
  assert.equal(workers.length, 1);
});
