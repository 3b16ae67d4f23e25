// Keys, by their place on the keyboard (KeyboardEvent.code), so that every layout has them at the same spot.

/** Streamlit's own keys: rerun, clear the cache. They never fire while the editor is on the page. */
const STREAMLIT_KEYS = new Set(['KeyR', 'KeyC', 'r', 'c', 'R', 'C']);

/**
 * Commands with their keys, in the order of the key sheet. `shift` and `mod` (Ctrl or Command) must match.
 * @typedef {{command: string, code: string, shift?: boolean, mod?: boolean, text: string, keys: string,
 *   hidden?: boolean, demo?: boolean}} KeyBinding
 * @type {KeyBinding[]}
 */
export const BINDINGS = [
  { command: 'tool-brush', code: 'KeyB', keys: 'B', text: 'Brush' },
  { command: 'tool-eraser', code: 'KeyE', keys: 'E', text: 'Eraser: back to not labelled' },
  { command: 'tool-polygon', code: 'KeyP', keys: 'P', text: 'Polygon' },
  { command: 'tool-accept', code: 'KeyQ', keys: 'Q', text: 'Accept the suggestion under the brush' },
  { command: 'smaller', code: 'BracketLeft', keys: '[', text: 'Smaller brush' },
  { command: 'larger', code: 'BracketRight', keys: ']', text: 'Larger brush' },
  { command: 'pick', code: 'KeyI', keys: 'I', text: 'Take the class under the cursor' },
  { command: 'void', code: 'KeyV', keys: 'V', text: 'Void: ignore these pixels' },
  { command: 'accept-all', code: 'KeyA', keys: 'A', text: 'Accept the suggestion where nothing is labelled' },
  { command: 'fill-rest', code: 'KeyR', keys: 'R', text: 'Fill the rest with the chosen class' },
  { command: 'toggle-suggestion', code: 'KeyS', keys: 'S', text: 'Show or hide the suggestion; hold to look' },
  { command: 'toggle-uncertainty', code: 'KeyU', keys: 'U', text: 'Show or hide the uncertainty; hold to look' },
  { command: 'toggle-label', code: 'KeyL', keys: 'L', text: 'Show or hide the label map; hold to look' },
  { command: 'fit', code: 'KeyF', keys: 'F', text: 'Fit the image to the window' },
  { command: 'one-to-one', code: 'KeyO', keys: 'O', text: 'One image pixel per screen pixel' },
  { command: 'zoom-in', code: 'Equal', keys: '+', text: 'Zoom in; the wheel zooms at the cursor' },
  { command: 'zoom-in', code: 'Equal', shift: true, keys: '+', text: '', hidden: true },
  { command: 'zoom-in', code: 'NumpadAdd', keys: '+', text: '', hidden: true },
  { command: 'zoom-out', code: 'Minus', keys: '−', text: 'Zoom out' },
  { command: 'zoom-out', code: 'NumpadSubtract', keys: '−', text: '', hidden: true },
  { command: 'undo', code: 'KeyZ', mod: true, keys: 'Ctrl Z', text: 'Undo' },
  { command: 'redo', code: 'KeyZ', mod: true, shift: true, keys: 'Ctrl Shift Z', text: 'Redo' },
  { command: 'redo', code: 'KeyY', mod: true, keys: 'Ctrl Y', text: '', hidden: true },
  { command: 'submit', code: 'Enter', keys: 'Enter', text: 'Submit and go on; closes an open polygon' },
  { command: 'submit', code: 'NumpadEnter', keys: 'Enter', text: '', hidden: true },
  { command: 'skip', code: 'KeyN', keys: 'N', text: 'Skip: the image comes back last' },
  { command: 'back', code: 'PageUp', keys: 'Page Up', text: 'Back to the image before' },
  { command: 'truth', code: 'KeyT', keys: 'T', text: 'Answer with the truth', demo: true },
  { command: 'truth-submit', code: 'KeyT', shift: true, keys: 'Shift T', text: 'Answer and submit', demo: true },
  { command: 'remove-point', code: 'Backspace', keys: 'Backspace', text: 'Remove the last point of the polygon' },
  { command: 'escape', code: 'Escape', keys: 'Esc', text: 'Give up the polygon; close a window' },
  { command: 'key-sheet', code: 'Slash', shift: true, keys: '?', text: 'This list' },
  { command: 'key-sheet', code: 'Slash', keys: '?', text: '', hidden: true },
  { command: 'pan', code: 'Space', keys: 'Space', text: 'Hold and drag to move the image; so does the middle button' },
];

/** Commands that show something while the key is held and put it back when it was held long. */
export const PEEK_COMMANDS = new Set(['toggle-suggestion', 'toggle-uncertainty', 'toggle-label']);

/**
 * What a key press asks for.
 * @param {{code: string, key?: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @param {{index: number, hotkey: string | null, archived: boolean}[]} classes their hotkeys come first
 * @returns {{command: string, classIndex?: number} | null}
 */
export function commandOf(event, classes) {
  if (event.altKey) return null;
  const mod = event.ctrlKey || event.metaKey;
  if (!mod && !event.shiftKey) {
    const chosen = classes.find((one) => one.hotkey && one.hotkey === event.code && !one.archived);
    if (chosen) return { command: 'class', classIndex: chosen.index };
  }
  // Where ? stands differs between layouts; the character is the same everywhere.
  if (event.key === '?') return { command: 'key-sheet' };
  const binding = BINDINGS.find(
    (one) => one.code === event.code && Boolean(one.shift) === event.shiftKey && Boolean(one.mod) === mod,
  );
  return binding ? { command: binding.command } : null;
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

/** @returns {boolean} whether the key must be kept from Streamlit even when the editor has no use for it */
export function isStreamlitKey(event) {
  return (STREAMLIT_KEYS.has(event.code) || STREAMLIT_KEYS.has(event.key)) && !event.ctrlKey && !event.metaKey && !event.altKey;
}
