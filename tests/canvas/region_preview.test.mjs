import assert from 'node:assert/strict';
import { test } from 'node:test';

import { previewPixels } from '../../app/canvas/frontend/region_preview.js';

const alphas = ({ pixels }) => Array.from(pixels, (pixel) => pixel >>> 24);

test('a region shows its pixels, its edge more strongly', () => {
  const mask = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1);
  const preview = previewPixels({ x0: 5, y0: 7, x1: 8, y1: 11, mask }, '#0072b2');
  assert.deepEqual([preview.width, preview.height, preview.step], [3, 4, 1]);
  assert.deepEqual(alphas(preview), [235, 235, 235, 235, 95, 235, 235, 95, 235, 0, 235, 235]);
  assert.equal(preview.pixels[4] & 0xffffff, 0xb27200);
});

test('a large region is shown with fewer pixels', () => {
  const mask = new Uint8Array(3000 * 2000).fill(1);
  const { width, height, step } = previewPixels({ x0: 0, y0: 0, x1: 3000, y1: 2000, mask }, '#0072b2');
  assert.ok(width * height <= 600_000);
  assert.ok(width * step >= 3000 && height * step >= 2000);
});
