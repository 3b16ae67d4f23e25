// Keys, by their place on the keyboard (KeyboardEvent.code), so that every layout has them at the same spot. With Mod,
// which is Ctrl or Command, a letter is the one on the keycap, as everywhere else: Ctrl Z undoes on every layout.
// A chord is written `Mod+Shift+KeyZ`.

import { keycapOf } from './keycaps.js';

/** Streamlit's own keys: rerun, clear the cache. They never fire while the editor is on the page. */
const STREAMLIT_KEYS = new Set(['KeyR', 'KeyC', 'r', 'c', 'R', 'C']);

/**
 * A command and its first keys.
 * @typedef {object} KeyBinding
 * @property {string} command
 * @property {string[]} chords the first one is shown
 * @property {string} text
 * @property {boolean} [demo] only where images have a known truth
 * @property {boolean} [fixed] cannot be given another key
 */

/** In the order of the key sheet. @type {{title: string, bindings: KeyBinding[]}[]} */
export const BINDING_GROUPS = [
  {
    title: 'Tools',
    bindings: [
      { command: 'tool-brush', chords: ['KeyB'], text: 'Brush' },
      { command: 'tool-eraser', chords: ['KeyE'], text: 'Eraser: back to not labelled' },
      { command: 'tool-polygon', chords: ['KeyP'], text: 'Polygon' },
      { command: 'tool-rectangle', chords: ['KeyM'], text: 'Rectangle' },
      { command: 'tool-line', chords: ['KeyJ'], text: 'Line of one pixel: cracks, membranes' },
      { command: 'tool-superpixel', chords: ['KeyX'], text: 'Superpixel brush' },
      { command: 'tool-flood', chords: ['KeyG'], text: 'Flood fill: pixels of alike colour' },
      { command: 'tool-smart', chords: ['KeyW'], text: 'Smart fill: click or scribble' },
      { command: 'tool-region', chords: ['KeyK'], text: 'Give a whole region the class' },
      { command: 'tool-accept', chords: ['KeyQ'], text: 'Accept the suggestion under the brush' },
      { command: 'smaller', chords: ['BracketLeft'], text: 'Smaller, finer or less' },
      { command: 'larger', chords: ['BracketRight'], text: 'Larger, coarser or more' },
      { command: 'magnet', chords: ['Shift+KeyW'], text: 'Magnet: the polygon follows edges' },
      { command: 'remove-point', chords: ['Backspace'], text: 'Remove the last point of the polygon' },
      { command: 'escape', chords: ['Escape'], text: 'Give up what is half drawn; close a window', fixed: true },
    ],
  },
  {
    title: 'Classes',
    bindings: [
      { command: 'find', chords: ['Slash'], text: 'Find a class or an action by name' },
      { command: 'pick', chords: ['KeyI'], text: 'Take the class under the cursor' },
      { command: 'void', chords: ['KeyV'], text: 'Void: ignore these pixels' },
      { command: 'only-unlabelled', chords: ['Shift+KeyB'], text: 'Paint only what is not labelled' },
      { command: 'lock-class', chords: ['Shift+KeyL'], text: 'Lock the chosen class against painting over' },
      { command: 'hide-class', chords: ['KeyH'], text: 'Hide or show the chosen class' },
      { command: 'fill-rest', chords: ['KeyY'], text: 'Give the rest the chosen class' },
      { command: 'snap-borders', chords: ['Shift+KeyE'], text: 'Move borders to edges nearby' },
    ],
  },
  {
    title: 'Suggestion',
    bindings: [
      { command: 'accept-all', chords: ['KeyA'], text: 'Accept the suggestion where nothing is labelled' },
      { command: 'accept-region', chords: ['KeyD'], text: 'Accept the region under the cursor' },
      { command: 'reject-region', chords: ['Shift+KeyD'], text: 'Reject the region under the cursor' },
      { command: 'accept-sure', chords: ['Shift+KeyA'], text: 'Accept what the model is sure of' },
      { command: 'less-sure', chords: ['Shift+Comma'], text: 'Ask for less confidence' },
      { command: 'more-sure', chords: ['Shift+Period'], text: 'Ask for more confidence' },
      { command: 'next-doubt', chords: ['Period'], text: 'Go to the next doubtful place' },
      { command: 'previous-doubt', chords: ['Comma'], text: 'Go to the doubtful place before' },
    ],
  },
  {
    title: 'Class under the cursor',
    bindings: [
      { command: 'fill-holes', chords: ['Shift+KeyF'], text: 'Fill the holes' },
      { command: 'remove-islands', chords: ['Shift+KeyI'], text: 'Remove small islands' },
      { command: 'grow', chords: ['Shift+BracketRight'], text: 'Grow by one pixel' },
      { command: 'shrink', chords: ['Shift+BracketLeft'], text: 'Shrink by one pixel' },
      { command: 'smooth', chords: ['Shift+KeyS'], text: 'Smooth the outline' },
      { command: 'place-menu', chords: ['ContextMenu'], text: 'Menu; also by a right click' },
    ],
  },
  {
    title: 'View',
    bindings: [
      { command: 'toggle-suggestion', chords: ['KeyS'], text: 'Show or hide the suggestion; hold to look' },
      { command: 'toggle-uncertainty', chords: ['KeyU'], text: 'Show or hide the uncertainty; hold to look' },
      { command: 'toggle-label', chords: ['KeyL'], text: 'Show or hide the label map; hold to look' },
      { command: 'toggle-difference', chords: ['KeyZ'], text: 'What you changed in the suggestion; hold to look' },
      { command: 'toggle-outlines', chords: ['Shift+KeyO'], text: 'Outlines only' },
      { command: 'toggle-patterns', chords: ['Shift+KeyP'], text: 'Patterns beside colours' },
      { command: 'toggle-dimmed', chords: ['Shift+KeyU'], text: 'Suggestion dimmed instead of hatched' },
      { command: 'adjust', chords: ['Shift+KeyX'], text: 'Brightness, contrast, gamma, channel' },
      { command: 'fit', chords: ['KeyF'], text: 'Fit the image to the window' },
      { command: 'one-to-one', chords: ['KeyO'], text: 'One image pixel per screen pixel' },
      { command: 'zoom-in', chords: ['Equal', 'Shift+Equal', 'NumpadAdd'], text: 'Zoom in; the wheel zooms at the cursor' },
      { command: 'zoom-out', chords: ['Minus', 'NumpadSubtract'], text: 'Zoom out' },
      { command: 'pan', chords: ['Space'], text: 'Hold and drag to move the image', fixed: true },
    ],
  },
  {
    title: 'Image',
    bindings: [
      { command: 'undo', chords: ['Mod+KeyZ'], text: 'Undo' },
      { command: 'redo', chords: ['Mod+Shift+KeyZ', 'Mod+KeyY'], text: 'Redo' },
      { command: 'submit', chords: ['Enter', 'NumpadEnter'], text: 'Submit and go on; closes an open polygon' },
      { command: 'skip', chords: ['KeyN'], text: 'Skip: the image comes back last' },
      { command: 'back', chords: ['PageUp'], text: 'Back to the image before' },
      { command: 'copy-previous', chords: ['Shift+PageUp'], text: 'Copy the label map of the image before in its group' },
      { command: 'revisions', chords: ['Shift+KeyH'], text: 'Earlier revisions of this label map' },
      { command: 'truth', chords: ['KeyT'], text: 'Answer with the truth', demo: true },
      { command: 'truth-submit', chords: ['Shift+KeyT'], text: 'Answer and submit', demo: true },
      { command: 'key-sheet', chords: ['Shift+Slash'], text: 'This list', fixed: true },
    ],
  },
];

