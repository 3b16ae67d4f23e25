import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CheapestPaths } from '../../app/canvas/frontend/cheapest_path.js';
import { snappedPoint } from '../../app/canvas/frontend/edge_map.js';
import { LiveWire, simplified } from '../../app/canvas/frontend/live_wire.js';
import { between, seededRandom } from './seeded_random.mjs';

/** A picture with a bright shape on a dark ground and a little noise. */
function pictureOf(width, height, isBright, random = seededRandom(70)) {
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const value = (isBright(x, y) ? 170 : 60) + between(random, -4, 4);
      rgba.set([value, value, value, 255], at);
    }
  }
  return { width, height, rgba };
}

function stepCost(costs, columns, from, to) {
  const isDiagonal = from % columns !== to % columns && Math.floor(from / columns) !== Math.floor(to / columns);
  return costs[to] * (isDiagonal ? 7 : 5);
}

/** Distances from a node by relaxing every step until nothing changes. */
function allDistances(costs, columns, start) {
  const distances = new Array(costs.length).fill(Infinity);
  distances[start] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let at = 0; at < costs.length; at++) {
      for (const dx of [-1, 0, 1]) {
        for (const dy of [-1, 0, 1]) {
          const [x, y] = [(at % columns) + dx, Math.floor(at / columns) + dy];
          if (x < 0 || x >= columns || y < 0 || y * columns >= costs.length) continue;
          const to = y * columns + x;
          const distance = distances[at] + stepCost(costs, columns, at, to);
          if (to === at || distance >= distances[to]) continue;
          distances[to] = distance;
          changed = true;
        }
      }
    }
  }
  return distances;
}

test('no path is cheaper than the one found, in whichever order targets are asked for', () => {
  const random = seededRandom(71);
  for (let round = 0; round < 60; round++) {
    const [columns, rows] = [between(random, 1, 14), between(random, 1, 14)];
    const costs = Uint8Array.from({ length: columns * rows }, () => between(random, 1, random() < 0.5 ? 9 : 60));
    const start = between(random, 0, costs.length - 1);
    const expected = allDistances(costs, columns, start);
    const paths = new CheapestPaths(costs, columns, [start]);
    for (let ask = 0; ask < 10; ask++) {
      const target = between(random, 0, costs.length - 1);
      const path = paths.to(target);
      assert.deepEqual([path[0], path.at(-1)], [start, target]);
      let cost = 0;
      for (let i = 1; i < path.length; i++) {
        assert.ok(Math.abs((path[i] % columns) - (path[i - 1] % columns)) <= 1);
        assert.ok(Math.abs(Math.floor(path[i] / columns) - Math.floor(path[i - 1] / columns)) <= 1);
        cost += stepCost(costs, columns, path[i - 1], path[i]);
      }
      assert.equal(cost, expected[target]);
    }
  }
});

test('the wire follows the edge of a disk', () => {
  const [centre, radius] = [60, 35];
  const picture = pictureOf(120, 120, (x, y) => Math.hypot(x + 0.5 - centre, y + 0.5 - centre) <= radius);
  const onDisk = (angle) => ({ x: centre + radius * Math.cos(angle), y: centre + radius * Math.sin(angle) });
  const wire = new LiveWire(picture, onDisk(0));
  for (const angle of [0.3, 1, 2, -1.5]) {
    const path = wire.pathTo(onDisk(angle));
    assert.deepEqual([path[0], path.at(-1)], [onDisk(0), onDisk(angle)]);
    for (const { x, y } of path) assert.ok(Math.abs(Math.hypot(x - centre, y - centre) - radius) < 1.5, `${angle}`);
  }
});

test('in a large window the wire is found on cells, at their precision', () => {
  const picture = pictureOf(900, 700, (x, y) => y + 0.5 > 350 + 60 * Math.sin(x / 90));
  const edge = (x) => ({ x, y: 350 + 60 * Math.sin(x / 90) });
  const wire = new LiveWire(picture, edge(40));
  for (const { x, y } of wire.pathTo(edge(860))) assert.ok(Math.abs(y - edge(x).y) < 6);
});

test('a wire to a point outside ends at the border, and without edges it is straight', () => {
  const wire = new LiveWire(pictureOf(50, 40, () => false), { x: 10, y: 20 });
  const path = wire.pathTo({ x: 80, y: 20 });
  assert.deepEqual(path.at(-1), { x: 50, y: 20 });
  for (const { y } of path) assert.equal(y, 20);
  assert.deepEqual(wire.pathTo({ x: 10, y: 20 }), [{ x: 10, y: 20 }, { x: 10, y: 20 }]);
});

test('a point snaps to the corner of pixels on the edge, and stays where there is none', () => {
  const picture = pictureOf(60, 60, (x) => x >= 30);
  for (const x of [26.2, 29.5, 30, 33.8]) {
    const snapped = snappedPoint(picture, { x, y: 20.4 }, 6);
    assert.equal(snapped.x, 30);
    assert.ok(Math.abs(snapped.y - 20.4) <= 4);
  }
  assert.deepEqual(snappedPoint(picture, { x: 12, y: 20 }, 6), { x: 12, y: 20 });
  assert.deepEqual(snappedPoint(picture, { x: -40, y: 20 }, 6), { x: -40, y: 20 });
});

test('a simplified path stays within the tolerance and keeps its ends', () => {
  const random = seededRandom(72);
  for (let round = 0; round < 200; round++) {
    const path = [{ x: 0, y: 0 }];
    for (let i = between(random, 0, 80); i > 0; i--) {
      const { x, y } = path.at(-1);
      path.push({ x: x + between(random, -1, 2), y: y + between(random, -1, 1) });
    }
    const tolerance = 0.3 + 3 * random();
    const few = simplified(path, tolerance);
    assert.deepEqual([few[0], few.at(-1)], [path[0], path.at(-1)]);
    let at = 0;
    for (let i = 1; i < few.length; i++) {
      const next = path.indexOf(few[i], at + 1);
      const steps = 200;
      for (const point of path.slice(at, next + 1)) {
        let nearest = Infinity;
        for (let step = 0; step <= steps; step++) {
          const x = few[i - 1].x + (step / steps) * (few[i].x - few[i - 1].x);
          const y = few[i - 1].y + (step / steps) * (few[i].y - few[i - 1].y);
          nearest = Math.min(nearest, Math.hypot(point.x - x, point.y - y));
        }
        assert.ok(nearest <= tolerance + 0.3);
      }
      at = next;
    }
  }
  const line = Array.from({ length: 30 }, (_, i) => ({ x: i, y: 2 * i }));
  assert.deepEqual(simplified(line, 0.1), [line[0], line[29]]);
});
