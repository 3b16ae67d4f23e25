import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { SuperpixelMap } from '../../app/canvas/frontend/superpixel_map.js';
import { SuperpixelShelf } from '../../app/canvas/frontend/superpixel_shelf.js';
import { SuperpixelTool } from '../../app/canvas/frontend/tool_superpixel.js';

const [WIDTH, HEIGHT] = [8, 2];

/** Superpixels are stripes two pixels wide. */
function stripes() {
  const bytes = new Uint8Array(8 + 2 * WIDTH * HEIGHT);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, WIDTH, true);
  view.setUint32(4, HEIGHT, true);
  for (let at = 0; at < WIDTH * HEIGHT; at++) view.setUint16(8 + 2 * at, Math.floor((at % WIDTH) / 2), true);
  return new SuperpixelMap(bytes, WIDTH, HEIGHT);
}

function openImage(image_id = 7) {
  const pixels = new Uint8Array(WIDTH * HEIGHT).fill(NOT_LABELLED);
  return new OpenImage({ item: { image_id, width: WIDTH, height: HEIGHT }, pixels, revision: 0, status: null, suggestion: null });
}

/** A tool whose superpixels come when `bench.arrive` is called. */
function bench() {
  const bench = { image: openImage(), value: 1, edited: [], notices: [], asked: [], answers: [], unsaved: [], drawn: [] };
  const transport = {
    superpixels: (item, count) => {
      bench.asked.push([item.image_id, count]);
      return new Promise((resolve, reject) => bench.answers.push({ resolve, reject }));
    },
  };
  const notice = (text) => bench.notices.push(text);
  const state = { superpixels: 600 };
  const desk = {
    state,
    superpixels: new SuperpixelShelf(transport, notice, () => {}),
    surface: { showRing: () => {}, showPolygon: (_, points) => (bench.drawn = points) },
    get image() {
      return bench.image;
    },
    paint: () => ({ value: bench.value }),
    colourOf: () => '#000000',
    edited: (image) => bench.edited.push(image),
    unsavedImage: (id) => bench.unsaved.find((image) => image.id === id) ?? null,
    notice,
    preview: () => {},
    readAhead: () => bench.image && desk.superpixels.of(bench.image, state.superpixels),
  };
  bench.desk = desk;
  bench.tool = new SuperpixelTool(desk);
  bench.arrive = async (map = stripes()) => {
    bench.answers.shift().resolve(map);
    await bench.tool.settled;
  };
  return bench;
}

const row = ({ pixels }) => [...pixels.subarray(0, WIDTH)].map((value) => (value === NOT_LABELLED ? 0 : value)).join('');
const at = (x) => ({ x, y: 0.5 });

test('a stroke that is complete before its superpixels are here is painted when they come', async () => {
  const { tool, desk, image, edited, notices, arrive, ...rest } = bench();
  tool.down(at(0.5));
  tool.move([at(1.5), at(2.5)]);
  tool.up();
  assert.equal(row(image), '00000000');
  assert.equal(notices.length, 1, 'the person is told');
  assert.ok(tool.isWaiting);
  assert.equal(tool.cursor, 'progress');
  await arrive();
  assert.equal(row(image), '11110000');
  assert.deepEqual(edited, [image]);
  assert.ok(!tool.isWaiting);
  assert.equal(tool.cursor, 'crosshair');
  image.undo();
  assert.equal(row(image), '00000000', 'one undo takes it back');
  assert.deepEqual(rest.asked, [[7, 600]]);
});

test('a stroke that is still under way goes on where it is', async () => {
  const { tool, image, edited, arrive } = bench();
  tool.down(at(0.5));
  await arrive();
  assert.equal(row(image), '11000000');
  tool.move([at(5.5)]);
  tool.up();
  assert.equal(row(image), '11111100');
  assert.deepEqual(edited, [image]);
  image.undo();
  assert.equal(row(image), '00000000');
});

test('it has the class and the image that it was drawn with', async () => {
  const parts = bench();
  const { tool, image } = parts;
  tool.down(at(0.5));
  tool.up();
  parts.value = 2;
  tool.down(at(6.5));
  tool.up();
  parts.image = openImage(8);
  await parts.arrive();
  assert.equal(row(image), '11000022');
  assert.equal(row(parts.image), '00000000');
  assert.deepEqual(parts.edited, [image, image]);
  assert.equal(parts.notices.length, 1, 'told once');
});