/** @type {KeyBinding[]} */
export const BINDINGS = BINDING_GROUPS.flatMap((group) => group.bindings);

/** Commands that show something while the key is held and put it back when it was held long. */
export const PEEK_COMMANDS = new Set(['toggle-suggestion', 'toggle-uncertainty', 'toggle-label', 'toggle-difference']);

/**
 * @param {{code: string, key?: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @returns {string | null} null with Alt, which belongs to the browser and the layout
 */
export function chordOf(event) {
  if (event.altKey) return null;
  const hasMod = event.ctrlKey || event.metaKey;
  // Layouts without Latin letters have their shortcuts at the places of these.
  const code = hasMod && /^[a-z]$/i.test(event.key ?? '') ? `Key${event.key?.toUpperCase()}` : event.code;
  return `${hasMod ? 'Mod+' : ''}${event.shiftKey ? 'Shift+' : ''}${code}`;
}

/** What stands on the keycaps of a chord: `Mod+Shift+KeyZ` → `Ctrl ⇧ Z`. @param {string} chord */
export function chordName(chord) {
  const parts = chord.split('+');
  return parts.map((part) => (parts[0] === 'Mod' ? null : keycapOf(part)) ?? PART_NAMES[part] ?? plainName(part)).join(' ');
}

/** @param {string} code */
function plainName(code) {
  return code.replace(/^(Digit|Key)/, '').replace(/^Numpad/, 'Num ');
}

/** @type {Record<string, string>} */
const PART_NAMES = {
  Mod: 'Ctrl',
  Shift: '⇧',
  BracketLeft: '[',
  BracketRight: ']',
  Slash: '/',
  Backslash: '\\',
  Period: '.',
  Comma: ',',
  Semicolon: ';',
  Quote: "'",
  Backquote: '`',
  Equal: '+',
  Minus: '−',
  Escape: 'Esc',
  ContextMenu: 'Menu',
  PageUp: 'Page Up',
  PageDown: 'Page Down',
};

