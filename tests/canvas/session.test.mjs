import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED, withoutClasses } from '../../app/canvas/frontend/label_map.js';
import { UnreadablePicture } from '../../app/canvas/frontend/picture.js';
import { decode, encode } from '../../app/canvas/frontend/run_length.js';
import { LabelSession } from '../../app/canvas/frontend/session.js';
import { RequestFailed } from '../../app/canvas/frontend/transport.js';

const PROGRESS = {
  images: 9,
  pool: 9,
  train: 0,
  audit: 0,
  excluded: 0,
  labelled: 0,
  audit_labelled: 0,
  current_round_number: 1,
  suggesting_round_number: null,
  next_round: { ready: false, reason: '', changed: 0, needed: 8 },
  round: null,
};

function item(id) {
  return {
    image_id: id,
    name: `${id}.png`,
    width: 4,
    height: 4,
    image_url: `/p/${id}`,
    suggestion_url: `/s/${id}`,
    uncertainty_url: null,
    revision: 0,
    status: null,
    author: null,
    suggestion_round_id: 7,
    has_truth: true,
  };
}

/** A session against a server made of a few variables. */
function bench({ order = [1, 2, 3], saves = [], entries = [], choices = [] } = {}) {
  const bench = { order, left: [], saved: [], skipped: [], closed: [], gone: [], notices: [], questions: [], nudges: 0, asides: [], kept: new Map() };
  const answer = () => ({ items: bench.order.map(item), progress: PROGRESS });
  const transport = {
    next: async () => answer(),
    nextAwaited: async (left) => {
      bench.left.push(left);
      return { items: answer().items.filter((one) => one.image_id !== left) };
    },
    item: async (id) => ({ item: { ...item(id), ...bench.item }, held_by: bench.heldBy ?? null }),
    progress: async () => PROGRESS,
    load: async (one) => ({
      item: one,
      picture: { close: () => bench.closed.push(one.image_id) },
      pixels: new Uint8Array(16).fill(NOT_LABELLED),
      revision: one.revision,
      status: one.status,
      request: bench.request ?? null,
      suggestion: new Uint8Array(16).fill(2),
      uncertainty: null,
    }),
    label: async () => bench.theirs,
    suggestion: async () => new Uint8Array(16).fill(2),
    truth: async () => new Uint8Array(16).fill(5),
    skip: async (id) => {
      bench.skipped.push(id);
      bench.order = bench.order.filter((one) => one !== id);
      return answer();
    },
    save: async (request) => {
      bench.saved.push(request);
      if (saves.length) return saves.shift();
      if (request.status === 'submitted') bench.order = bench.order.filter((id) => id !== request.imageId);
      return { kind: 'saved', body: { revision: request.revision + 1, status: request.status, ...answer() } };
    },
  };
  const journal = {
    entries: async () => entries,
    put: async (entry) => Boolean(bench.kept.set(entry.imageId, entry)),
    remove: async (id) => bench.kept.delete(id),
    setAside: (id) => bench.asides.push(id),
    rejections: async () => [],
    putRejection: async () => true,
    removeRejection: async () => true,
  };
  const screen = {
    show: (view) => view || bench.gone.push(bench.session.image?.id ?? null),
    prepare: () => {},
    refresh: () => {},
    news: () => {},
    atRest: (act) => act(),
    repaint: () => {},
    notice: (text) => bench.notices.push(text),
    ask: async (question) => {
      bench.questions.push(question);
      return choices.shift();
    },
  };
  bench.counters = { saves: 0 };
  const { counters } = bench;
  const nudge = () => bench.nudges++;
  bench.session = new LabelSession({ transport, journal, screen, annotator: 'Ada', counters, nudge, behind: 0 });
  bench.settled = async () => {
    for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  bench.end = () => bench.session.pause();
  return bench;
}

test('the first image of the queue is opened', async () => {
  const { session, end } = bench();
  await session.start(null);
  assert.equal(session.image.id, 1);
  assert.equal(session.phase, 'labelling');
  end();
});

test('of images under way only the maps of the one that the person waits for are coloured at once', async () => {
  const { session, end } = bench({ order: [1, 2] });
  const { load } = session.transport;
  const prepared = [];
  session.screen.prepare = ({ item: { image_id: id } }, isAwaited = false) => prepared.push([id, isAwaited]);
  session.transport.load = async (one, earlier, onMaps) => {
    const loaded = await load(one);
    await Promise.resolve();
    onMaps(loaded);
    return loaded;
  };
  await session.start(null);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(prepared, [[1, true], [2, false]]);
  end();
});

test('an image picked by hand is opened, and the queue goes on behind it', async () => {
  const { session, end } = bench();
  await session.start(8);
  assert.equal(session.image.id, 8);
  session.image.fillRest(1);
  session.submit();
  assert.equal(session.image.id, 1);
  end();
});

test('a page that is loaded again shows the image that was on the screen', async () => {
  const parts = bench();
  await parts.session.start(null, { imageId: 3, visited: [] });
  assert.equal(parts.session.image.id, 3);
  parts.end();
});

test('it shows the next one instead where somebody else has it now, or nobody is to label it', async () => {
  for (const change of [{ heldBy: 'Bo' }, { item: { split: 'excluded' } }]) {
    const parts = bench();
    Object.assign(parts, change);
    await parts.session.start(null, { imageId: 3, visited: [] });
    assert.equal(parts.session.image.id, 1);
    parts.end();
  }
});

test('strokes that were not saved go before the image that was on the screen, unless they are its own', async () => {
  const strokes = (id) => ({ imageId: id, item: item(id), revision: 0, submission: null, bands: [encode(new Uint8Array(16))], at: 1 });
  for (const [unsaved, expected] of [[[2], 2], [[2, 3], 3]]) {
    const parts = bench({ entries: unsaved.map(strokes) });
    await parts.session.start(null, { imageId: 3, visited: [] });
    assert.equal(parts.session.image.id, expected);
    assert.equal(parts.session.image.pixels[0], 0);
    parts.end();
  }
});

test('submit shows the next image in the same turn, and the answer comes behind', async () => {
  const parts = bench();
  await parts.session.start(null);
  await parts.settled();
  parts.session.image.acceptAll();
  parts.session.submit();
  assert.equal(parts.session.image.id, 2);
  assert.equal(parts.session.autosave.pending.length, 1);
  await parts.settled();
  assert.equal(parts.session.autosave.pending.length, 0);
  assert.deepEqual([parts.saved[0].imageId, parts.saved[0].status, parts.saved[0].holding], [1, 'submitted', 2]);
  assert.deepEqual([parts.saved[0].round, parts.saved[0].blind], [7, false]);
  assert.equal(parts.nudges, 1);
  parts.end();
});

test('the last image submitted leaves an empty queue, not a repeated image', async () => {
  const parts = bench({ order: [1] });
  await parts.session.start(null);
  parts.session.image.fillRest(0);
  parts.session.submit();
  await parts.settled();
  assert.deepEqual(parts.left.slice(0, 2), [null, 1], 'who waits says what they left: it does not come again');
  assert.equal(parts.session.image, null);
  assert.equal(parts.session.phase, 'empty');
  parts.end();
});

test('a refused submission brings the person back with the pixels', async () => {
  const parts = bench({
    saves: [{ kind: 'conflict', body: { revision: 3, author: 'Bo' } }],
    choices: ['merge'],
  });
  parts.theirs = { pixels: new Uint8Array(16).fill(NOT_LABELLED), revision: 3, status: 'submitted' };
  parts.theirs.pixels[0] = 9;
  await parts.session.start(null);
  await parts.settled();
  parts.session.image.fillRest(1);
  parts.session.submit();
  await parts.settled();
  const { image } = parts.session;
  assert.equal(image.id, 1);
  assert.deepEqual([parts.questions[0].kind, parts.questions[0].author], ['conflict', 'Bo']);
  assert.deepEqual([image.pixels[0], image.pixels[1]], [9, 1]);
  assert.deepEqual([parts.saved[1].revision, parts.saved[1].status], [3, 'draft']);
  image.undo();
  assert.equal(image.pixels[0], 1, 'a merge can be undone');
  parts.end();
});

test('after another page the order is asked for anew, behind the image that was picked there', async () => {
  const parts = bench({ order: [1, 2, 3] });
  const { session } = parts;
  const shownAtAsking = [];
  const { next } = session.transport;
  session.transport.next = async (holding) => {
    shownAtAsking.push([session.image.id, holding]);
    return next(holding);
  };
  await session.start(null);
  session.pause();
  parts.order = [5, 1, 3, 8];
  await session.watch.goOn(session.open(8));
  assert.deepEqual(shownAtAsking, [[8, 8]]);
  session.submit();
  await parts.settled();
  assert.equal(session.image.id, 5);
  parts.end();
});

test('the server is told once which images another one took the place of with nothing handed in', async () => {
  const parts = bench();
  const { session } = parts;
  const told = [];
  const { next } = session.transport;
  session.transport.next = async (holding, displaced) => {
    told.push(displaced);
    return next(holding);
  };
  await session.start(8, { imageId: 7, visited: [] });
  await session.open(9);
  await session.open(8);
  await session.refreshQueue();
  await session.refreshQueue();
  session.submit();
  await parts.settled();
  assert.equal(session.image.id, 1);
  await session.refreshQueue();
  assert.deepEqual(told, [[7], [9], [], []]);
  parts.end();
});

test('the server is told again of a displaced image when it did not hear of it', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(8);
  await session.open(9);
  const told = [];
  const { next } = session.transport;
  session.transport.next = async (holding, displaced) => {
    told.push(displaced);
    if (told.length === 1) throw new Error('not reached');
    return next(holding);
  };
  await session.refreshQueue();
  await session.refreshQueue();
  await session.refreshQueue();
  assert.deepEqual(told, [[8], [8], []]);
  parts.end();
});

