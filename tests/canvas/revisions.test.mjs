import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { Revisions, landmarks, revisionWords } from '../../app/canvas/frontend/revisions.js';
import { WholeMaps } from '../../app/canvas/frontend/whole_maps.js';
import { installDom } from './fake_dom.mjs';

const revision = (number, status, author = 'ann') => ({ revision: number, status, author, age_s: 90, labelled_share: 0.5 });

test('of drafts that were saved by themselves only the last of a row is listed', () => {
  const all = [
    revision(7, 'draft'),
    revision(6, 'draft'),
    revision(5, 'submitted'),
    revision(4, 'draft', 'bob'),
    revision(3, 'draft'),
    revision(2, 'draft'),
    revision(1, 'submitted'),
  ];
  assert.deepEqual(landmarks(all).map((one) => one.revision), [7, 5, 4, 3, 1]);
  assert.deepEqual(landmarks([]), []);
});

test('a line says who, when and how much', () => {
  assert.equal(revisionWords(revision(1, 'submitted')), 'Submitted by ann, 2 min ago · 50 % labelled');
  assert.match(revisionWords(revision(1, 'draft')), /^Draft by ann/);
});

test('a revision that is put back leaves what is locked as it is, and says so', async () => {
  installDom();
  const notices = [];
  const image = new OpenImage({
    item: { image_id: 1, name: '1.png', width: 4, height: 1 },
    pixels: Uint8Array.of(0, 1, 2, NOT_LABELLED),
    revision: 2,
    status: 'draft',
    suggestion: null,
  });
  const session = {
    image,
    transport: {
      revisions: async () => ({ revisions: [revision(2, 'draft'), revision(1, 'submitted')] }),
      revision: async () => Uint8Array.of(3, 3, 3, 3),
    },
    edited: () => {},
    screen: { notice: (text) => notices.push(text) },
  };
  session.wholeMaps = new WholeMaps(session);
  const shown = {};
  const dialogs = { open: (_, content) => Object.assign(shown, { rows: content[1] }) && { close: () => {} } };
  const locked = Uint8Array.from({ length: 256 }, (_, value) => Number(value !== 1));
  await new Revisions(dialogs, () => session, () => locked).toggle(image);
  shown.rows.querySelector('revision-1').click();
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([...image.pixels], [3, 1, 3, 3]);
  assert.match(notices.pop(), /^This is revision 1, by ann, but for pixels that locked classes or/);

  await new Revisions(dialogs, () => session, () => undefined).toggle(image);
  shown.rows.querySelector('revision-1').click();
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([...image.pixels], [3, 3, 3, 3]);
  assert.equal(notices.pop(), 'This is revision 1, by ann.');
});
