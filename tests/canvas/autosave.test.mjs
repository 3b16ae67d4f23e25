import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Autosave } from '../../app/canvas/frontend/autosave.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { decode, join } from '../../app/canvas/frontend/run_length.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** An autosave with a clock of its own, a journal in memory and a server that answers from a list. */
function bench(answers = []) {
  const bench = { time: 0, timers: [], requests: [], kept: new Map(), answered: [] };
  bench.autosave = new Autosave({
    send: async (request) => {
      bench.requests.push(request);
      const answer = answers.length ? answers.shift() : saved(request.revision + 1, request.status);
      return typeof answer === 'function' ? answer(request) : answer;
    },
    journal: {
      put: async (entry) => Boolean(bench.kept.set(entry.imageId, { ...entry, bands: [...entry.bands] })),
      remove: async (id) => bench.kept.delete(id),
    },
    context: () => ({ seconds: 1, round: null, blind: true }),
    onAnswer: (image, answer, { status }) => bench.answered.push([answer.kind, status === 'submitted']),
    onState: () => {},
    now: () => bench.time,
    later: (action, delay) => bench.timers.push({ at: bench.time + delay, action }),
    uuid: (() => {
      let count = 0;
      return () => `id-${++count}`;
    })(),
  });
  bench.pass = async (milliseconds) => {
    const end = bench.time + milliseconds;
    await settled();
    for (;;) {
      const due = bench.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      bench.timers.splice(bench.timers.indexOf(due), 1);
      bench.time = due.at;
      due.action();
      await settled();
    }
    bench.time = end;
  };
  return bench;
}

const saved = (revision, status = 'draft') => ({ kind: 'saved', body: { revision, status } });
const unreachable = { kind: 'unreachable', message: 'The server cannot be reached.' };

function openImage(id = 1) {
  const pixels = new Uint8Array(100).fill(NOT_LABELLED);
  return new OpenImage({
    item: { image_id: id, width: 10, height: 10, image_url: `/p/${id}` },
    pixels,
    revision: 0,
    status: null,
    suggestion: null,
  });
}

test('a change is in the journal at once and on the server within two seconds', async () => {
  const { autosave, requests, kept, pass } = bench();
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  assert.deepEqual(decode(join(kept.get(1).bands), 100), image.pixels);
  await pass(2000);
  assert.equal(requests.length, 1);
  assert.equal(requests[0].status, 'draft');
  assert.equal(requests[0].revision, 0);
  assert.equal(image.revision, 1);
  assert.equal(image.hasUnsaved, false);
  assert.equal(kept.size, 0);
});

test('many strokes make one save, after the last of them', async () => {
  const { autosave, requests, pass } = bench();
  const image = openImage();
  for (let stroke = 0; stroke < 10; stroke++) {
    image.stroke({ x: stroke, y: stroke }, { x: stroke, y: stroke }, 0.5, { value: 1 });
    image.endStroke();
    autosave.changed(image);
    await pass(200);
  }
  assert.equal(requests.length, 0);
  await pass(2000);
  assert.equal(requests.length, 1);
});

test('what is painted while a save is under way is saved next, on the new revision', async () => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const { autosave, requests, kept, pass } = bench([() => held]);
  const image = openImage();
  image.stroke({ x: 1, y: 1 }, { x: 1, y: 1 }, 1, { value: 1 });
  image.endStroke();
  autosave.changed(image);
  await pass(1500);
  image.fillRest(2);
  autosave.changed(image);
  await pass(1500);
  assert.equal(requests.length, 1, 'one request at a time');
  release(saved(1));
  await settled();
  assert.equal(image.hasUnsaved, true);
  assert.equal(kept.get(1).revision, 1);
  await pass(3000);
  assert.equal(requests.length, 2);
  assert.equal(requests[1].revision, 1);
  assert.deepEqual(decode(requests[1].bytes, 100), image.pixels);
  assert.equal(kept.size, 0);
});