test('an image that was opened anew gets it', async () => {
  const parts = bench();
  parts.tool.down(at(0.5));
  parts.tool.up();
  parts.image = openImage();
  await parts.arrive();
  assert.equal(row(parts.image), '11000000');
});

test('undo drops a stroke that is not painted yet; going to another tool leaves it', async () => {
  const { tool, image, arrive } = bench();
  tool.down(at(0.5));
  tool.up();
  tool.down(at(4.5));
  tool.up();
  tool.giveUp();
  assert.ok(tool.dropWaiting(image));
  await arrive();
  assert.equal(row(image), '11000000');
  assert.ok(!tool.dropWaiting(image));
});

test('a stroke that a second finger made a pinch is none', async () => {
  const { tool, image, arrive } = bench();
  tool.down(at(0.5));
  tool.giveUp();
  await arrive();
  assert.equal(row(image), '00000000');
  assert.ok(!image.canUndo);
});

test('superpixels that do not come are said, and the next stroke asks again', async () => {
  const { tool, image, notices, answers, asked, desk } = bench();
  desk.superpixels.retryAfter = 0;
  tool.down(at(0.5));
  tool.up();
  answers.shift().reject(new Error('The server is busy.'));
  await tool.settled;
  assert.equal(row(image), '00000000');
  assert.ok(!tool.isWaiting);
  assert.match(notices.at(-1), /not painted/);
  await new Promise((resolve) => setTimeout(resolve, 5));
  tool.down(at(0.5));
  assert.equal(asked.length, 2);
});

test('another size is asked for at once', () => {
  const { tool, desk, asked } = bench();
  desk.state.superpixels = 2000;
  tool.sizeChanged();
  assert.deepEqual(asked, [[7, 2000]]);
});

/** A stroke of one stripe that is complete. */
function stroke({ tool }, x) {
  tool.down(at(x));
  tool.up();
}

test('undo leaves a stroke that waits on another image, and is not shown it', async () => {
  const parts = bench();
  const { tool, image } = parts;
  stroke(parts, 0.5);
  tool.show();
  assert.equal(parts.drawn.length, 1);
  parts.image = openImage(8);
  tool.show();
  assert.equal(parts.drawn.length, 0, 'it lies on the other image');
  assert.ok(!tool.dropWaiting(parts.image));
  await parts.arrive();
  assert.equal(row(image), '11000000');
});

test('what was done after a stroke that waits is undone before it', () => {
  const parts = bench();
  const { tool, image } = parts;
  stroke(parts, 0.5);
  image.rectangle({ x: 4, y: 0 }, { x: 6, y: 1 }, { value: 2 });
  assert.ok(!tool.dropWaiting(image), 'the rectangle is newer');
  image.undo();
  assert.ok(tool.dropWaiting(image), 'now the stroke is the newest');
  assert.ok(!tool.isWaiting);
});

test('on an image that was loaded anew the stroke that waits is the oldest', () => {
  const parts = bench();
  parts.image.rectangle({ x: 4, y: 0 }, { x: 6, y: 1 }, { value: 2 });
  stroke(parts, 0.5);
  const again = openImage();
  again.rectangle({ x: 4, y: 0 }, { x: 6, y: 1 }, { value: 2 });
  assert.ok(!parts.tool.dropWaiting(again));
  again.undo();
  assert.ok(parts.tool.dropWaiting(again));
});

test('a late stroke joins what is not saved of an image that was loaded anew and left', async () => {
  const parts = bench();
  const { image } = parts;
  stroke(parts, 0.5);
  const again = openImage();
  again.rectangle({ x: 4, y: 0 }, { x: 6, y: 1 }, { value: 2 });
  parts.unsaved.push(again);
  parts.image = openImage(8);
  await parts.arrive();
  assert.equal(row(again), '11002200');
  assert.equal(row(image), '00000000');
  assert.deepEqual(parts.edited, [again]);
});

test('of two strokes that wait for superpixels of two sizes the one drawn last is undone first', async () => {
  const parts = bench();
  const { tool, image, desk, answers } = parts;
  stroke(parts, 0.5);
  desk.state.superpixels = 2000;
  stroke(parts, 4.5);
  answers.shift().resolve(stripes());
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(row(image), '11000000');
  assert.ok(tool.dropWaiting(image));
});
