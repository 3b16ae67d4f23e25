// Small random maps with regions worth finding in them, and what the tests of regions share.

import assert from 'node:assert/strict';

import { between } from './seeded_random.mjs';

/**
 * A map of boxes and lone pixels painted over each other.
 * @returns {import('../../app/canvas/frontend/label_map.js').LabelMap}
 */
export function randomMap(random, largest = 24, values = [0, 1, 2, 254, 255]) {
  const width = between(random, 1, largest);
  const height = between(random, 1, largest);
  const pixels = new Uint8Array(width * height).fill(values[0]);
  for (let shape = between(random, 0, 12); shape > 0; shape--) {
    const value = values[between(random, 0, values.length - 1)];
    const size = random() < 0.4 ? 1 : between(random, 1, largest / 2);
    const x0 = between(random, 0, width - 1);
    const y0 = between(random, 0, height - 1);
    for (let y = y0; y < Math.min(height, y0 + size); y++) {
      for (let x = x0; x < Math.min(width, x0 + size); x++) pixels[y * width + x] = value;
    }
  }
  return { width, height, pixels };
}

/** A region's pixels as y · width + x, in order; and that its box is as small as can be, where asked. */
export function pixelsOf(region, width, isTight = true) {
  if (!region) return [];
  const { x0, y0, x1, y1, mask } = region;
  assert.equal(mask.length, (x1 - x0) * (y1 - y0));
  const found = [];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const bit = mask[(y - y0) * (x1 - x0) + x - x0];
      assert.ok(bit === 0 || bit === 1);
      if (bit) found.push(y * width + x);
    }
  }
  if (isTight) {
    const xs = found.map((at) => at % width);
    const ys = found.map((at) => Math.floor(at / width));
    const around = [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
    assert.deepEqual([x0, y0, x1, y1], around);
  }
  return found;
}

/** Plain flood fill: one pixel at a time. @returns {number[]} pixels as y · width + x, in order */
export function reachable(width, height, x, y, isMember) {
  if (!isMember(y * width + x)) return [];
  const seen = new Set([y * width + x]);
  for (const at of seen) {
    const [column, row] = [at % width, Math.floor(at / width)];
    for (const [nx, ny] of [[column - 1, row], [column + 1, row], [column, row - 1], [column, row + 1]]) {
      if (nx >= 0 && nx < width && ny >= 0 && ny < height && isMember(ny * width + nx)) seen.add(ny * width + nx);
    }
  }
  return [...seen].sort((one, other) => one - other);
}
