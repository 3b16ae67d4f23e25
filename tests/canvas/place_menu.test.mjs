import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NOT_LABELLED } from '../../app/canvas/frontend/label_map.js';
import { OpenImage } from '../../app/canvas/frontend/open_image.js';
import { commandsAt } from '../../app/canvas/frontend/place_menu.js';

const LABEL_COMMANDS = ['fill-holes', 'remove-islands', 'grow', 'shrink', 'smooth', 'pick'];

test('a place offers what can be changed there', () => {
  // From left to right: labelled, suggested, neither.
  const image = new OpenImage({
    item: { image_id: 1, width: 3, height: 1 },
    pixels: Uint8Array.of(2, NOT_LABELLED, NOT_LABELLED),
    revision: 0,
    status: null,
    suggestion: Uint8Array.of(4, 4, NOT_LABELLED),
  });
  const at = (x, showsSuggestion) => commandsAt(image, { x, y: 0 }, showsSuggestion);
  assert.deepEqual(at(0, true), LABEL_COMMANDS);
  assert.deepEqual(at(1, true), ['accept-region', 'reject-region', 'pick']);
  assert.deepEqual(at(2, true), []);
  // What is hidden cannot be meant.
  assert.deepEqual(at(0, false), LABEL_COMMANDS);
  assert.deepEqual(at(1, false), []);
});