test('a page that is loaded again displaces nothing', async () => {
  for (const openImage of [null, 3]) {
    const parts = bench();
    await parts.session.start(openImage, { imageId: 3, visited: [] });
    assert.equal(parts.session.image.id, 3);
    assert.equal(parts.session.queue.displaced.size, 0);
    parts.end();
  }
});

test('an image goes off the screen while it is still the one of the session, whatever takes it off', async () => {
  const parts = bench({ saves: [{ kind: 'conflict', body: { revision: 3, author: 'Bo' } }], choices: ['mine'] });
  parts.theirs = { pixels: new Uint8Array(16).fill(4), revision: 3, status: 'draft' };
  const { session } = parts;
  await session.start(null);
  await parts.settled();
  session.image.fillRest(1);
  session.submit();
  await parts.settled();
  assert.equal(session.image.id, 1, 'it was refused');
  await session.open(3);
  await session.skip();
  await session.back();
  assert.deepEqual(parts.gone, [1, 2, 1, 3, 1]);
  parts.end();
});

/** A session whose submission of what a draft had saved met Bo's revision, and the person chose. */
async function refusedBehindDraft(choice) {
  const draft = { kind: 'saved', body: { revision: 1, status: 'draft' } };
  const conflict = { kind: 'conflict', body: { revision: 2, author: 'Bo' } };
  const parts = bench({ saves: [draft, conflict], choices: [choice] });
  const { session } = parts;
  await session.start(null);
  const { image } = session;
  image.fillRest(1);
  session.edited();
  session.autosave.flush(image);
  await parts.settled();
  parts.theirs = { pixels: new Uint8Array(16).fill(4), revision: 2, status: 'submitted' };
  session.submit();
  await parts.settled();
  return { parts, session, image };
}

test('a refused submission of what a draft had saved brings back the image with its label map and its undo', async () => {
  const { parts, session, image } = await refusedBehindDraft('theirs');
  assert.equal(session.image, image);
  assert.deepEqual([image.pixels[0], image.revision, image.status], [4, 2, 'submitted']);
  image.undo();
  assert.equal(image.pixels[0], 1);
  parts.end();
});

test('keeping mine brings it to the server also when a draft before theirs holds it', async () => {
  const { parts, session } = await refusedBehindDraft('mine');
  assert.deepEqual(parts.saved.slice(2).map(({ revision, status, bytes }) => [revision, status, decode(bytes, 16)[0]]), [[2, 'draft', 1]]);
  assert.equal(session.image.hasUnsaved, false);
  parts.end();
});

test('taking theirs can be undone, and then counts as a change', async () => {
  const parts = bench({ saves: [{ kind: 'conflict', body: { revision: 2, author: 'Bo' } }], choices: ['theirs'] });
  parts.theirs = { pixels: new Uint8Array(16).fill(4), revision: 2, status: 'draft' };
  await parts.session.start(null);
  const { image } = parts.session;
  image.fillRest(1);
  parts.session.edited();
  parts.session.autosave.flush(image);
  await parts.settled();
  assert.equal(image.pixels[0], 4);
  assert.equal(image.hasUnsaved, false);
  assert.equal(image.revision, 2);
  image.undo();
  assert.equal(image.pixels[0], 1);
  assert.equal(image.hasUnsaved, true);
  parts.end();
});

/** A session that somebody comes back to after Bo saved a revision of the image on the screen. */
async function savedByBo() {
  const parts = bench();
  await parts.session.start(null);
  await parts.settled();
  parts.item = { revision: 4, author: 'Bo' };
  parts.theirs = { pixels: new Uint8Array(16).fill(4), revision: 4, status: 'submitted' };
  return { parts, session: parts.session, image: parts.session.image };
}

test('who comes back finds what was saved meanwhile, and goes on from there without a question', async () => {
  const { parts, session, image } = await savedByBo();
  await Promise.all([session.newerRevision.look(), session.newerRevision.look()]);
  assert.deepEqual([image.pixels[0], image.revision, image.status, image.hasUnsaved], [4, 4, 'submitted', false]);
  assert.deepEqual(parts.notices, ['This is revision 4 now. Bo saved it meanwhile.']);
  image.rectangle({ x: 0, y: 0 }, { x: 2, y: 2 }, { value: 1 });
  session.edited();
  session.autosave.flush(image);
  await parts.settled();
  assert.deepEqual(parts.saved.map(({ revision }) => revision), [4]);
  image.undo();
  assert.equal(image.pixels[0], 4);
  assert.equal(image.canUndo, false, 'what Bo has done is not taken back');
  parts.end();
});