/**
 * The chords of each command, with what this person changed.
 * @param {Record<string, string>} changed command → its one chord
 * @returns {Map<string, string>} chord → command
 */
export function commandsByChord(changed = {}) {
  /** @type {Map<string, string>} */
  const commands = new Map();
  for (const { command, chords } of BINDINGS) {
    for (const chord of changed[command] ? [changed[command]] : chords) commands.set(chord, command);
  }
  return commands;
}

/** For classes past the tenth: the project has no keys for them. */
const MORE_CLASS_CHORDS = [...'1234567890'].map((digit) => `Shift+Digit${digit}`);

/**
 * The classes, those that have no key with the next one that nothing else has.
 * @template {{hotkey: string | null, archived: boolean}} C
 * @param {C[]} classes
 * @param {Record<string, string>} changed the keys of commands that this person changed
 * @returns {C[]}
 */
export function withKeys(classes, changed = {}) {
  const taken = new Set([...commandsByChord(changed).keys(), ...classes.map((one) => !one.archived && one.hotkey)]);
  const free = MORE_CLASS_CHORDS.filter((chord) => !taken.has(chord));
  return classes.map((one) => (one.hotkey || one.archived ? one : { ...one, hotkey: free.shift() ?? null }));
}

/**
 * The chord that is shown beside a command.
 * @param {string} command
 * @param {Record<string, string>} changed
 */
export function shownChord(command, changed = {}) {
  return changed[command] ?? BINDINGS.find((one) => one.command === command)?.chords[0] ?? '';
}

/**
 * Why a command cannot have a chord, or null when it can.
 * @param {string} chord
 * @param {string} command
 * @param {Record<string, string>} changed
 * @param {{name: string, hotkey: string | null, archived: boolean}[]} classes
 * @returns {string | null} a sentence
 */
export function objectionTo(chord, command, changed, classes) {
  const code = chord.split('+').at(-1) ?? '';
  if (/^(Shift|Control|Alt|Meta|OS)/.test(code)) return '';
  if (['Escape', 'Tab', 'F5', 'F11', 'F12'].includes(code)) return 'This key is needed elsewhere. Press another one.';
  if (['KeyR', 'KeyC'].includes(chord)) return 'R and C belong to Streamlit. Press another one.';
  if (/^Mod\+(Shift\+)?Key[WTNQRLCVXAFPS]$/.test(chord)) return 'The browser needs this key itself. Press another one.';
  const taken = commandsByChord(changed).get(chord);
  if (taken && taken !== command) {
    const text = BINDINGS.find((one) => one.command === taken)?.text ?? taken;
    return `${chordName(chord)} is taken by “${text}”. Press another one, or change that first.`;
  }
  const byClass = classes.find((one) => !one.archived && one.hotkey === chord);
  return byClass ? `${chordName(chord)} chooses the class ${byClass.name}. Press another one.` : null;
}

/**
 * What a key press asks for.
 * @param {{code: string, key?: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @param {{index: number, hotkey: string | null, archived: boolean}[]} classes their hotkeys come first
 * @param {Map<string, string>} commands by chord
 * @returns {{command: string, classIndex?: number} | null}
 */
export function commandOf(event, classes, commands = commandsByChord()) {
  const chord = chordOf(event);
  if (chord === null) return null;
  const chosen = classes.find((one) => one.hotkey && one.hotkey === chord && !one.archived);
  if (chosen) return { command: 'class', classIndex: chosen.index };
  // Where ? stands differs between layouts; the character is the same everywhere.
  if (event.key === '?') return { command: 'key-sheet' };
  const command = commands.get(chord);
  return command ? { command } : null;
}

/**
 * Who gets a key press: the editor, or Streamlit and the browser (`page`).
 * @param {{code: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @param {{tag: string, editable: boolean, type?: string}} focus the element with the focus
 * @returns {'editor' | 'page'}
 */
export function receiverOf(event, focus) {
  const types = focus.tag === 'INPUT' && focus.type !== 'range' && focus.type !== 'checkbox';
  if (types || focus.tag === 'TEXTAREA' || focus.tag === 'SELECT' || focus.editable) return 'page';
  const pressesButton = event.code === 'Enter' || event.code === 'Space' || event.code === 'NumpadEnter';
  if (pressesButton && ['BUTTON', 'A', 'SUMMARY'].includes(focus.tag)) return 'page';
  return 'editor';
}

/**
 * @param {{code: string, key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @returns {boolean} whether the key must be kept from Streamlit even when the editor has no use for it
 */
export function isStreamlitKey(event) {
  return (STREAMLIT_KEYS.has(event.code) || STREAMLIT_KEYS.has(event.key)) && !event.ctrlKey && !event.metaKey && !event.altKey;
}
