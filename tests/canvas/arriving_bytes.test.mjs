import assert from 'node:assert/strict';
import test from 'node:test';

import { ArrivingBytes } from '../../app/canvas/frontend/arriving_bytes.js';

/** @param {number[][]} chunks @param {Error | null} failure */
function streamOf(chunks, failure = null) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(Uint8Array.from(chunk));
      if (failure) controller.error(failure);
      else controller.close();
    },
  });
}

test('bytes are taken across the borders of what arrives', async () => {
  const arriving = new ArrivingBytes(streamOf([[1], [2, 3, 4], [], [5, 6]]));
  assert.deepEqual([...(await arriving.take(2))], [1, 2]);
  assert.deepEqual([...(await arriving.take(0))], []);
  assert.deepEqual([...(await arriving.take(4))], [3, 4, 5, 6]);
});

test('counted bytes have their number before them, the lowest byte first', async () => {
  const long = Array.from({ length: 258 }, (_, at) => at % 256);
  const arriving = new ArrivingBytes(streamOf([[2, 0, 0], [0, 7, 8, 2, 1, 0, 0], long, [0, 0, 0, 0]]));
  assert.deepEqual([...(await arriving.takeCounted())], [7, 8]);
  assert.deepEqual([...(await arriving.takeCounted())], long);
  assert.equal((await arriving.takeCounted()).length, 0);
});

test('what is taken is a copy that shares nothing with the rest', async () => {
  const arriving = new ArrivingBytes(streamOf([[1, 2, 3]]));
  const first = await arriving.take(1);
  assert.equal(first.buffer.byteLength, 1);
});

test('an answer that ends early or is cut is told', async () => {
  await assert.rejects(new ArrivingBytes(streamOf([[1, 2]])).take(3), /ended early/);
  await assert.rejects(new ArrivingBytes(streamOf([[9, 0, 0, 0, 1]])).takeCounted(), /ended early/);
  await assert.rejects(new ArrivingBytes(streamOf([], new Error('cut'))).take(1), /cut/);
});