test('an image that is as somebody else left it gets the suggestion of the next round, and undo goes no further', async () => {
  const { parts, session, image } = await savedByBo();
  image.fillRest(1);
  session.edited();
  session.autosave.flush(image);
  await parts.settled();
  parts.item = { revision: 4, author: 'Bo', label_url: 'four' };
  await session.newerRevision.look();
  assert.deepEqual([image.pixels[0], image.revision, image.item.label_url], [4, 4, 'four']);
  assert.deepEqual([image.isUntouched, image.canUndo, image.canRedo, image.hasUnsaved], [true, false, false, false]);
  parts.end();
});

test('a stroke that begins as the newer revision comes in stays', async () => {
  const { parts, session, image } = await savedByBo();
  const { forget } = session.autosave;
  session.autosave.forget = async (one) => {
    image.stroke({ x: 1, y: 1 }, { x: 2, y: 2 }, 1, { value: 3 });
    await forget.call(session.autosave, one);
  };
  await session.newerRevision.look();
  assert.deepEqual([image.pixels[12], image.pixels[5], image.history.open !== null], [4, 3, true]);
  parts.end();
});

test('who comes back is told that somebody else has the image now', async () => {
  const { parts, session, image } = await savedByBo();
  parts.heldBy = 'Bo';
  await session.newerRevision.look();
  assert.equal(parts.notices[0], `Bo is labelling ${image.item.name} now.`);
  parts.end();
});

test('what was saved meanwhile takes the place of nothing that is not saved, nor of a stroke under way', async () => {
  const begun = {
    'a stroke': (image) => image.stroke({ x: 1, y: 1 }, { x: 2, y: 2 }, 1, { value: 3 }),
    'an edit': (image, session) => image.fillRest(3) && session.edited(),
  };
  for (const [what, begin] of Object.entries(begun)) {
    for (const isEarly of [true, false]) {
      const { parts, session, image } = await savedByBo();
      if (isEarly) begin(image, session);
      const looking = session.newerRevision.look();
      if (!isEarly) begin(image, session);
      await looking;
      assert.deepEqual([image.pixels[5], image.revision], [3, 0], what);
      parts.end();
    }
  }
});

test('an image that somebody else took is left for the next one', async () => {
  const parts = bench({ saves: [{ kind: 'held', body: { held_by: 'Bo' } }], choices: ['next'] });
  await parts.session.start(null);
  await parts.settled();
  parts.session.image.fillRest(1);
  parts.session.edited();
  parts.session.autosave.flush(parts.session.image);
  await parts.settled();
  assert.equal(parts.questions[0].heldBy, 'Bo');
  assert.equal(parts.session.image.id, 2);
  assert.equal(parts.kept.size, 0);
  parts.end();
});

test('whether an image is lost is asked once until it is answered', async () => {
  const parts = bench({ saves: [{ kind: 'held', body: { held_by: 'Bo' } }] });
  const { session } = parts;
  /** @type {((choice: string) => void)[]} */
  const answers = [];
  session.screen.ask = (question) => {
    parts.questions.push(question.kind);
    return new Promise((resolve) => answers.push(resolve));
  };
  await session.start(null);
  const { image } = session;
  const refusal = { body: { held_by: 'Bo' }, message: 'Bo has it.' };
  const minutes = [session.refusals.lost(image, refusal), session.refusals.lost(image, refusal)];
  image.fillRest(1);
  session.edited();
  session.autosave.flush(image);
  await parts.settled();
  assert.deepEqual(parts.questions, ['held'], 'nor does a refused save ask again');
  answers[0]('retry');
  await Promise.all(minutes);
  await parts.settled();
  assert.equal(image.hasUnsaved, false, 'the answer holds for the refused save too');
  const later = session.refusals.lost(image, refusal);
  assert.equal(parts.questions.length, 2);
  answers[1]('retry');
  await later;
  parts.end();
});

test('no second of work is told to the server twice', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(null);
  const { image } = session;
  let now = 0;
  session.time.now = () => now;
  session.time.begin();
  now += 7000;
  session.time.add(image.id);
  image.fillRest(1);
  session.edited();
  session.autosave.flush(image);
  await parts.settled();
  now += 5000;
  session.time.add(image.id);
  session.autosave.submit(image);
  await parts.settled();
  assert.deepEqual(parts.saved.map((request) => request.seconds), [7, 5]);
  parts.end();
});

test('a skipped image goes, its strokes stay as a draft', async () => {
  const parts = bench();
  await parts.session.start(null);
  parts.session.image.fillRest(1);
  parts.session.edited();
  await parts.session.skip();
  await parts.settled();
  assert.equal(parts.session.image.id, 2);
  assert.deepEqual(parts.skipped, [1]);
  assert.deepEqual([parts.saved[0].imageId, parts.saved[0].status], [1, 'draft']);
  await parts.session.back();
  assert.equal(parts.session.image.id, 1);
  parts.end();
});

/** Lets the server answer for an image only when it is told to: `answer(id)`. */
function slowItems(transport) {
  const { item: known } = transport;
  const waiting = new Map();
  transport.item = (id) => new Promise((resolve, reject) => waiting.set(id, { resolve, reject })).then(() => known(id));
  return { answer: (id) => waiting.get(id).resolve(), fail: (id) => waiting.get(id).reject(new RequestFailed(0, 'No answer.')) };
}

test('a late answer to Back takes nobody away from the next image, and Back finds it again', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(null);
  await session.skip();
  await parts.settled();
  const { answer } = slowItems(session.transport);
  const late = session.back();
  session.image.fillRest(1);
  session.submit();
  await parts.settled();
  answer(1);
  await late;
  assert.equal(session.image.id, 3);
  assert.deepEqual(session.visited, [1, 2], 'in their order');
  parts.end();
});

/** Lets the next order and the picture of image 1 wait until they are called for. */
function heldBack(transport) {
  const { load, nextAwaited } = transport;
  const held = {};
  transport.nextAwaited = async (left) => {
    await new Promise((resolve) => (held.order = resolve));
    return nextAwaited(left);
  };
  transport.load = async (one) => {
    if (one.image_id === 1) await new Promise((resolve) => (held.picture = resolve));
    return load(one);
  };
  return held;
}

test('Back is shown though the queue had run out and is filled while its picture is on the way', async () => {
  const parts = bench();
  const { session } = parts;
  const { transport } = session;
  await session.start(null);
  parts.order = [];
  session.queue.items = [];
  await session.skip();
  await parts.settled();
  assert.deepEqual([session.image, session.phase], [null, 'empty']);
  const held = heldBack(transport);
  parts.order = [4];
  transport.progress = async () => ({ ...PROGRESS, current_round_number: 2 });
  const asked = session.watch.ask();
  await parts.settled();
  session.queue.ahead.clear();
  const back = session.back();
  await parts.settled();
  held.order();
  await asked;
  await parts.settled();
  held.picture();
  await back;
  assert.equal(session.image.id, 1);
  parts.end();
});

test('Back is shown though the next order, asked for before it, comes while its picture is on the way', async () => {
  for (const isLast of [false, true]) {
    const parts = bench();
    const { session } = parts;
    const { transport, queue } = session;
    await session.start(null);
    await session.skip();
    await parts.settled();
    queue.reservedAt = -Infinity;
    const held = heldBack(transport);
    if (isLast) parts.order = [2];
    session.submit();
    session.visited = [1];
    const back = session.back();
    await parts.settled();
    held.order();
    await parts.settled();
    assert.deepEqual([session.image, session.phase], [null, 'loading']);
    held.picture();
    await back;
    await parts.settled();
    assert.equal(session.image.id, 1);
    parts.end();
  }
});

