// What can be done at one place of the image: a right click asks for it, and a finger that rests there.

import { button, h } from './elements.js';
import { takeFocus } from './focus.js';
import { BINDINGS, chordName, shownChord } from './keys.js';
import { NOT_LABELLED } from './label_map.js';
import { colourOf, nameOf } from './palette.js';
import { seenValue, suggestedRegion } from './tool_click.js';
import { pixelOf } from './tool_desk.js';

/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./types.js').Point} Point */

const ON_SUGGESTION = ['accept-region', 'reject-region'];
const ON_LABEL = ['fill-holes', 'remove-islands', 'grow', 'shrink', 'smooth'];

/**
 * The commands that find something to change at a pixel.
 * @param {OpenImage} image
 * @param {Point} pixel
 * @param {boolean} showsSuggestion
 * @returns {string[]}
 */
export function commandsAt(image, pixel, showsSuggestion) {
  if (seenValue(image, pixel, showsSuggestion) === NOT_LABELLED) return [];
  const isLabelled = seenValue(image, pixel, false) !== NOT_LABELLED;
  return [...(isLabelled ? ON_LABEL : ON_SUGGESTION), 'pick'];
}

export class PlaceMenu {
  /**
   * @param {import('./types.js').Run} run
   * @param {import('./surface.js').Surface} surface
   * @param {import('./editor_state.js').EditorState} state
   * @param {() => {image: OpenImage | null, classes: import('./palette.js').LabelClass[]}} about
   */
  constructor(run, surface, state, about) {
    this.run = run;
    this.surface = surface;
    this.state = state;
    this.about = about;
    this.rows = h('div', { class: 'place-menu', role: 'menu', tabindex: -1, 'data-testid': 'place-menu' });
    /** Lies over the image, so that a press elsewhere only closes the menu. */
    this.element = h(
      'div',
      {
        class: 'place-menu-stage',
        hidden: true,
        onkeydown: (event) => this.#key(event),
        onpointerdown: (event) => event.target === this.element && this.close(),
        onwheel: () => this.close(),
        onfocusout: (event) => {
          if (!this.element.contains(/** @type {Node | null} */ (event.relatedTarget))) this.close();
        },
        oncontextmenu: (event) => event.preventDefault(),
      },
      this.rows,
    );
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {import('./pointer.js').Place} place */
  open(place) {
    const { image, classes } = this.about();
    const { show, preferences } = this.state;
    const at = this.surface.pointOf(place);
    const pixel = pixelOf(image, at);
    if (!image || !pixel) return;
    const value = seenValue(image, pixel, show.suggestion);
    const region = show.suggestion ? suggestedRegion(image, pixel) : null;
    const title = region ? `Suggested: ${nameOf(classes, value)}` : nameOf(classes, value);
    const rows = commandsAt(image, pixel, show.suggestion).map((command) =>
      button(
        { class: 'class-row', role: 'menuitem', 'data-testid': `at-${command}`, onclick: () => this.#take(command, at) },
        h('span', { class: 'name' }, textOf(command)),
        h('kbd', {}, chordName(shownChord(command, preferences.keys))),
      ),
    );
    const nothing = h('p', { class: 'muted' }, 'Nothing is labelled or suggested here.');
    this.rows.setAttribute('aria-label', title);
    this.rows.replaceChildren(h('h2', {}, title), ...(rows.length ? rows : [nothing]));
    this.element.hidden = false;
    this.#putAt(place);
    takeFocus(rows[0] ?? this.rows);
    this.surface.showPreview(region, colourOf(classes, value));
  }

  close() {
    if (!this.isOpen) return;
    this.element.hidden = true;
    this.surface.showPreview(null, '');
    takeFocus(this.surface.element);
  }

  /** Beside the place, but within the stage. @param {import('./pointer.js').Place} place */
  #putAt({ clientX, clientY }) {
    const stage = this.surface.element.getBoundingClientRect();
    const { width, height } = this.rows.getBoundingClientRect();
    const left = Math.min(clientX - stage.left, stage.width - width);
    const top = Math.min(clientY - stage.top, stage.height - height);
    this.rows.style.left = `${Math.max(0, left)}px`;
    this.rows.style.top = `${Math.max(0, top)}px`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const rows = [...this.rows.querySelectorAll('button')];
    const now = rows.findIndex((row) => row.matches(':focus'));
    rows.at(now < 0 && step < 0 ? -1 : (now + step) % rows.length)?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {string} command @param {Point} at */
  #take(command, at) {
    this.close();
    this.run(command, { at });
  }
}

/** @param {string} command */
function textOf(command) {
  const text = BINDINGS.find((one) => one.command === command)?.text ?? command;
  return text.replace(' under the cursor', '');
}