test('what is painted during a slow save is sent within two seconds of the last change all the same', async () => {
  for (const answeredAt of [2400, 2600, 9000]) {
    let release;
    const { autosave, requests, pass } = bench([() => new Promise((resolve) => (release = resolve))]);
    const image = openImage();
    image.fillRest(1);
    autosave.changed(image);
    await pass(1300);
    image.replace(new Uint8Array(100).fill(2));
    autosave.changed(image);
    await pass(answeredAt - 1300);
    release(saved(1));
    await pass(Math.max(0, 1300 + 2000 - answeredAt));
    assert.equal(requests.length, 2, `answered at ${answeredAt}`);
  }
});

test('who never pauses is saved every ten seconds, and within two of the last stroke', async () => {
  const { autosave, requests, pass } = bench();
  const image = openImage();
  for (let stroke = 0; stroke < 50; stroke++) {
    image.replace(new Uint8Array(100).fill(stroke));
    autosave.changed(image);
    await pass(500);
    assert.equal(requests.length, Math.floor((500 * (stroke + 1)) / 10000), `after ${stroke + 1} strokes`);
  }
  await pass(1500);
  assert.deepEqual(decode(requests.at(-1).bytes, 100), image.pixels);
  assert.equal(image.hasUnsaved, false);
});

test('without an answer the same request goes out again, later and later', async () => {
  const { autosave, requests, kept, time, pass } = bench([unreachable, unreachable, unreachable]);
  assert.equal(time, 0);
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  await pass(1200);
  assert.equal(autosave.stateOf(image).kind, 'retrying');
  image.undo();
  image.fillRest(2);
  autosave.changed(image);
  await pass(20000);
  assert.equal(new Set(requests.slice(0, 4).map((request) => request.submission)).size, 1);
  assert.equal(requests.length, 5, 'then what was painted meanwhile');
  assert.equal(requests[4].revision, 1);
  assert.deepEqual(decode(requests[4].bytes, 100), image.pixels);
  assert.equal(autosave.stateOf(image).kind, 'saved');
  assert.equal(kept.size, 0);
});

test('a submission keeps its id through retries and leaves the journal when it is acknowledged', async () => {
  const { autosave, requests, kept, answered, pass } = bench([unreachable]);
  const image = openImage();
  image.fillRest(1);
  autosave.submit(image);
  assert.equal(kept.get(1).submission, 'id-1');
  await pass(100);
  assert.equal(autosave.pending.length, 1);
  await pass(5000);
  assert.deepEqual(
    requests.map((request) => [request.submission, request.status]),
    [
      ['id-1', 'submitted'],
      ['id-1', 'submitted'],
    ],
  );
  assert.deepEqual(answered, [
    ['unreachable', true],
    ['saved', true],
  ]);
  assert.equal(kept.size, 0);
  assert.equal(autosave.pending.length, 0);
});

test('what is changed after a submit whose answer is awaited is kept as a draft', async () => {
  const { autosave, kept, pass } = bench([unreachable, unreachable, unreachable]);
  const image = openImage();
  image.fillRest(1);
  autosave.submit(image);
  await pass(100);
  assert.equal(kept.get(1).submission, 'id-1');
  image.undo();
  autosave.changed(image);
  await pass(10);
  assert.equal(kept.get(1).submission, null);
  assert.deepEqual(decode(join(kept.get(1).bands), 100), image.pixels);
});

test('a submit behind a draft without an answer is a submit after a reload too', async () => {
  const { autosave, kept, pass } = bench([new Promise(() => {})]);
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  await pass(1500);
  assert.equal(kept.get(1).request, 'id-1');
  image.replace(new Uint8Array(100).fill(2));
  autosave.submit(image);
  await pass(100);
  assert.equal(kept.get(1).submission, 'id-2');
  assert.equal(kept.get(1).request, 'id-1', 'it may be what the server has got');
  assert.deepEqual(decode(join(kept.get(1).bands), 100), image.pixels);
});