test('of two images picked in a row the second is shown, whichever is answered first', async () => {
  for (const order of [[7, 8], [8, 7]]) {
    const parts = bench();
    const { session } = parts;
    await session.start(null);
    const { answer } = slowItems(session.transport);
    const picked = [session.open(7), session.open(8)];
    for (const id of order) {
      answer(id);
      await parts.settled();
    }
    await Promise.all(picked);
    assert.equal(session.image.id, 8);
    parts.end();
  }
});

test('Back that failed can be tried again', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(null);
  await session.skip();
  await parts.settled();
  const { answer, fail } = slowItems(session.transport);
  const failed = session.back();
  fail(1);
  await failed;
  assert.equal(session.image.id, 2);
  assert.deepEqual(parts.notices, ['No answer.']);
  const again = session.back();
  answer(1);
  await again;
  assert.equal(session.image.id, 1);
  assert.deepEqual(session.visited, []);
  parts.end();
});

test('an image that is gone is not in the way back any more', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(null, { imageId: null, visited: [6, 77] });
  await parts.settled();
  const { item } = session.transport;
  session.transport.item = (id) => (id === 77 ? Promise.reject(new RequestFailed(404, 'There is no image 77.')) : item(id));
  await session.back();
  assert.deepEqual([parts.notices, session.visited], [['There is no image 77.'], [6]]);
  parts.end();
});

test('an image picked before takes nobody away from a question about a refused save', async () => {
  const parts = bench({ saves: [{ kind: 'conflict', body: { revision: 3, author: 'Bo' } }] });
  const { session } = parts;
  session.screen.ask = () => new Promise(() => {});
  await session.start(null);
  await parts.settled();
  session.image.fillRest(1);
  const { answer } = slowItems(session.transport);
  session.submit();
  const late = session.open(8);
  await parts.settled();
  assert.equal(session.image.id, 1, 'the refused one is back');
  answer(8);
  await late;
  assert.equal(session.image.id, 1);
  parts.end();
});

test('a skip that the server did not hear of does not take the image away', async () => {
  const parts = bench();
  await parts.session.start(null);
  parts.session.transport.skip = async () => {
    throw new RequestFailed(0, 'The server cannot be reached.');
  };
  await parts.session.skip();
  await parts.settled();
  for (const id of [2, 3]) {
    assert.equal(parts.session.image.id, id);
    parts.session.submit();
    await parts.settled();
  }
  assert.equal(parts.session.image.id, 1);
  parts.end();
});

test('an image that cannot be loaded for a reason nobody thought of is tried again', async () => {
  const parts = bench();
  const { session } = parts;
  const { load } = session.transport;
  session.transport.load = async () => {
    throw new TypeError('terminated');
  };
  const { error } = console;
  console.error = () => {};
  await session.start(null);
  console.error = error;
  assert.deepEqual([session.phase, session.failure], ['unreachable', 'terminated']);
  session.transport.load = load;
  await session.watch.ask();
  await parts.settled();
  assert.equal(session.image.id, 1);
  parts.end();
});

test('where no image is handed out the server says why, until it hands out again or has none left', async () => {
  for (const order of [[1], []]) {
    const parts = bench({ order });
    const { session } = parts;
    const { next, nextAwaited } = session.transport;
    let asked = 0;
    const refuse = async () => {
      asked++;
      throw new RequestFailed(422, 'The project is archived.');
    };
    Object.assign(session.transport, { next: refuse, nextAwaited: refuse });
    await session.start(null);
    assert.deepEqual([session.phase, session.failure], ['refused', 'The project is archived.']);
    const before = asked;
    await session.watch.ask();
    assert.deepEqual([session.phase, asked - before], ['refused', 1], 'it is asked once each time');
    Object.assign(session.transport, { next, nextAwaited });
    await session.watch.ask();
    assert.deepEqual([session.phase, session.image?.id], order.length ? ['labelling', 1] : ['empty', undefined]);
    parts.end();
  }
});

test('a start that fails says so, and the next image comes all the same', async () => {
  const parts = bench();
  const { session } = parts;
  session.journal.entries = async () => {
    session.journal.onUnreadable();
    throw new TypeError('of a kind that nobody thought of');
  };
  const { error } = console;
  console.error = () => {};
  await session.start(null).catch((reason) => session.failed(reason));
  console.error = error;
  assert.match(parts.notices[0], /cannot be read now/);
  assert.deepEqual([session.phase, session.failure], ['unreachable', 'of a kind that nobody thought of']);
  await session.watch.ask();
  assert.equal(session.image.id, 1);
  parts.end();
});

test('an image left for a moment comes back with what was painted on it', async () => {
  const parts = bench();
  const stored = new Map();
  const { transport } = parts.session;
  const load = transport.load;
  transport.load = async (one) => {
    const loaded = await load(one);
    const kept = stored.get(one.image_id);
    await parts.settled();
    // An item of revision 0 says that there is nothing to ask the server for.
    return kept && one.revision ? { ...loaded, ...kept } : loaded;
  };
  const save = transport.save;
  transport.save = async (request) => {
    const answer = await save(request);
    const pixels = decode(request.bytes, 16);
    stored.set(request.imageId, { pixels, revision: answer.body.revision });
    return answer;
  };
  await parts.session.start(null);
  await parts.settled();
  for (const wait of [0, 1, 3]) {
    parts.session.image.replace(new Uint8Array(16).fill(wait));
    parts.session.edited();
    await parts.session.open(8);
    for (let turn = 0; turn < wait; turn++) await parts.settled();
    parts.session.submit();
    for (let turn = 0; turn < 5; turn++) await parts.settled();
    assert.equal(parts.session.image.id, 1);
    assert.equal(parts.session.image.pixels[0], wait);
  }
  parts.end();
});

test('the truth is an action that can be undone', async () => {
  const parts = bench();
  await parts.session.start(null);
  assert.equal(await parts.session.wholeMaps.truth(), true);
  assert.equal(parts.session.image.pixels[0], 5);
  parts.session.image.undo();
  assert.equal(parts.session.image.pixels[0], NOT_LABELLED);
  parts.end();
});

test('the label map of the image before in the group is taken over, says whose it is and can be undone', async () => {
  const parts = bench();
  await parts.session.start(null);
  const asked = [];
  parts.session.transport.previousLabel = async (one) => {
    asked.push(one.image_id);
    return { pixels: new Uint8Array(16).fill(4), name: 'drive/0007.png' };
  };
  assert.equal(await parts.session.wholeMaps.previous(), true);
  assert.deepEqual(asked, [1]);
  assert.deepEqual([...parts.session.image.pixels], Array(16).fill(4));
  assert.deepEqual(parts.notices, ['This is the label map of drive/0007.png.']);
  parts.session.image.undo();
  assert.equal(parts.session.image.pixels[0], NOT_LABELLED);

  parts.session.image.fillRest(1);
  const onlyUnlabelled = Uint8Array.from({ length: 256 }, (_, value) => Number(value === NOT_LABELLED));
  assert.equal(await parts.session.wholeMaps.previous(onlyUnlabelled), true);
  assert.match(parts.notices[1], /^This is the label map of drive\/0007.png, but for pixels that locked classes or/);
  parts.end();
});

