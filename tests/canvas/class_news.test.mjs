import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AtRest } from '../../app/canvas/frontend/at_rest.js';
import { ClassNews } from '../../app/canvas/frontend/class_news.js';
import { EditorState } from '../../app/canvas/frontend/editor_state.js';

const ROAD = { index: 0, name: 'road', colour: '#e69f00', hotkey: null, archived: false };

/** The parts of an editor that classes go to. */
function bench() {
  const bench = { isPressed: false, nudges: [], shown: [], archived: [], notices: [] };
  bench.editor = {
    classes: [],
    rest: new AtRest(() => bench.isPressed),
    session: { phase: 'labelling', progress: null, suggestWithout: (archived) => bench.archived.push(archived) },
    layers: { setClasses: (classes) => bench.shown.push(classes) },
    panel: { setClasses: () => {} },
    state: new EditorState({ brush: 10 }),
    notices: { add: (text) => bench.notices.push(text) },
    displayChanged: () => {},
  };
  bench.news = new ClassNews(bench.editor, (news) => bench.nudges.push(news));
  bench.tell = (version) => {
    bench.editor.session.progress = { class_version: version };
    bench.news.look();
  };
  bench.bring = (version, classes = [ROAD]) => bench.news.brought({ class_version: version, classes });
  return bench;
}

test('other classes are asked for once, until they are here', () => {
  const { nudges, tell, bring } = bench();
  bring('a');
  for (const version of ['a', 'b', 'b', undefined, 'b']) tell(version);
  assert.deepEqual(nudges, [{ classes: 'b' }]);
  bring('a');
  tell('b');
  assert.equal(nudges.length, 1, 'a page that brings others again is not asked for ever');
  bring('b');
  for (const version of ['b', 'a', 'a']) tell(version);
  assert.deepEqual(nudges, [{ classes: 'b' }, { classes: 'a' }]);
});

test('nothing is asked for in a stroke, nor while somebody waits for an image, but soon after', () => {
  const parts = bench();
  const { session } = parts.editor;
  parts.bring('a');
  parts.isPressed = true;
  parts.tell('b');
  parts.isPressed = false;
  session.phase = 'loading';
  parts.tell('b');
  assert.deepEqual(parts.nudges, []);
  session.phase = 'labelling';
  parts.tell('b');
  assert.deepEqual(parts.nudges, [{ classes: 'b' }]);
});

test('classes that come in the middle of a stroke are shown after it', () => {
  const parts = bench();
  parts.bring('a');
  parts.isPressed = true;
  parts.bring('b', [{ ...ROAD, archived: true }]);
  parts.editor.rest.look();
  assert.equal(parts.shown.length, 1);
  parts.isPressed = false;
  parts.editor.rest.look();
  parts.editor.rest.look();
  assert.equal(parts.shown.length, 2);
  assert.deepEqual(parts.archived, [[0]]);
  parts.bring('b', [{ ...ROAD, archived: true }]);
  assert.equal(parts.shown.length, 2, 'the same once more is no news');
});

test('that the chosen class was archived, and which one is painted now, is said', () => {
  const { editor, notices, bring } = bench();
  const sky = { ...ROAD, index: 1, name: 'sky' };
  bring('a', [ROAD, sky]);
  editor.state.value = 1;
  bring('b', [{ ...ROAD, archived: true }, sky]);
  assert.deepEqual(notices, [], 'another one than the chosen one');
  bring('c', [ROAD, { ...sky, archived: true }]);
  assert.deepEqual(notices, ['sky was archived. You paint road now.']);
});
