import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED, VOID } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { seenRegion, suggestedRegion } from '../../app/canvas/frontend/tool_click.js';

const [WIDTH, HEIGHT] = [100, 80];

/** Left half suggested as class 1, right half as class 2; nothing labelled. */
function openImage() {
  const suggestion = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => (i % WIDTH < 50 ? 1 : 2));
  return new OpenImage({
    item: { image_id: 7, width: WIDTH, height: HEIGHT },
    pixels: new Uint8Array(WIDTH * HEIGHT).fill(NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion,
  });
}

const count = (values, value) => values.reduce((sum, one) => sum + Number(one === value), 0);
const region = { x0: 10, y0: 10, x1: 12, y1: 12, mask: Uint8Array.of(1, 0, 0, 1) };

test('a region is painted, locked values stay, and one undo takes it back', () => {
  const image = openImage();
  image.pixels[10 * WIDTH + 10] = 5;
  const over = new Uint8Array(256).fill(1);
  over[5] = 0;
  assert.ok(image.region(region, { value: 3, over }));
  assert.equal(image.pixels[10 * WIDTH + 10], 5);
  assert.equal(image.pixels[11 * WIDTH + 11], 3);
  assert.ok(image.undo());
  assert.equal(count(image.pixels, 3), 0);
  assert.ok(image.redo());
  assert.equal(count(image.pixels, 3), 1);
});

test('a whole label map takes the place only of what may be painted over', () => {
  const image = openImage();
  image.pixels[0] = 5;
  const over = new Uint8Array(256).fill(1);
  over[5] = 0;
  const other = new Uint8Array(WIDTH * HEIGHT).fill(3);
  assert.ok(image.replace(other, over));
  assert.deepEqual([image.pixels[0], image.pixels[1]], [5, 3]);
  assert.ok(image.replace(other));
  assert.equal(image.pixels[0], 3);
});

test('the region under a pixel is accepted alone', () => {
  const image = openImage();
  image.region(suggestedRegion(image, { x: 3, y: 3 }), { suggestion: image.suggestion });
  assert.equal(count(image.pixels, 1), 50 * HEIGHT);
  assert.equal(count(image.pixels, 2), 0);
  assert.equal(suggestedRegion(image, { x: 3, y: 3 }), null, 'it is labelled now');
});

test('a rejected region is no suggestion any more, until it is undone', () => {
  const image = openImage();
  const before = image.edits;
  assert.ok(image.reject(suggestedRegion(image, { x: 70, y: 3 })));
  assert.equal(image.edits, before, 'the label map is as it was');
  assert.equal(count(image.suggestion, 2), 0);
  image.acceptAll();
  assert.equal(count(image.pixels, NOT_LABELLED), 50 * HEIGHT);
  assert.ok(image.undo(), 'accept all is taken back first');
  assert.ok(!image.undo(), 'then the rejection, which is no edit of the label map');
  assert.equal(count(image.suggestion, 2), 50 * HEIGHT);
  assert.ok(!image.canUndo);
});

test('a new action forgets what could be done again, in both maps', () => {
  const image = openImage();
  image.reject(suggestedRegion(image, { x: 70, y: 3 }));
  image.undo();
  assert.ok(image.canRedo);
  image.fillRest(4);
  assert.ok(!image.canRedo);
  assert.ok(!image.redo());
  image.undo();
  assert.equal(count(image.pixels, NOT_LABELLED), WIDTH * HEIGHT);
});

test('a new suggestion takes the rejections of the old one out of the history', () => {
  const image = openImage();
  image.fillRest(4);
  image.undo();
  image.reject(suggestedRegion(image, { x: 70, y: 3 }));
  image.suggestion = new Uint8Array(WIDTH * HEIGHT).fill(6);
  assert.ok(!image.canUndo);
  assert.equal(count(image.suggestion, 6), WIDTH * HEIGHT);
});

test('a stroke given up leaves no trace', () => {
  const image = openImage();
  const changed = [];
  image.stroke({ x: 5, y: 5 }, { x: 90, y: 60 }, 4, { value: 1 });
  image.onChange = (rectangle) => changed.push(rectangle);
  image.giveUpStroke();
  assert.equal(count(image.pixels, NOT_LABELLED), WIDTH * HEIGHT);
  assert.equal(changed.length, 1, 'what was painted is drawn again');
  assert.ok(!image.endStroke());
  assert.ok(!image.canUndo);
});

test('only what the model is sure of is accepted, and only where nothing is labelled', () => {
  const image = openImage();
  image.pixels[0] = VOID;
  const uncertainty = { width: 2, height: 1, values: Uint8Array.of(20, 200) };
  assert.ok(image.acceptAbove(uncertainty, 0.9));
  assert.equal(image.pixels[0], VOID);
  assert.equal(count(image.pixels, 1), 50 * HEIGHT - 1);
  assert.equal(count(image.pixels, 2), 0);
});

test('the seen region is the label where there is one, else the suggestion', () => {
  const image = openImage();
  image.rectangle({ x: 20, y: 20 }, { x: 30, y: 30 }, { value: 9 });
  const labelled = seenRegion(image, { x: 25, y: 25 });
  assert.deepEqual([labelled.x0, labelled.y0, labelled.x1, labelled.y1], [20, 20, 30, 30]);
  const suggested = seenRegion(image, { x: 5, y: 5 });
  assert.equal(count(suggested.mask, 1), 50 * HEIGHT - 100);
});

test('a rectangle covers the pixels whose centre it holds', () => {
  const image = openImage();
  image.rectangle({ x: 30.6, y: 30.4 }, { x: 20.4, y: 20.6 }, { value: 1 });
  assert.equal(count(image.pixels, 1), 11 * 9);
});