test('strokes that never reached the server are back after a reload', async () => {
  const pixels = new Uint8Array(16).fill(3);
  const entry = { imageId: 2, item: item(2), revision: 0, submission: null, bands: [encode(pixels)], at: 1 };
  const parts = bench({ entries: [entry] });
  await parts.session.start(null);
  assert.equal(parts.session.image.id, 2);
  assert.deepEqual(parts.session.image.pixels, pixels);
  assert.equal(parts.session.image.hasUnsaved, true);
  assert.equal(parts.notices.length, 1);
  parts.end();
});

/** Drafts that were not saved of some images, each filled with the id of its image; newest first. */
const unsavedDrafts = (ids) =>
  ids.map((id) => {
    const context = { seconds: id, round: 7, blind: false };
    return { imageId: id, item: item(id), revision: 0, submission: null, context, bands: [encode(new Uint8Array(16).fill(id))], at: -id };
  });

test('strokes on images that are not opened after a reload go to the server all the same', async () => {
  const parts = bench({ entries: unsavedDrafts([2, 3, 5]) });
  const { session } = parts;
  await session.start(null);
  assert.equal(session.image.id, 2);
  assert.deepEqual(session.autosave.pending.map(({ image }) => image.id).sort(), [2, 3, 5]);
  session.autosave.flushHidden();
  await parts.settled();
  const sent = parts.saved.filter(({ imageId }) => imageId !== 2);
  assert.deepEqual(
    sent.map(({ imageId, status, seconds, round, blind, bytes }) => [imageId, status, seconds, round, blind, decode(bytes, 16)[0]]),
    [[3, 'draft', 3, 7, false, 3], [5, 'draft', 5, 7, false, 5]],
  );
  assert.deepEqual([...session.autosave.tasks.keys()], [2], 'nor is anything kept of what was saved');
  assert.equal(session.image.id, 2);
  parts.end();
});

test('strokes on an image that cannot be opened after a reload are on it once it is shown', async () => {
  const parts = bench({ entries: unsavedDrafts([2]) });
  const { session } = parts;
  session.transport.item = async () => {
    throw new RequestFailed(0, 'The server cannot be reached.');
  };
  await session.start(null);
  await session.skip();
  assert.deepEqual([session.image.id, session.image.pixels[0], session.image.hasUnsaved], [2, 2, true]);
  assert.ok(session.image.suggestion);
  parts.end();
});

test('an unopened draft that meets another label map comes on the screen with the question, an equal one has arrived', async () => {
  for (const [theirs, asked] of [[4, 1], [3, 0]]) {
    const conflict = { kind: 'conflict', body: { revision: 4, author: 'Bo' } };
    const parts = bench({ entries: unsavedDrafts([2, 3]), saves: [conflict], choices: ['theirs'] });
    parts.theirs = { pixels: new Uint8Array(16).fill(theirs), revision: 4, status: 'submitted' };
    const { session } = parts;
    await session.start(null);
    const image = session.autosave.unsavedImage(3);
    session.autosave.flush(image);
    await parts.settled();
    assert.deepEqual([parts.questions.length, session.image.id], [asked, asked ? 3 : 2]);
    assert.equal(parts.saved.filter(({ imageId }) => imageId === 3).length, 1, 'what has arrived is not saved again');
    assert.equal(image.hasUnsaved, false);
    parts.end();
  }
});

test('of two tabs that were lost the newest strokes are on the image, and undo leads to the older', async () => {
  const filled = (value) => new Uint8Array(16).fill(value);
  const entry = { imageId: 2, item: item(2), revision: 0, submission: null };
  const entries = [{ ...entry, bands: [encode(filled(3))], at: 2 }, { ...entry, bands: [encode(filled(4))], at: 1 }];
  const parts = bench({ entries });
  await parts.session.start(null);
  const { image } = parts.session;
  assert.deepEqual(image.pixels, filled(3));
  image.undo();
  assert.deepEqual(image.pixels, filled(4));
  parts.end();
});

/** Entries of image 2 that several tabs left, newest first. @param {[number, string | null][]} left value and submission */
function leftByTabs(left) {
  const context = { seconds: 4, round: 7, blind: false };
  const entry = { imageId: 2, item: item(2), revision: 0, context };
  return left.map(([value, submission], i) => ({ ...entry, submission, bands: [encode(new Uint8Array(16).fill(value))], at: 9 - i }));
}

test('of two submissions that were lost the newest is sent, and nothing older after it', async () => {
  for (const older of [[4, 'older'], [4, null]]) {
    const parts = bench({ entries: leftByTabs([[3, 'newest'], older]) });
    await parts.session.start(null);
    await parts.settled();
    const sent = parts.saved.map(({ submission, seconds, bytes }) => [submission, seconds, decode(bytes, 16)[0]]);
    assert.deepEqual(sent, [['newest', 8, 3]]);
    assert.equal(parts.session.image.id, 1);
    parts.end();
  }
});

test('strokes that are newer than a lost submission are on the image, and undo leads to what was submitted', async () => {
  const parts = bench({ entries: leftByTabs([[3, null], [4, 'older']]) });
  await parts.session.start(null);
  await parts.settled();
  const { image } = parts.session;
  assert.deepEqual([image.id, image.pixels[0]], [2, 3]);
  assert.deepEqual(parts.session.autosave.pending.map(({ submission }) => submission), [null], 'a draft');
  image.undo();
  assert.equal(image.pixels[0], 4);
  parts.end();
});

test('an entry that cannot be read takes no readable one with it', async () => {
  const [broken, readable] = leftByTabs([[3, 'newest'], [4, null]]);
  const parts = bench({ entries: [{ ...broken, bands: [Uint8Array.of(9)] }, readable] });
  const removed = [];
  parts.session.journal.remove = async (id) => removed.push(id);
  await parts.session.start(null);
  assert.deepEqual([parts.session.image.id, parts.session.image.pixels[0], removed.length], [2, 4, 0]);
  parts.end();
});

test('a submission that is sent again says what was known when it was made', async () => {
  const context = { seconds: 12, round: 7, blind: false };
  const bands = [encode(new Uint8Array(16))];
  const entry = { imageId: 2, item: item(2), revision: 0, submission: 'once', context, bands, at: 1 };
  const parts = bench({ entries: [entry] });
  await parts.session.start(null);
  await parts.settled();
  const [{ submission, seconds, round, blind }] = parts.saved;
  assert.deepEqual({ submission, seconds, round, blind }, { submission: 'once', ...context });
  parts.end();
});

test('the work on strokes that were not saved outlives a reload, and no second of it is told twice', async () => {
  const before = bench({ order: [2] });
  const { session } = before;
  await session.start(null);
  let now = 0;
  session.time.now = () => now;
  session.time.begin();
  const work = (value) => {
    now += 7000;
    session.time.add(2);
    session.image.fillRest(value);
    session.image.replace(new Uint8Array(16).fill(value));
    session.edited();
  };
  const { save } = session.transport;
  work(1);
  session.transport.save = async (request) => {
    work(2);
    return save(request);
  };
  session.autosave.flush(session.image);
  await before.settled();
  assert.deepEqual(before.saved.map((request) => request.seconds), [7]);
  assert.equal(before.kept.get(2).context.seconds, 7, 'those that the draft did not tell');
  before.end();

  const bands = [encode(new Uint8Array(16).fill(3))];
  const entry = { imageId: 2, item: item(2), revision: 0, request: 'sent', submission: null, bands, at: 1 };
  const context = { seconds: 12, round: 7, blind: false };
  for (const [revision, seconds] of [[0, 12], [1, 7]]) {
    const after = bench({ entries: [{ ...entry, context, secondsUnderWay: 5 }] });
    after.item = { revision, author: 'Ada' };
    after.request = 'sent';
    await after.session.start(null);
    assert.equal(after.session.time.of(2), seconds, `on revision ${revision}`);
    after.end();
  }
});

