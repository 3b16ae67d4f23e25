import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TiledPicture } from '../../app/canvas/frontend/image_tiles.js';

const TILING = { width: 8000, height: 6000, tile_side: 512, tile_levels: 5, tiles_url: '/tiles' };
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A tiled picture whose server answers when the test says so. */
function bench() {
  const asked = new Map();
  const drawn = [];
  const closed = [];
  const later = [];
  const overview = {
    levels: [{ width: 2000, height: 1500 }],
    smallest: {},
    draw: () => {
      drawn.push('overview');
      return null;
    },
    close: () => closed.push('overview'),
  };
  const fetchTile = (url, signal) =>
    new Promise((resolve, reject) => {
      const key = url.replace('/tiles/', '');
      signal.addEventListener('abort', () => {
        asked.delete(key);
        reject(signal.reason);
      });
      const bitmap = { key, width: 512, height: 512, close: () => closed.push(key) };
      asked.set(key, {
        answer: () => resolve(bitmap),
        fail: () => {
          asked.delete(key);
          reject(new Error('503'));
        },
      });
    });
  const picture = new TiledPicture(overview, TILING, fetchTile, (action) => later.push(action));
  const context = { drawImage: (bitmap, ...at) => drawn.push([bitmap.key, ...at.slice(4)]) };
  const draw = (scale, visible) => {
    drawn.length = 0;
    picture.draw(context, { scale, x: 0, y: 0 }, visible, null, Infinity);
    return drawn;
  };
  const answerAll = async () => {
    for (const [key, request] of [...asked]) {
      asked.delete(key);
      request.answer();
    }
    await settle();
  };
  return { picture, asked, drawn, closed, later, draw, answerAll };
}

const CORNER = { x0: 0, y0: 0, x1: 1000, y1: 700 };

test('while the overview is fine enough, no tile is asked for', () => {
  const { picture, asked, draw } = bench();
  picture.want(0.2, { x0: 0, y0: 0, x1: 8000, y1: 6000 });
  assert.equal(asked.size, 0);
  assert.deepEqual(draw(0.2, { x0: 0, y0: 0, x1: 8000, y1: 6000 }), ['overview']);
});

test('zoomed in, the visible tiles of the fitting level are brought and drawn instead of the overview', async () => {
  const { picture, asked, draw, answerAll } = bench();
  let arrivals = 0;
  picture.onArrival = () => arrivals++;
  picture.want(1, CORNER);
  assert.deepEqual([...asked.keys()].sort(), ['0/0/0', '0/0/1', '0/1/0', '0/1/1']);
  assert.deepEqual(draw(1, CORNER), ['overview']);
  await answerAll();
  assert.equal(arrivals, 4);
  const drawn = draw(1, CORNER);
  assert.deepEqual(drawn.map(([key]) => key), ['0/0/0', '0/1/0', '0/0/1', '0/1/1']);
  assert.deepEqual(drawn[1], ['0/1/0', 512, 0, 512, 512]);
  picture.want(0.5, CORNER);
  assert.deepEqual([...asked.keys()], ['1/0/0']);
});

test('few tiles are asked for at once, the most central first; those that left the view are given up', () => {
  const { picture, asked } = bench();
  picture.want(1, { x0: 0, y0: 0, x1: 4096, y1: 3072 });
  assert.equal(asked.size, 6);
  assert.ok(['0/3/2', '0/4/2', '0/3/3', '0/4/3'].every((key) => asked.has(key)));
  picture.want(1, { x0: 7900, y0: 5900, x1: 8000, y1: 6000 });
  assert.deepEqual([...asked.keys()], ['0/15/11']);
});

test('until a tile is there, a coarser one at hand stands for it', async () => {
  const { picture, draw, answerAll } = bench();
  picture.want(0.5, CORNER);
  await answerAll();
  const drawn = draw(1, CORNER);
  assert.equal(drawn.length, 4);
  assert.ok(drawn.every(([key]) => key === '1/0/0'));
});

test('a tile that could not be brought is asked for again, later', async () => {
  const { picture, asked, later } = bench();
  const one = { x0: 0, y0: 0, x1: 400, y1: 400 };
  picture.want(1, one);
  asked.get('0/0/0').fail();
  await settle();
  picture.want(1, one);
  assert.equal(asked.size, 0);
  later.shift()();
  assert.deepEqual([...asked.keys()], ['0/0/0']);
});

test('closing lets go of everything, also of a tile that arrives all the same', async () => {
  const { picture, asked, closed, answerAll } = bench();
  picture.want(1, { x0: 0, y0: 0, x1: 400, y1: 400 });
  await answerAll();
  let arrive;
  picture.fetchTile = () => new Promise((resolve) => (arrive = resolve));
  picture.want(1, { x0: 512, y0: 0, x1: 900, y1: 400 });
  picture.close();
  arrive({ width: 512, height: 512, close: () => closed.push('late') });
  await settle();
  assert.equal(asked.size, 0);
  assert.deepEqual(closed.sort(), ['0/0/0', 'late', 'overview']);
});
