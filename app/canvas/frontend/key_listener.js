// Hears the keyboard before Streamlit does, and hands commands to the editor.

import { PEEK_COMMANDS, commandOf, isStreamlitKey, receiverOf } from './keys.js';

const PEEK_AFTER_MS = 300;
const REPEATING = new Set([
  'smaller', 'larger', 'undo', 'redo', 'zoom-in', 'zoom-out', 'remove-point', 'grow', 'shrink', 'less-sure', 'more-sure',
]);

export class KeyListener {
  /**
   * @param {object} parts
   * @param {() => import('./palette.js').LabelClass[]} parts.classes
   * @param {() => Map<string, string>} parts.commands by chord, with what the person changed
   * @param {() => boolean} parts.isBlocked a window over the editor has the keys, except Escape and ?
   * @param {(event: KeyboardEvent) => boolean} parts.capture a window that waits for a key; whether it took it
   * @param {import('./types.js').Run} parts.run
   * @param {(command: string) => void} parts.peekBack a key held long was let go
   * @param {(held: boolean) => void} parts.holdSpace
   */
  constructor({ classes, commands, isBlocked, capture, run, peekBack, holdSpace }) {
    this.classes = classes;
    this.commands = commands;
    this.isBlocked = isBlocked;
    this.capture = capture;
    this.run = run;
    this.peekBack = peekBack;
    this.holdSpace = holdSpace;
    /** Keys held down, with what they show. @type {Map<string, {command: string, since: number}>} */
    this.peeking = new Map();
    this.down = (/** @type {KeyboardEvent} */ event) => this.#down(event);
    this.up = (/** @type {KeyboardEvent} */ event) => this.#up(event);
    this.blurred = () => this.#blurred();
  }

  listen() {
    window.addEventListener('keydown', this.down, true);
    window.addEventListener('keyup', this.up, true);
    window.addEventListener('blur', this.blurred);
  }

  deafen() {
    window.removeEventListener('keydown', this.down, true);
    window.removeEventListener('keyup', this.up, true);
    window.removeEventListener('blur', this.blurred);
    this.#blurred();
  }

  /** @param {KeyboardEvent} event */
  #down(event) {
    if (event.defaultPrevented || isInForeignDialog(event)) return;
    if (this.capture(event)) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    if (receiverOf(event, focusOf(event)) === 'page') return;
    const found = commandOf(event, this.classes(), this.commands());
    if (found || isStreamlitKey(event)) event.stopImmediatePropagation();
    if (!found) return;
    if (this.isBlocked() && found.command !== 'escape' && found.command !== 'key-sheet') return;
    event.preventDefault();
    if (found.command === 'pan') {
      this.holdSpace(true);
      return;
    }
    if (event.repeat && !REPEATING.has(found.command)) return;
    if (PEEK_COMMANDS.has(found.command)) this.peeking.set(event.code, { ...found, since: event.timeStamp });
    this.run(found.command, found);
  }

  /** @param {KeyboardEvent} event */
  #up(event) {
    if (event.code === 'Space') this.holdSpace(false);
    if (isStreamlitKey(event) && receiverOf(event, focusOf(event)) === 'editor') event.stopImmediatePropagation();
    const peek = this.peeking.get(event.code);
    this.peeking.delete(event.code);
    if (peek && event.timeStamp - peek.since > PEEK_AFTER_MS) this.peekBack(peek.command);
  }

  #blurred() {
    this.holdSpace(false);
    // Of a key that is let go elsewhere nothing is heard.
    for (const { command } of this.peeking.values()) this.peekBack(command);
    this.peeking.clear();
  }
}

/** The element that has the focus, also behind the border of a shadow tree. @param {KeyboardEvent} event */
function focusOf(event) {
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return { tag: '', editable: false };
  const { isContentEditable: editable, type } = /** @type {HTMLInputElement} */ (target);
  return { tag: target.tagName.toUpperCase(), editable, type };
}

/** Streamlit's own dialogs and menus keep their keys. @param {KeyboardEvent} event */
function isInForeignDialog(event) {
  return event.composedPath().some((one) => one instanceof Element && one.matches('.stDialog, [data-testid="stDialog"]'));
}
