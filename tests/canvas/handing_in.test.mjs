import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answerAndHandIn, handIn } from '../../app/canvas/frontend/handing_in.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { WholeMaps } from '../../app/canvas/frontend/whole_maps.js';

function blankImage(id) {
  const item = { image_id: id, width: 2, height: 2, has_truth: true };
  return new OpenImage({ item, pixels: new Uint8Array(4).fill(NOT_LABELLED), revision: 0, status: null, suggestion: null });
}

/** An editor with a blank image, for which whole label maps come when they are told to. */
function bench() {
  const answers = [];
  const load = () => new Promise((resolve, reject) => answers.push({ resolve, reject }));
  const bench = { answers, submitted: [], questions: [], failures: [] };
  const session = {
    image: blankImage(1),
    transport: { truth: load, previousLabel: load },
    screen: { notice: () => {} },
    edited: () => {},
    failed: (error) => bench.failures.push(error.message),
    submit: () => bench.submitted.push([...session.image.pixels]),
  };
  session.wholeMaps = new WholeMaps(session);
  const ask = async ({ kind }) => {
    bench.questions.push(kind);
    return 'stay';
  };
  const tools = { polygon: { isOpen: false, close: () => false }, superpixel: { isWaiting: false } };
  return Object.assign(bench, { session, editor: { session, tools, dialogs: { ask }, pointer: { finish: () => {} } } });
}

test('a label map that is on its way is waited for, and handed in without a question', async () => {
  const whole = new Uint8Array(4).fill(5);
  for (const [which, answer] of [['truth', whole], ['previous', { pixels: whole, name: '' }]]) {
    const { session, editor, answers, submitted, questions } = bench();
    session.wholeMaps[which]();
    const handing = handIn(editor, session.image);
    answers[0].resolve(answer);
    await handing;
    assert.deepEqual([questions, submitted], [[], [[5, 5, 5, 5]]]);
  }
});

test('one that does not come, or comes after another image did, hands nothing in', async () => {
  const { session, editor, answers, submitted, questions, failures } = bench();
  session.image.rectangle({ x: 0, y: 0 }, { x: 1, y: 1 }, { value: 3 });
  session.wholeMaps.truth();
  const failing = handIn(editor, session.image);
  answers[0].reject(new Error('No answer.'));
  await failing;
  assert.deepEqual([submitted, failures], [[], ['No answer.']]);

  session.wholeMaps.truth();
  const late = handIn(editor, session.image);
  session.image = blankImage(2);
  await handIn(editor, session.image);
  assert.deepEqual(questions, ['nothing-labelled'], 'nor does the image that came wait for it');
  answers[1].resolve(new Uint8Array(4).fill(5));
  await late;
  assert.deepEqual([submitted, questions.length], [[], 1]);
});

test('of two label maps on their way both are waited for, whichever comes first', async () => {
  const { session, editor, answers, submitted } = bench();
  session.wholeMaps.truth();
  session.wholeMaps.previous();
  const handing = handIn(editor, session.image);
  answers[1].resolve({ pixels: new Uint8Array(4).fill(6), name: '' });
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(submitted, []);
  answers[0].resolve(new Uint8Array(4).fill(5));
  await handing;
  assert.deepEqual([submitted, session.wholeMaps.coming.size], [[[5, 5, 5, 5]], 0]);
});

test('who asks twice hands one image in', async () => {
  const { session, editor, answers, submitted } = bench();
  const { submit } = session;
  session.submit = () => {
    submit();
    session.image = blankImage(2);
  };
  const both = [answerAndHandIn({ session, state: { over: () => undefined } }), handIn(editor, session.image)];
  answers[0].resolve(new Uint8Array(4).fill(5));
  await Promise.all(both);
  assert.deepEqual(submitted, [[5, 5, 5, 5]]);
});