test('the journal knows under which id the next save goes out', async () => {
  const { autosave, kept, requests, pass } = bench();
  const image = openImage();
  for (const value of [1, 2]) {
    image.replace(new Uint8Array(100).fill(value));
    autosave.changed(image);
    const { request } = kept.get(1);
    await pass(1500);
    assert.equal(requests.at(-1).submission, request);
    assert.equal(image.request, request, 'and that the server has it');
  }
  assert.notEqual(requests[0].submission, requests[1].submission);
});

test('a submit behind a draft under way goes out on the new revision', async () => {
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const { autosave, requests, pass } = bench([() => held]);
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  autosave.context = () => ({ seconds: 20, round: null, blind: true });
  await pass(1500);
  autosave.context = () => ({ seconds: 23, round: null, blind: true });
  autosave.submit(image);
  await pass(100);
  release(saved(1));
  await pass(100);
  assert.deepEqual(
    requests.map((request) => [request.revision, request.status, request.seconds]),
    [
      [0, 'draft', 20],
      [1, 'submitted', 3],
    ],
  );
  assert.equal(image.status, 'submitted');
});

test('a submission after the last draft is still sent, though no pixel is unsaved', async () => {
  const { autosave, requests, pass } = bench();
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  await pass(3000);
  autosave.submit(image);
  await pass(10);
  assert.deepEqual(
    requests.map((request) => request.status),
    ['draft', 'submitted'],
  );
});

test('a refused label map is kept and not sent again until the person has decided', async () => {
  const { autosave, requests, kept, pass } = bench([{ kind: 'conflict', body: { revision: 4, author: 'Bo' } }]);
  const image = openImage();
  image.fillRest(1);
  autosave.submit(image);
  await pass(60000);
  assert.equal(requests.length, 1);
  assert.equal(autosave.stateOf(image).kind, 'refused');
  assert.equal(kept.size, 1);
  autosave.withdraw(image);
  image.revision = 4;
  autosave.resume(image);
  await pass(10);
  assert.deepEqual([requests[1].revision, requests[1].status], [4, 'draft']);
  assert.equal(kept.size, 0);
});

test('a refused submission that was taken back is no submission after a reload either', async () => {
  const { autosave, kept, pass } = bench([{ kind: 'refused', body: {}, message: 'No.' }]);
  const image = openImage();
  image.fillRest(1);
  autosave.submit(image);
  await pass(100);
  assert.equal(kept.get(1).submission, 'id-1');
  autosave.withdraw(image);
  autosave.settle(image);
  await pass(100);
  assert.equal(kept.get(1).submission, null);
  assert.equal(decode(join(kept.get(1).bands), 100)[0], 1);
});

test('a given up image is forgotten, with its journal entry', async () => {
  const { autosave, requests, kept, pass } = bench([unreachable]);
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  await pass(1300);
  await autosave.forget(image);
  await pass(60000);
  assert.equal(requests.length, 1);
  assert.equal(kept.size, 0);
  assert.equal(image.hasUnsaved, false);
});

test('what goes out with the page is what is unsaved, under the id of the next try', async () => {
  const { autosave, requests, pass } = bench();
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  const [last] = autosave.lastRequests();
  assert.deepEqual(decode(last.bytes, 100), image.pixels);
  await pass(2000);
  assert.equal(requests[0].submission, last.submission, 'so that the server knows it when the page stays');
  assert.deepEqual(autosave.lastRequests(), []);
});

test('somebody who never pauses is saved every ten seconds', async () => {
  const { autosave, requests, pass } = bench();
  const image = openImage();
  for (let stroke = 0; stroke < 25; stroke++) {
    image.fillRest(1);
    image.undo();
    image.stroke({ x: 2, y: stroke % 10 }, { x: 7, y: stroke % 10 }, 0.5, { value: stroke });
    image.endStroke();
    autosave.changed(image);
    await pass(1000);
  }
  assert.equal(requests.length, 2);
});