test('the work on a submission that is refused after a reload is told with the next save', async () => {
  const context = { seconds: 12, round: 7, blind: false };
  const bands = [encode(new Uint8Array(16).fill(3))];
  const entry = { imageId: 2, item: item(2), revision: 0, submission: 'once', context, bands, at: 1 };
  const conflict = { kind: 'conflict', body: { revision: 4, author: 'Bo' } };
  const parts = bench({ entries: [entry], saves: [conflict], choices: ['mine'] });
  parts.theirs = { pixels: new Uint8Array(16).fill(4), revision: 4, status: 'draft' };
  await parts.session.start(null);
  await parts.settled();
  assert.deepEqual(parts.saved.map((request) => request.seconds), [12, 12]);
  assert.equal(parts.session.time.of(2), 0);
  parts.end();
});

test('strokes on top of a revision that somebody else saved meanwhile are sent on the old one', async () => {
  const entry = { imageId: 2, item: item(2), revision: 0, submission: null, bands: [encode(new Uint8Array(16))], at: 1 };
  const parts = bench({ entries: [entry] });
  parts.item = { revision: 4, author: 'Bo' };
  await parts.session.start(null);
  assert.equal(parts.session.image.revision, 0, 'so that the server refuses and the person is asked');
  parts.end();
});

test('strokes below newer revisions of one\'s own replace them only if the person says so', async () => {
  for (const [revision, request, asked] of [[3, 'before', false], [4, 'sent', false], [4, 'of the other tab', true], [9, 'sent', true]]) {
    const bands = [encode(new Uint8Array(16).fill(3))];
    const entry = { imageId: 2, item: item(2), revision: 3, request: 'sent', submission: null, bands, at: 1 };
    const conflict = { kind: 'conflict', body: { revision, author: 'Ada' } };
    const parts = bench({ entries: [entry], saves: asked ? [conflict] : [], choices: ['theirs'] });
    parts.item = { revision, author: 'Ada', status: 'submitted' };
    parts.request = request;
    parts.theirs = { pixels: new Uint8Array(16).fill(4), revision, status: 'submitted' };
    const { session } = parts;
    await session.start(null);
    session.autosave.flush(session.image);
    await parts.settled();
    assert.deepEqual(parts.saved.map((request) => request.revision), [asked ? 3 : revision]);
    assert.deepEqual(parts.questions.map(({ kind, isOwn }) => [kind, isOwn]), asked ? [['conflict', true]] : []);
    assert.equal(session.image.pixels[0], asked ? 4 : 3, `on revision ${revision}`);
    parts.end();
  }
});

test('strokes on another picture than the server has under that number are left out, and stay in the journal', async () => {
  const bands = [encode(new Uint8Array(16).fill(3))];
  const entry = { imageId: 2, item: { ...item(2), image_url: '/p/of-another-workspace' }, revision: 0, submission: null, bands, at: 1 };
  const parts = bench({ entries: [entry] });
  await parts.session.start(null);
  await parts.settled();
  assert.equal(parts.session.image.id, 2);
  assert.equal(parts.session.image.pixels[0], NOT_LABELLED);
  assert.deepEqual([parts.saved, parts.asides], [[], [2]]);
  assert.match(parts.notices.join(), /another picture/);
  parts.end();
});

test('what the server says to be of another picture is sent no more, and stays in the journal unless it is given up', async () => {
  for (const choice of ['keep', 'forget']) {
    const bands = [encode(new Uint8Array(16).fill(3))];
    const entry = { imageId: 5, item: item(5), revision: 0, submission: 'once', bands, at: 1 };
    const parts = bench({ entries: [entry], saves: [{ kind: 'other-picture' }], choices: [choice] });
    parts.kept.set(5, entry);
    await parts.session.start(null);
    await parts.settled();
    assert.deepEqual(parts.saved.map(({ picture }) => picture), ['/p/5']);
    assert.deepEqual(parts.questions.map(({ kind, image }) => [kind, image.id]), [['other-picture', 5]]);
    assert.equal(parts.session.image.id, 1, 'which is not taken from the screen');
    assert.deepEqual([parts.kept.has(5), parts.session.autosave.pending], [choice === 'keep', []]);
    assert.deepEqual(parts.asides, choice === 'keep' ? [5] : []);
    parts.end();
  }
});

test('an image on the screen whose picture the server has no more says that it is not saved', async () => {
  const refusal = { kind: 'other-picture', message: 'It is another picture.' };
  const parts = bench({ saves: [refusal] });
  const { session } = parts;
  await session.start(null);
  session.image.fillRest(1);
  session.edited();
  session.autosave.flush(session.image);
  await parts.settled();
  assert.equal(session.image.id, 1);
  assert.equal(session.autosave.stateOf(session.image).kind, 'refused');
  assert.equal(parts.kept.has(1), true);
  assert.deepEqual(parts.questions, []);
  parts.end();
});

test('an image with an unsaved stroke is skipped after its draft, which would reserve it again', async () => {
  const parts = bench();
  const { session } = parts;
  const order = [];
  const { save, skip } = session.transport;
  session.transport.save = async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push(request.status);
    return save(request);
  };
  session.transport.skip = async (id) => {
    order.push('skip');
    return skip(id);
  };
  await session.start(null);
  session.image.fillRest(1);
  session.edited();
  const isSkipped = session.skip();
  assert.equal(session.image.id, 2, 'nobody waits for it');
  await isSkipped;
  assert.deepEqual(order, ['draft', 'skip']);
  parts.end();
});

test('a skip does not wait for a draft that cannot be saved', async () => {
  for (const answer of [{ kind: 'unreachable', status: 0 }, { kind: 'refused', message: 'no' }]) {
    const parts = bench({ saves: [answer], choices: ['keep'] });
    const { session } = parts;
    await session.start(null);
    session.image.fillRest(1);
    session.edited();
    await session.skip();
    assert.deepEqual(parts.skipped, [1]);
    parts.end();
  }
});

test('a submission that was under way when the page closed is sent again under its id', async () => {
  const pixels = new Uint8Array(16).fill(3);
  const entry = { imageId: 1, item: item(1), revision: 0, submission: 'kept-id', bands: [encode(pixels)], at: 1 };
  const parts = bench({ entries: [entry] });
  await parts.session.start(null);
  await parts.settled();
  assert.equal(parts.session.image.id, 2);
  assert.deepEqual([parts.saved[0].submission, parts.saved[0].status], ['kept-id', 'submitted']);
  assert.equal(parts.kept.size, 0);
  parts.end();
});

test('who submits an image that was excluded meanwhile is told that it trains nothing', async () => {
  for (const [split, told] of [['excluded', 1], ['train', 0]]) {
    const body = { revision: 1, status: 'submitted', split, progress: PROGRESS };
    const parts = bench({ saves: [{ kind: 'saved', body }] });
    await parts.session.start(null);
    parts.session.image.fillRest(1);
    parts.session.submit();
    await parts.settled();
    assert.equal(parts.saved[0].status, 'submitted');
    assert.equal(parts.notices.filter((text) => /excluded 1\.png/.test(text)).length, told, split);
    parts.end();
  }
});

