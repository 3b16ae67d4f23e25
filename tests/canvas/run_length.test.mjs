import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { decode, encode } from '../../app/canvas/frontend/run_length.js';
import { between, seededRandom } from './seeded_random.mjs';

const golden = JSON.parse(readFileSync(new URL('../golden/run_length.json', import.meta.url), 'utf8'));

for (const { name, values, hex } of golden) {
  test(`the bytes are Python's: ${name}`, () => {
    const pixels = Uint8Array.from(values);
    assert.equal(Buffer.from(encode(pixels)).toString('hex'), hex);
    assert.deepEqual(decode(new Uint8Array(Buffer.from(hex, 'hex')), pixels.length), pixels);
  });
}

test('random maps come back as they were', () => {
  const random = seededRandom(1);
  for (let round = 0; round < 200; round++) {
    const pixels = new Uint8Array(between(random, 0, 5000));
    for (let at = 0; at < pixels.length; ) {
      const end = at + between(random, 1, random() < 0.1 ? 4000 : 40);
      pixels.fill(between(random, 0, 255), at, end);
      at = end;
    }
    assert.deepEqual(decode(encode(pixels), pixels.length), pixels);
  }
});

test('a run longer than 2^21 pixels comes back', () => {
  const pixels = new Uint8Array(5_000_000).fill(7);
  assert.deepEqual(decode(encode(pixels), pixels.length), pixels);
});

test('bytes that do not describe the image are refused', () => {
  const good = encode(Uint8Array.of(1, 1, 2));
  assert.throws(() => decode(good, 4), RangeError);
  assert.throws(() => decode(good, 2), RangeError);
  assert.throws(() => decode(good.slice(0, -1), 3), RangeError);
  assert.throws(() => decode(Uint8Array.of(...good, 1), 3), RangeError);
  assert.throws(() => decode(Uint8Array.of(1, 0), 3), RangeError);
  assert.throws(() => decode(Uint8Array.of(2, 0, 0, 0, 1, 2, 0, 3), 3), RangeError);
  assert.throws(() => decode(Uint8Array.of(255, 255, 255, 255, 1, 2), 3), RangeError);
});