test('a stroke under way is in no save before it is complete', async () => {
  const { autosave, requests, kept, pass } = bench();
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  image.stroke({ x: 2, y: 2 }, { x: 7, y: 2 }, 1, { value: 3 });
  await pass(2000);
  assert.deepEqual(decode(requests[0].bytes, 100), new Uint8Array(100).fill(1));
  image.endStroke();
  autosave.changed(image);
  assert.deepEqual(decode(join(kept.get(1).bands), 100), image.pixels);
  await pass(2000);
  assert.deepEqual(decode(requests[1].bytes, 100), image.pixels);
});

test('a server that answers again is not kept waiting, one that refuses is', async () => {
  const cut = { kind: 'unreachable', status: 0 };
  const full = { kind: 'unreachable', status: 507 };
  for (const [answer, count] of [[cut, 4], [full, 3]]) {
    const { autosave, requests, pass } = bench([answer, answer, answer]);
    const image = openImage();
    image.fillRest(1);
    autosave.changed(image);
    await pass(4300);
    assert.equal(requests.length, 3);
    autosave.serverIsBack();
    await pass(10);
    assert.equal(requests.length, count);
  }
});

test('a page that is hidden saves at once', async () => {
  const { autosave, requests } = bench();
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  autosave.flushHidden();
  assert.deepEqual(decode(requests[0].bytes, 100), image.pixels);
});

test('it says once nothing is left to send: all is on the server, or refused', async () => {
  const { autosave, pass } = bench([unreachable, saved(1), { kind: 'conflict', status: 412 }]);
  const [image, refused] = [openImage(), openImage(2)];
  image.fillRest(1);
  autosave.changed(image);
  const settled = [];
  autosave.whenSettled(() => settled.push(autosave.pending.map((task) => task.image.id)));
  await pass(1300);
  assert.deepEqual(settled, [], 'the server gave no answer yet');
  await pass(5000);
  assert.deepEqual(settled, [[]]);
  refused.fillRest(1);
  autosave.changed(refused);
  autosave.whenSettled(() => settled.push(autosave.pending.map((task) => task.image.id)));
  await pass(1300);
  assert.deepEqual(settled, [[], [2]], 'what is refused stays in the journal');
});

test('what the browser has no room for is said, until it is saved', async () => {
  const { autosave, pass } = bench([unreachable]);
  const warned = [];
  autosave.onNotKept = (image) => warned.push(image.id);
  autosave.journal.put = async () => false;
  const image = openImage();
  for (let value = 0; value < 3; value++) {
    image.replace(new Uint8Array(100).fill(value));
    autosave.changed(image);
    await pass(100);
  }
  assert.deepEqual(warned, [1], 'once');
  assert.equal(autosave.stateOf(image).isKept, false);
  await pass(10000);
  assert.deepEqual([autosave.stateOf(image).kind, autosave.stateOf(image).isKept], ['saved', true]);
});

test('after a refusal that stands, the next change is tried again', async () => {
  const { autosave, requests, pass } = bench([{ kind: 'refused', message: 'no' }]);
  const image = openImage();
  image.fillRest(1);
  autosave.changed(image);
  await pass(2000);
  autosave.settle(image);
  await pass(20000);
  assert.equal(requests.length, 1);
  image.undo();
  autosave.changed(image);
  await pass(2000);
  assert.equal(requests.length, 2);
});

test('a large map is encoded in slices, and saved whole', async () => {
  const { autosave, requests, kept, pass } = bench();
  const image = new OpenImage({
    item: { image_id: 1, width: 64, height: 640 },
    pixels: new Uint8Array(64 * 640).fill(NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion: null,
  });
  autosave.opened(image);
  const { bands } = autosave.tasks.get(1);
  let clock = 0;
  bands.now = () => (clock += 3);
  image.fillRest(1);
  autosave.changed(image);
  assert.equal(kept.size, 0, 'not in one go');
  image.stroke({ x: 5, y: 5 }, { x: 50, y: 600 }, 4, { value: 2 });
  image.endStroke();
  autosave.changed(image);
  await pass(100);
  assert.deepEqual(decode(join(kept.get(1).bands), image.pixels.length), image.pixels);
  await pass(2000);
  assert.deepEqual(decode(requests[0].bytes, image.pixels.length), image.pixels);
});
