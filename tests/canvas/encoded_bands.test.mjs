import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EncodedBands } from '../../app/canvas/frontend/encoded_bands.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { decode } from '../../app/canvas/frontend/run_length.js';
import { between, seededRandom } from './seeded_random.mjs';

function openImage(width, height) {
  return new OpenImage({
    item: { image_id: 1, width, height },
    pixels: new Uint8Array(width * height).fill(NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion: null,
  });
}

const decoded = (bands, image) => decode(bands.joined(), image.pixels.length);

test('random strokes, undos and redos are always followed', () => {
  const random = seededRandom(4);
  for (const [width, height] of [[1, 1], [64, 64], [65, 129], [200, 300]]) {
    const image = openImage(width, height);
    const bands = new EncodedBands(image);
    for (let step = 0; step < 40; step++) {
      const point = () => ({ x: random() * width, y: random() * height });
      const kind = between(random, 0, 4);
      if (kind === 0) image.undo();
      else if (kind === 1) image.redo();
      else if (kind === 2) image.polygon([point(), point(), point()], { value: between(random, 0, 5) });
      else {
        image.stroke(point(), point(), 1 + random() * 20, { value: between(random, 0, 5) });
        image.endStroke();
      }
      assert.equal(bands.encodeFor(Infinity), true);
      assert.deepEqual(decoded(bands, image), image.pixels);
    }
  }
});

test('a stroke under way is left out until it is complete', () => {
  const image = openImage(150, 200);
  const bands = new EncodedBands(image);
  image.stroke({ x: 10, y: 10 }, { x: 60, y: 60 }, 5, { value: 1 });
  image.endStroke();
  const before = image.pixels.slice();
  image.stroke({ x: 5, y: 150 }, { x: 149, y: 30 }, 9, { value: 2 });
  bands.encodeFor(Infinity);
  assert.deepEqual(decoded(bands, image), before);
  image.endStroke();
  bands.encodeFor(Infinity);
  assert.deepEqual(decoded(bands, image), image.pixels);
});

test('a stroke leaves the other bands the objects they were', () => {
  const image = openImage(10, 300);
  const bands = new EncodedBands(image);
  bands.encodeFor(Infinity);
  const before = [...bands.bands];
  image.stroke({ x: 5, y: 70 }, { x: 5, y: 75 }, 2, { value: 1 });
  image.endStroke();
  bands.encodeFor(Infinity);
  assert.deepEqual(bands.bands.map((band, row) => band === before[row]), [true, false, true, true, true]);
});

test('it stops when its time is up and goes on where it stopped', () => {
  let time = 0;
  const image = openImage(10, 300);
  const bands = new EncodedBands(image, () => time++);
  assert.equal(bands.encodeFor(0), false);
  let slices = 1;
  while (!bands.encodeFor(0)) slices++;
  assert.equal(slices, 4, 'one band in each slice at the least');
  assert.deepEqual(decoded(bands, image), image.pixels);
});
