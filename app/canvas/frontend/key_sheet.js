// The list of keys, where each can be changed: click it, press another one.

import { button, h } from './elements.js';
import { BINDING_GROUPS, chordName, chordOf, objectionTo, shownChord } from './keys.js';

export class KeySheet {
  /**
   * @param {import('./dialogs.js').Dialogs} dialogs
   * @param {object} parts
   * @param {{keys: Record<string, string>}} parts.preferences
   * @param {() => import('./palette.js').LabelClass[]} parts.classes
   * @param {() => boolean} parts.isDemo
   * @param {() => void} parts.changed a key was changed
   */
  constructor(dialogs, { preferences, classes, isDemo, changed }) {
    this.dialogs = dialogs;
    this.preferences = preferences;
    this.classes = classes;
    this.isDemo = isDemo;
    this.changed = changed;
    /** The command that waits for its new key. @type {string | null} */
    this.waiting = null;
    this.rows = h('div', { class: 'key-sheet', 'data-testid': 'key-sheet' });
    this.words = h('p', { class: 'key-words', role: 'status' });
    /** Its window while it is open. @type {{close: () => void} | null} */
    this.window = null;
  }

  toggle() {
    if (this.window) {
      this.window.close();
      return;
    }
    this.#say('');
    this.#list();
    const content = [
      this.words,
      this.rows,
      h(
        'div',
        { class: 'row' },
        button({ 'data-testid': 'keys-reset', onclick: () => this.#reset() }, h('span', {}, 'All keys as they were')),
        button({ class: 'primary', onclick: () => this.window?.close() }, h('span', {}, 'Close')),
      ),
    ];
    this.window = this.dialogs.open('Keys', content, () => {
      this.window = null;
      this.waiting = null;
    });
  }

  /**
   * Take a key press for the command that waits for one.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was taken
   */
  capture(event) {
    const command = this.waiting;
    if (!command) return false;
    if (event.code === 'Escape') {
      this.waiting = null;
      this.#say('');
      this.#list();
      return true;
    }
    const chord = chordOf(event);
    const objection = chord ? objectionTo(chord, command, this.preferences.keys, this.classes()) : 'Alt belongs to the browser.';
    if (objection !== null) {
      if (objection) this.#say(objection);
      return true;
    }
    this.waiting = null;
    this.preferences.keys[command] = /** @type {string} */ (chord);
    this.changed();
    this.#say('');
    this.#list();
    return true;
  }

  #reset() {
    this.waiting = null;
    for (const command of Object.keys(this.preferences.keys)) delete this.preferences.keys[command];
    this.changed();
    this.#say('All keys are as they were.');
    this.#list();
  }

  /** @param {string} words */
  #say(words) {
    this.words.textContent = words || 'Click a key to change it. What you change is kept in this browser, under your name.';
  }

  #list() {
    const groups = BINDING_GROUPS.map(({ title, bindings }) =>
      h(
        'section',
        {},
        h('h3', {}, title),
        ...bindings.filter((one) => this.isDemo() || !one.demo).map((one) => this.#row(one)),
      ),
    );
    groups[1].append(fixedRow('1 … 0', 'Choose a class, by the key set on the Project page'));
    groups[0].append(
      fixedRow('⇧ click', 'Straight line from the end of the last stroke'),
      fixedRow('Alt click', 'Remove a corner of the open polygon'),
    );
    groups[4].append(fixedRow('Wheel', 'Zoom; two fingers move the image, one that rests: menu'));
    const focused = this.rows.querySelector(':focus')?.getAttribute('data-testid');
    this.rows.replaceChildren(...groups);
    /** @type {HTMLElement | null} */ (focused ? this.rows.querySelector(`[data-testid="${focused}"]`) : null)?.focus();
  }

  /** @param {import('./keys.js').KeyBinding} binding */
  #row({ command, text, fixed }) {
    const waits = this.waiting === command;
    const name = chordName(shownChord(command, this.preferences.keys));
    if (fixed) return fixedRow(name, text);
    const key = button(
      {
        class: waits ? 'key waits' : 'key',
        'aria-label': `Change the key of: ${text}. Now ${name}`,
        'data-testid': `key-${command}`,
        onclick: () => {
          this.waiting = command;
          this.#say(`Press the new key for “${text}”; Escape leaves it as it is.`);
          this.#list();
        },
      },
      waits ? '…' : name,
    );
    const isChanged = this.preferences.keys[command] !== undefined;
    return h('div', { class: isChanged ? 'key-row changed' : 'key-row' }, key, h('span', {}, text));
  }
}

/** @param {string} name @param {string} text */
function fixedRow(name, text) {
  return h('div', { class: 'key-row' }, h('kbd', {}, name), h('span', {}, text));
}