test('who paints on an image that was excluded meanwhile is told at the first save, once, with the way out', async () => {
  const body = (revision, split) => ({ kind: 'saved', body: { revision, status: 'draft', split } });
  const parts = bench({ saves: [body(1, 'pool'), body(2, 'excluded'), body(3, 'excluded')] });
  const { session } = parts;
  await session.start(null);
  const { image } = session;
  for (const value of [1, 2, 3]) {
    image.rectangle({ x: 0, y: 0 }, { x: 4, y: value }, { value });
    session.edited();
    session.autosave.flush(image);
    await parts.settled();
    assert.equal(parts.notices.length, Number(value > 1));
  }
  const told = 'Somebody excluded 1.png: what you painted is kept, and trains nothing. Skip brings the next image.';
  assert.deepEqual(parts.notices, [told]);
  assert.equal(image.item.split, 'excluded');
  session.submit();
  await parts.settled();
  assert.equal(session.image.id, 2);
  assert.deepEqual(parts.notices, [told]);
  parts.end();
});

test('an image that was excluded while it waited is not shown next', async () => {
  const parts = bench();
  const { session } = parts;
  globalThis.document = { hidden: false };
  let asked = 0;
  const { next } = session.transport;
  session.transport.next = (...args) => next(...args, asked++);
  await session.start(null);
  await session.watch.look();
  assert.equal(asked, 0, 'while nothing changes the order is not asked for');
  session.image.stroke({ x: 1, y: 1 }, { x: 2, y: 2 }, 1, { value: 3 });
  const { view } = session;
  parts.order = [1, 3];
  session.transport.progress = async () => ({ ...PROGRESS, pool: 8, excluded: 1 });
  // The answer to a save may have told of it before.
  session.setProgress({ ...PROGRESS, pool: 8, excluded: 1 });
  await session.watch.look();
  assert.equal(session.view, view, 'the image on the screen stays');
  assert.ok(view.image.history.open, 'and so does the stroke under way');
  await session.watch.look();
  assert.equal(asked, 1);
  session.image.endStroke();
  session.submit();
  assert.equal(session.image.id, 3);
  delete globalThis.document;
  parts.end();
});

test('an image that somebody else holds is not opened', async () => {
  const parts = bench();
  parts.heldBy = 'Bo';
  await parts.session.start(5);
  assert.match(parts.notices[0], /Bo is labelling/);
  assert.equal(parts.session.image.id, 1);
  parts.end();
});

test('pictures of images that were left are let go', async () => {
  const parts = bench();
  await parts.session.start(null);
  for (let count = 0; count < 2; count++) {
    parts.session.image.fillRest(1);
    parts.session.submit();
    await parts.settled();
  }
  assert.deepEqual(parts.closed, [1, 2]);
  assert.deepEqual([...parts.session.autosave.tasks.keys()], [3], 'nor is anything else kept of them');
  parts.end();
});

test('a round that the answer to a save tells of is noticed all the same', async () => {
  const parts = bench();
  await parts.session.start(null);
  globalThis.document = { hidden: false };
  parts.session.transport.progress = async () => ({ ...PROGRESS, current_round_number: 2 });
  parts.session.setProgress({ ...PROGRESS, current_round_number: 2 });
  await parts.session.watch.look();
  await parts.session.watch.look();
  assert.deepEqual(parts.notices, ['Round 2 is done: the queue has its new order.']);
  delete globalThis.document;
  parts.end();
});

test('suggestions that come before the order are told of once, and taken from the server at once', async () => {
  globalThis.document = { hidden: false };
  const parts = bench();
  const { session } = parts;
  await session.start(null);
  const early = { ...item(1), suggestion_round_number: 2 };
  session.transport.newerView = async () => ({ item: early, suggestion: new Uint8Array(16).fill(3), uncertainty: null });
  const { next } = session.transport;
  const { show } = session.screen;
  let [asked, shows] = [0, 0];
  session.transport.next = (...what) => next(...what, asked++);
  session.screen.show = (...what) => show(...what, shows++);
  session.transport.progress = async () => ({ ...PROGRESS, suggesting_round_number: 2 });
  for (let look = 0; look < 2; look++) await session.watch.look();
  assert.equal(asked, 1, 'what comes next');
  assert.ok(session.image.suggestion.every((value) => value === 3));
  assert.equal(session.image.item.suggestion_round_number, 2);
  // Cancelled, it suggests no more; that is no news.
  session.transport.progress = async () => PROGRESS;
  await session.watch.look();
  // The order comes with the same suggestion, which is not loaded anew.
  session.transport.newerView = async () => ({ item: { ...early, rank: 5 } });
  session.transport.progress = async () => ({ ...PROGRESS, current_round_number: 2 });
  await session.watch.look();
  assert.equal(session.image.item.rank, 5);
  assert.equal(shows, 1, 'a picture that stays is not drawn anew');
  assert.ok(session.image.suggestion.every((value) => value === 3));
  assert.deepEqual(parts.notices, [
    'Round 2 is trained: what comes next has its suggestions.',
    'Round 2 is done: the queue has its new order.',
  ]);
  delete globalThis.document;
  parts.end();
});

test('a new suggestion comes only under a person who has not begun', async () => {
  globalThis.document = { hidden: false };
  const begun = {
    nothing: () => {},
    rejecting: (image) => image.reject({ x0: 0, y0: 0, x1: 1, y1: 1, mask: Uint8Array.of(1) }),
    'a stroke': (image) => image.stroke({ x: 1, y: 1 }, { x: 2, y: 2 }, 1, { value: 3 }),
  };
  for (const [what, begin] of Object.entries(begun)) {
    const parts = bench();
    const { session } = parts;
    await session.start(null);
    begin(session.image);
    const before = session.image.suggestion;
    session.transport.newerView = async () => ({ item: item(1), suggestion: new Uint8Array(16).fill(3), uncertainty: null });
    session.transport.progress = async () => ({ ...PROGRESS, current_round_number: 2 });
    await session.watch.look();
    assert.equal(session.image.suggestion === before, what !== 'nothing', what);
    parts.end();
  }
  delete globalThis.document;
});

test('a class that is archived meanwhile is suggested neither here nor in what was loaded ahead', async () => {
  const { session, settled, end } = bench();
  await session.start(null);
  await settled();
  const ahead = [...session.queue.ahead.values()];
  session.suggestWithout([2]);
  assert.ok(session.image.suggestion.every((value) => value === NOT_LABELLED));
  await settled();
  assert.deepEqual([...session.queue.ahead.keys()], [2, 3]);
  assert.ok([...session.queue.ahead.values()].every((entry) => !ahead.includes(entry)));
  end();
});

test('a suggestion without what is archived waits for the end of a stroke that began meanwhile', async () => {
  const { session, settled, end } = bench();
  await session.start(null);
  session.suggestWithout([2]);
  let letGo = () => {};
  session.screen.atRest = (act) => (letGo = act);
  await settled();
  assert.ok(session.image.suggestion.every((value) => value === NOT_LABELLED));
  letGo();
  assert.ok(session.image.suggestion.every((value) => value === 2), 'as the server has it');
  end();
});

