import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as zlib from 'node:zlib';

import { labelPng } from '../../app/canvas/frontend/label_png.js';

test('the file holds the label map, byte for byte', async () => {
  const [width, height] = [7, 5];
  const pixels = Uint8Array.from({ length: width * height }, (_, i) => (i * 37) % 256);
  const file = Buffer.from(await labelPng(pixels, width, height));
  assert.equal(file.subarray(1, 4).toString(), 'PNG');
  const chunks = {};
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const type = file.subarray(at + 4, at + 8).toString();
    chunks[type] = file.subarray(at + 8, at + 8 + length);
    if (zlib.crc32) assert.equal(file.readUInt32BE(at + 8 + length), zlib.crc32(file.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
  assert.deepEqual([chunks.IHDR.readUInt32BE(0), chunks.IHDR.readUInt32BE(4)], [width, height]);
  assert.deepEqual([...chunks.IHDR.subarray(8)], [8, 0, 0, 0, 0]);
  const rows = zlib.inflateSync(chunks.IDAT);
  for (let y = 0; y < height; y++) {
    assert.equal(rows[y * (width + 1)], 0);
    const row = rows.subarray(y * (width + 1) + 1, (y + 1) * (width + 1));
    assert.deepEqual(Uint8Array.from(row), pixels.slice(y * width, (y + 1) * width));
  }
});
