// Finds a class or an action by its name: type a few letters, Enter takes the first.

import { button, h } from './elements.js';
import { BINDINGS, chordName, shownChord } from './keys.js';

const MOST_ROWS = 12;

/**
 * What can be found, and what it does.
 * @typedef {{name: string, colour: string | null, chord: string | null, command: string,
 *   detail: {classIndex?: number}}} Entry
 */

/**
 * What fits the words, the best first: names that begin with them, then words that do, then anything.
 * @template {{name: string}} T
 * @param {T[]} entries
 * @param {string} wanted
 * @returns {T[]}
 */
export function fitting(entries, wanted) {
  const words = wanted.trim().toLowerCase();
  if (!words) return entries;
  const rank = (/** @type {T} */ { name }) => {
    const lower = name.toLowerCase();
    if (lower.startsWith(words)) return 0;
    if (lower.split(/[\s:;,]+/).some((word) => word.startsWith(words))) return 1;
    return lower.includes(words) ? 2 : 3;
  };
  return entries
    .map((entry, place) => ({ entry, place, rank: rank(entry) }))
    .filter((one) => one.rank < 3)
    .sort((one, other) => one.rank - other.rank || one.place - other.place)
    .map((one) => one.entry);
}

export class Finder {
  /**
   * @param {import('./types.js').Run} run
   * @param {() => {classes: import('./palette.js').LabelClass[], keys: Record<string, string>, demo: boolean}} about
   */
  constructor(run, about) {
    this.run = run;
    this.about = about;
    this.chosen = 0;
    /** @type {Entry[]} */
    this.found = [];
    this.input = h('input', {
      type: 'text',
      placeholder: 'A class or an action',
      'aria-label': 'Find a class or an action',
      'data-testid': 'find-input',
      oninput: () => this.#list(0),
      onkeydown: (event) => this.#key(event),
      onblur: () => this.close(),
    });
    this.rows = h('div', { class: 'finder-rows', role: 'listbox', 'aria-label': 'Found' });
    this.element = h('div', { class: 'finder', role: 'dialog', 'aria-label': 'Find', hidden: true }, this.input, this.rows);
  }

  open() {
    this.element.hidden = false;
    this.input.value = '';
    this.#list(0);
    this.input.focus();
  }

  close() {
    if (this.element.hidden) return;
    this.element.hidden = true;
    // A hidden field loses the focus only at the next frame, when the finder may be open again.
    this.input.blur();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === 'Enter') this.#take(this.chosen);
    else if (event.key === 'Escape') this.close();
    else if (event.key === 'ArrowDown') this.#list(this.chosen + 1);
    else if (event.key === 'ArrowUp') this.#list(this.chosen - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} chosen */
  #list(chosen) {
    this.found = fitting(this.#entries(), this.input.value).slice(0, MOST_ROWS);
    this.chosen = Math.max(0, Math.min(this.found.length - 1, chosen));
    const rows = this.found.map((one, i) =>
      button(
        { class: 'class-row', role: 'option', 'aria-selected': String(i === this.chosen), onclick: () => this.#take(i) },
        h('i', { class: one.colour ? 'swatch' : 'swatch none', style: one.colour ? `background:${one.colour}` : null }),
        h('span', { class: 'name' }, one.name),
        h('kbd', {}, one.chord ? chordName(one.chord) : ''),
      ),
    );
    this.rows.replaceChildren(...(rows.length ? rows : [h('p', { class: 'muted' }, 'Nothing has this name.')]));
  }

  /** @returns {Entry[]} */
  #entries() {
    const { classes, keys, demo } = this.about();
    const usable = classes.filter((one) => !one.archived);
    return [
      ...usable.map(({ index, name, colour, hotkey }) => ({
        name, colour, chord: hotkey, command: 'class', detail: { classIndex: index },
      })),
      ...BINDINGS.filter((one) => !one.fixed && (demo || !one.demo)).map(({ command, text }) => ({
        name: text, colour: null, chord: shownChord(command, keys), command, detail: {},
      })),
    ];
  }

  /** @param {number} at */
  #take(at) {
    const one = this.found[at];
    this.close();
    if (one) this.run(one.command, one.detail);
  }
}