/** A session whose model suggests class 2, and 3 in the last row; of both something was rejected. */
async function rejecting() {
  const parts = bench();
  const { session } = parts;
  const suggested = () => Uint8Array.from({ length: 16 }, (_, at) => (at < 12 ? 2 : 3));
  session.transport.load = async (one) => ({
    item: one,
    picture: { close: () => {} },
    pixels: new Uint8Array(16).fill(NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion: suggested(),
    uncertainty: null,
  });
  parts.archived = [];
  session.transport.suggestion = async () => withoutClasses(suggested(), parts.archived);
  parts.archive = async (...classes) => {
    parts.archived = classes;
    session.suggestWithout(classes);
    await parts.settled();
  };
  await session.start(null);
  for (const x0 of [0, 2]) session.image.reject({ x0, y0: 0, x1: x0 + 1, y1: 1, mask: Uint8Array.of(1) });
  return parts;
}

test('the pixels of a class that is archived meanwhile do not count as rejected', async () => {
  const { session, archive, end } = await rejecting();
  await archive(3);
  session.image.reject({ x0: 1, y0: 1, x1: 2, y1: 2, mask: Uint8Array.of(1) });
  const kept = decode(session.rejections.kept.get(1).bytes, 16);
  assert.deepEqual([...kept.keys()].filter((at) => kept[at]), [0, 2, 5]);
  end();
});

test('undo of a rejection brings back no class that was archived since', async () => {
  const { session, archive, end } = await rejecting();
  await archive(3);
  while (session.image.canUndo) session.image.undo();
  session.image.acceptAll();
  assert.deepEqual([...session.image.pixels], Array.from({ length: 16 }, (_, at) => (at < 12 ? 2 : NOT_LABELLED)));
  end();
});

test('a class that was archived is not suggested while its suggestion is on its way, and is again once it is back', async () => {
  const { session, archive, end } = await rejecting();
  const shows = [];
  session.screen.show = (view, keepsView) => shows.push([view.image.id, keepsView]);
  const archiving = archive(3);
  assert.ok(!session.image.suggestion.includes(3));
  await archiving;
  await archive();
  assert.equal(session.image.suggestion.filter((value) => value === 3).length, 4);
  assert.deepEqual([...session.image.suggestion.subarray(0, 4)], [NOT_LABELLED, 2, NOT_LABELLED, 2], 'what is rejected stays so');
  assert.ok(shows.length > 0 && shows.every(([id, keepsView]) => id === 1 && keepsView));
  end();
});

test('a suggestion without what is archived that comes late is not put on another image', async () => {
  const { session, settled, end } = await rejecting();
  const { image } = session;
  session.suggestWithout([3]);
  session.skip();
  await settled();
  assert.notEqual(session.image, image);
  assert.ok(session.image.suggestion.includes(3));
  end();
});

test('who has signed in again in another tab goes on here', async () => {
  const { session, settled, end } = bench();
  await session.start(null);
  session.signedOut();
  assert.equal(session.phase, 'signed-out');
  globalThis.document = { hidden: false };
  await session.watch.look();
  await settled();
  delete globalThis.document;
  assert.equal(session.phase, 'labelling');
  assert.equal(session.image.id, 1);
  end();
});

test('an image that the browser cannot show is passed over and told', async () => {
  const parts = bench();
  const { session, end, skipped, notices } = parts;
  const { load } = session.transport;
  session.transport.load = async (one) => {
    if (one.image_id < 3) throw new UnreadablePicture();
    return load(one);
  };
  await session.start(null);
  assert.equal(session.image.id, 3);
  assert.equal(session.phase, 'labelling');
  assert.deepEqual(skipped, [1, 2]);
  assert.deepEqual(notices, [1, 2].map((id) => `${id}.png is passed over. The browser cannot read the image.`));
  end();
});

test('a browser that can show no image skips three and then says so', async () => {
  const parts = bench({ order: [1, 2, 3, 4, 5] });
  const { session, end, skipped } = parts;
  session.transport.load = async () => {
    throw new UnreadablePicture();
  };
  await session.start(null);
  assert.deepEqual(skipped, [1, 2, 3]);
  assert.equal(session.phase, 'unreachable');
  assert.match(session.failure, /cannot read/);
  end();
});

test('images loaded ahead stay reserved, and what somebody else got meanwhile is not shown', async () => {
  const parts = bench();
  const { session } = parts;
  globalThis.document = { hidden: false };
  session.transport.renewLease = async () => ({});
  await session.start(null);
  await session.watch.look();
  parts.order = [1, 3];
  await session.watch.look();
  assert.equal(session.queue.items[0].image_id, 2, 'not asked each time');
  session.watch.reservedAt -= 61_000;
  await session.watch.look();
  assert.deepEqual(session.queue.items.map((one) => one.image_id), [3]);
  delete globalThis.document;
  parts.end();
});

test('what waited too long is not shown to who has to sign in again', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(null);
  await parts.settled();
  session.transport.nextAwaited = async () => {
    throw new RequestFailed(401, 'Sign in again.');
  };
  session.queue.reservedAt -= 101_000;
  session.submit();
  await parts.settled();
  assert.deepEqual([session.phase, session.failure, session.image], ['signed-out', 'Sign in again.', null]);
  parts.end();
});

test('what waited too long is shown all the same where the answer takes long', async () => {
  const parts = bench();
  const { session } = parts;
  await session.start(null);
  await parts.settled();
  session.transport.nextAwaited = () => new Promise(() => {});
  session.queue.reservedAt -= 101_000;
  const real = globalThis.setTimeout;
  globalThis.setTimeout = (run, after) => real(run, Math.min(after, 2));
  session.submit();
  await parts.settled();
  globalThis.setTimeout = real;
  assert.equal(session.image.id, 2);
  parts.end();
});

test('a server that refuses is one that answers', async () => {
  const unreachable = { kind: 'unreachable', status: 0, message: 'No answer.' };
  const refused = { kind: 'failed', status: 422, message: 'It has another size.' };
  const parts = bench({ saves: [unreachable, refused], choices: ['stay'] });
  const { session } = parts;
  await session.start(null);
  session.image.fillRest(1);
  session.edited();
  session.autosave.flush(session.image);
  await parts.settled();
  assert.equal(session.autosave.isCutOff, true);
  session.autosave.serverIsBack();
  await parts.settled();
  assert.equal(session.autosave.stateOf(session.image).kind, 'refused');
  assert.equal(session.autosave.isCutOff, false);
  parts.end();
});

test('what waited too long is asked for anew before it is shown, but not while no answer comes', async () => {
  for (const isCutOff of [false, true]) {
    const unreachable = { kind: 'unreachable', status: 0, message: 'No answer.' };
    const parts = bench({ saves: isCutOff ? [unreachable] : [] });
    const { session } = parts;
    await session.start(null);
    await parts.settled();
    if (isCutOff) {
      session.image.fillRest(1);
      session.edited();
      session.autosave.flush(session.image);
      await parts.settled();
    }
    parts.order = [1, 3];
    session.queue.reservedAt -= 101_000;
    session.submit();
    await parts.settled();
    assert.equal(session.image.id, isCutOff ? 2 : 3);
    if (!isCutOff) assert.deepEqual(parts.left, [null, 1]);
    parts.end();
  }
});
