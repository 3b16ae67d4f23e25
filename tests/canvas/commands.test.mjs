import assert from 'node:assert/strict';
import { test } from 'node:test';

import { runCommand } from '../../app/canvas/frontend/commands.js';
import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';

test('an archived class is not picked, and the person hears why', () => {
  const classes = ['sky', 'road'].map((name, index) => ({ index, name, colour: '#000000', hotkey: null, archived: index === 1 }));
  const picked = [];
  const notices = [];
  const editor = {
    session: { image: { width: 3, height: 1, pixels: Uint8Array.of(0, 1, NOT_LABELLED), suggestion: null } },
    state: { show: { suggestion: true } },
    classes,
    setClass: (index) => picked.push(index),
    notices: { add: (text) => notices.push(text) },
  };
  for (const x of [0, 1, 2]) runCommand(editor, 'pick', { at: { x, y: 0 } });
  assert.deepEqual(picked, [0]);
  assert.deepEqual(notices, ['road is archived: nobody labels it any more.']);
});
