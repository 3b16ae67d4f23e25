// Says why a shape that was drawn, or an edit of a class, changed no pixel, where something that is set kept
// it from doing so.

import { chordName, shownChord } from './keys.js';
import { NOT_LABELLED } from './label_map.js';

/** @typedef {import('./label_map.js').LabelMap} LabelMap */
/** @typedef {import('./label_map.js').Paint} Paint */
/** @typedef {import('./editor_state.js').EditorState} EditorState */
/** @typedef {(map: LabelMap, mark: {value: number}) => void} Draw paints the shape once more, elsewhere */

const MOST_NAMES = 3;

/**
 * The values that a shape lies on.
 * @param {LabelMap} image
 * @param {Draw} draw
 * @returns {Set<number>} empty where it covers no pixel
 */
export function valuesUnder({ pixels, width, height }, draw) {
  const marks = new Uint8Array(pixels.length);
  draw({ pixels: marks, width, height }, { value: 1 });
  const values = new Set();
  for (let at = marks.indexOf(1); at >= 0; at = marks.indexOf(1, at)) {
    for (; marks[at]; at++) values.add(pixels[at]);
  }
  return values;
}

/**
 * Why a shape changed no pixel; null where it has its class already.
 * @param {Set<number>} values that it lies on
 * @param {Paint} paint
 * @param {Pick<EditorState, 'locked' | 'preferences'>} state
 * @param {(value: number) => string} nameOf
 * @returns {string | null}
 */
export function whyNothing(values, paint, state, nameOf) {
  const { over } = paint;
  if (!over || !('value' in paint)) return null;
  const others = [...values].filter((value) => value !== paint.value);
  return whyKept(others, over, paint.value === NOT_LABELLED ? 'erased' : 'painted', state, nameOf);
}

/**
 * Why a change of single pixels changed none of them; null where nothing kept it from doing so.
 * @param {LabelMap} image
 * @param {import('./region.js').Change} change
 * @param {Pick<EditorState, 'locked' | 'preferences' | 'over'>} state
 * @param {(value: number) => string} nameOf
 * @returns {string | null}
 */
export function whyUnchanged({ pixels, width }, { mask, x0, y0, x1 }, state, nameOf) {
  const over = state.over();
  if (!over) return null;
  const values = new Set();
  for (let at = mask.indexOf(1); at >= 0; at = mask.indexOf(1, at + 1)) {
    const row = Math.floor(at / (x1 - x0));
    values.add(pixels[(y0 + row) * width + x0 + at - row * (x1 - x0)]);
  }
  return whyKept([...values], over, 'changed', state, nameOf);
}

/**
 * @param {number[]} values that something was to be done to
 * @param {Uint8Array} over
 * @param {'painted' | 'erased' | 'changed'} done
 * @param {Pick<EditorState, 'locked' | 'preferences'>} state
 * @param {(value: number) => string} nameOf
 */
function whyKept(values, over, done, { locked, preferences }, nameOf) {
  const kept = values.filter((value) => !over[value]);
  if (kept.length === 0) return null;
  // Where it is on, to unlock a class would not help.
  const isOnlyUnlabelled = over.some((may, value) => !may && !locked.has(value));
  if (!isOnlyUnlabelled && kept.every((value) => locked.has(value))) {
    const names = kept.slice(0, MOST_NAMES).map(nameOf);
    if (kept.length > MOST_NAMES) names.push(`${kept.length - MOST_NAMES} more`);
    const last = names.pop();
    const [are, them] = names.length ? [`${names.join(', ')} and ${last} are`, 'them'] : [`${last} is`, 'it'];
    return `Nothing was ${done}: ${are} locked. Unlock ${them} in the list of classes.`;
  }
  const isOn = 'all of this is labelled, and “Only unlabelled” is on';
  return `Nothing was ${done}: ${isOn}. ${keyOf('only-unlabelled', preferences)} turns it off.`;
}

/** Why there is no region at a place. @param {Pick<EditorState, 'preferences'>} state */
export function nothingHere({ preferences }) {
  const key = keyOf('fill-rest', preferences);
  return `Nothing is labelled or suggested here. ${key} fills all that is not labelled.`;
}

/**
 * Say it to the person.
 * @param {import('./tool_desk.js').ToolDesk} desk
 * @param {LabelMap} image
 * @param {Paint} paint
 * @param {Draw} draw
 */
export function sayWhyNothing({ state, nameOf, notice }, image, paint, draw) {
  const why = paint.over ? whyNothing(valuesUnder(image, draw), paint, state, nameOf) : null;
  if (why) notice(why, 'warning');
}

/** @param {string} command @param {EditorState['preferences']} preferences */
function keyOf(command, { keys }) {
  return chordName(shownChord(command, keys));
}
