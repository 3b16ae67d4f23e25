import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DoubtOrder } from '../../app/canvas/frontend/doubt_order.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';

const [WIDTH, HEIGHT] = [240, 40];

/** Five places apart from each other, the worst in the middle; the uncertainty map is as large as the image. */
function scene() {
  const values = new Uint8Array(WIDTH * HEIGHT);
  const order = [100, 50, 150, 0, 200].map((x0, place) => {
    for (let y = 0; y < HEIGHT; y++) values.fill(250 - 30 * place, y * WIDTH + x0, y * WIDTH + x0 + 40);
    return x0;
  });
  const image = { width: WIDTH, height: HEIGHT, pixels: new Uint8Array(WIDTH * HEIGHT).fill(NOT_LABELLED), edits: 0 };
  return { uncertainty: { width: WIDTH, height: HEIGHT, values }, image, order };
}

function label(image, x0, x1) {
  for (let y = 0; y < HEIGHT; y++) image.pixels.fill(1, y * WIDTH + x0, y * WIDTH + x1);
  image.edits++;
}

/** Where steps in these directions lead: the left edges of the places. */
function walked(order, image, directions) {
  return directions.map((direction) => order.step(image, direction)?.x0 ?? null);
}

test('the walk goes round, in both directions, and begins at an end', () => {
  const { uncertainty, image, order } = scene();
  const forward = new DoubtOrder(uncertainty, image);
  assert.deepEqual(walked(forward, image, [1, 1, 1, 1, 1, 1]), [...order, order[0]]);
  assert.equal(forward.place, 'doubt 1 of 5');
  const backward = new DoubtOrder(uncertainty, image);
  assert.deepEqual(walked(backward, image, [-1, -1, 1, 1]), [order[4], order[3], order[4], order[0]]);
});

test('after a correction the walk goes on to the worst place that was not visited', () => {
  const { uncertainty, image, order } = scene();
  const walk = new DoubtOrder(uncertainty, image);
  walked(walk, image, [1, 1, 1]);
  // A part of the place changes its weight, and with it what the worst places are from now on.
  label(image, order[2], order[2] + 25);
  assert.deepEqual(walked(walk, image, [1, -1, -1]), [order[3], order[2], order[1]]);
  assert.equal(walk.place, 'doubt 2 of 5');
  label(image, order[1], order[1] + 5);
  assert.deepEqual(walked(walk, image, [1]), [order[4]], 'those between were visited');
});

test('places that are labelled by now are passed over, both ways', () => {
  const { uncertainty, image, order } = scene();
  const walk = new DoubtOrder(uncertainty, image);
  walked(walk, image, [1]);
  label(image, order[0], order[0] + 40);
  label(image, order[1], order[1] + 40);
  assert.deepEqual(walked(walk, image, [1, 1, -1, -1]), [order[2], order[3], order[2], order[4]]);
});

test('a walk that has seen all begins anew with what is left, and ends when nothing is', () => {
  const { uncertainty, image, order } = scene();
  const walk = new DoubtOrder(uncertainty, image);
  walked(walk, image, [1, 1, 1, 1, 1]);
  label(image, order[0], order[0] + 40);
  assert.deepEqual(walked(walk, image, [1]), [order[1]]);
  assert.equal(walk.place, 'doubt 1 of 4');
  label(image, 0, WIDTH);
  assert.deepEqual(walked(walk, image, [1, -1]), [null, null]);
  assert.equal(walk.place, '');
});
