// Windows over the editor, and the questions that must be answered.

import { h } from './elements.js';
import { takeFocus } from './focus.js';

/** @typedef {import('./types.js').Question} Question */
/** @typedef {{id: string, label: string, primary?: boolean, takesFile?: boolean}} Choice */
/**
 * A window; `closed` is null where only an answer closes it.
 * @typedef {{box: HTMLElement, closed: (() => void) | null}} Entry
 */

/**
 * The words of a question and its answers.
 * @param {Question} question
 * @returns {{title: string, text: string, choices: Choice[], download: boolean, harmless?: string}} `harmless` is the id
 *   of the answer that Escape gives; where none is, the person has to choose
 */
export function wordsOf(question) {
  const name = question.image.item.name;
  if (question.kind === 'conflict' && question.isOwn) {
    return {
      title: 'You saved this image elsewhere too',
      text:
        `Revision ${question.revision ?? ''} of ${name} is yours, saved in another tab or on another computer. ` +
        'What is here builds on an older one. Nothing is lost: choose what holds now. Each choice can be undone, and ' +
        'every revision is kept.',
      choices: [
        { id: 'merge', label: 'Merge: what I saved, and what is here where that is not labelled', primary: true },
        { id: 'mine', label: 'Keep what is here' },
        { id: 'theirs', label: 'Take what I saved' },
      ],
      download: true,
    };
  }
  if (question.kind === 'conflict') {
    const who = question.author ?? 'Somebody';
    return {
      title: `${who} saved this image too`,
      text:
        `While you labelled ${name}, ${who} saved revision ${question.revision ?? ''} of it. ` +
        'Nothing is lost: choose what holds now. Each choice can be undone, and every revision is kept.',
      choices: [
        { id: 'merge', label: 'Merge: theirs, and mine where theirs is not labelled', primary: true },
        { id: 'mine', label: 'Keep mine' },
        { id: 'theirs', label: 'Take theirs' },
      ],
      download: true,
    };
  }
  if (question.kind === 'held') {
    const who = question.heldBy ?? 'Somebody else';
    const unsaved = question.image.hasUnsaved;
    return {
      title: `${who} has this image now`,
      text:
        `${name} was reserved for you, but too long ago: ${who} is labelling it now` +
        (unsaved
          ? ', so your label map cannot be saved. Take it with you as a file, or try again when they are done.'
          : '. All you drew is saved; what you draw from here on is not, until they are done.'),
      choices: [
        { id: 'next', label: unsaved ? 'Download my label map and go on' : 'Go on to the next image', primary: true, takesFile: unsaved },
        { id: 'retry', label: 'Try again' },
      ],
      download: false,
    };
  }
  if (question.kind === 'nothing-labelled') {
    return {
      title: 'Nothing is labelled yet',
      text: 'This image has no labelled pixel, so the model can learn nothing from it. Skip it instead?',
      choices: [
        { id: 'stay', label: 'Go on labelling', primary: true },
        { id: 'skip', label: 'Skip' },
      ],
      download: false,
      harmless: 'stay',
    };
  }
  if (question.kind === 'other-picture') {
    return {
      title: 'Your strokes belong elsewhere',
      text:
        `What you painted on ${name} cannot be saved here: the server has another picture under its number, for it has ` +
        'opened another workspace, or a backup. This browser keeps the strokes until that one is opened again.',
      choices: [
        { id: 'keep', label: 'Keep them in this browser', primary: true },
        { id: 'forget', label: 'Download them and forget them', takesFile: true },
      ],
      download: false,
      harmless: 'keep',
    };
  }
  return {
    title: 'The label map was not accepted',
    text: `${question.message ?? ''} Your pixels of ${name} are still here.`,
    choices: [
      { id: 'retry', label: 'Try again', primary: true },
      { id: 'stay', label: 'Stay here' },
    ],
    download: true,
    harmless: 'stay',
  };
}

export class Dialogs {
  /**
   * @param {(image: import('./open_image.js').OpenImage) => void} download saves a label map as a file
   * @param {HTMLElement} surface gets the focus after the last window when nothing had it before the first one
   */
  constructor(download, surface) {
    this.download = download;
    this.surface = surface;
    /** What had the focus before the first window opened. @type {Element | null} */
    this.before = null;
    this.element = h('div', { class: 'dialogs', hidden: true });
    /** @type {Entry[]} */
    this.stack = [];
  }

  get isOpen() {
    return this.stack.length > 0;
  }

  /** @param {Question} question @returns {Promise<string>} the id of the chosen answer */
  ask(question) {
    const words = wordsOf(question);
    return new Promise((resolve) => {
      const answer = (/** @type {Choice} */ { id, takesFile }) => {
        if (takesFile) this.download(question.image);
        // The first answer holds: closing gives the harmless one.
        resolve(id);
        this.#close(entry);
      };
      const choices = words.choices.map((choice) =>
        h(
          'button',
          {
            type: 'button',
            class: choice.primary ? 'primary wide' : 'wide',
            'data-testid': `answer-${choice.id}`,
            onclick: () => answer(choice),
          },
          choice.label,
        ),
      );
      if (words.download) {
        const save = () => this.download(question.image);
        choices.push(
          h(
            'button',
            { type: 'button', class: 'wide quiet', 'data-testid': 'download-label', onclick: save },
            'Download my label map (PNG)',
          ),
        );
      }
      const content = [h('p', {}, words.text), h('div', { class: 'choices' }, ...choices)];
      const { harmless } = words;
      const entry = this.#open(words.title, content, harmless ? () => resolve(harmless) : null);
    });
  }

  /**
   * Open a window that may be closed without an answer.
   * @param {string} title
   * @param {Node[]} content
   * @param {() => void} closed
   * @returns {{close: () => void}}
   */
  open(title, content, closed) {
    const entry = this.#open(title, content, closed);
    return { close: () => this.#close(entry) };
  }

  /** Close the topmost window that may be closed without an answer. */
  escape() {
    const entry = this.stack.at(-1);
    if (entry?.closed) this.#close(entry);
  }

  /**
   * @param {string} title
   * @param {Node[]} content
   * @param {(() => void) | null} closed null: only an answer closes the window
   * @returns {Entry}
   */
  #open(title, content, closed) {
    const box = h('div', { class: 'dialog', role: 'dialog', 'aria-modal': 'true', 'aria-label': title }, h('h2', {}, title), ...content);
    const entry = { box, closed };
    if (!this.isOpen) this.before = focused(this.element);
    this.stack.push(entry);
    this.element.append(box);
    this.#shut();
    box.querySelector('button')?.focus();
    return entry;
  }

  /** @param {Entry} entry */
  #close(entry) {
    entry.box.remove();
    entry.closed?.();
    this.stack = this.stack.filter((one) => one !== entry);
    this.#shut();
    const below = this.stack.at(-1);
    if (below) below.box.querySelector('button')?.focus();
    else this.#giveFocusBack();
  }

  /** While a window is open, no key and no press reaches what lies behind it. */
  #shut() {
    this.element.hidden = !this.isOpen;
    for (const one of this.element.parentElement?.children ?? []) {
      if (one instanceof HTMLElement && one !== this.element) one.inert = this.isOpen;
    }
  }

  #giveFocusBack() {
    const { before } = this;
    this.before = null;
    if (before instanceof HTMLElement) takeFocus(before);
    // Nothing had it, or what had it is gone or hidden by now.
    if (!before || focused(this.element) !== before) takeFocus(this.surface);
  }
}

/**
 * What has the focus: in the tree of an element, which may be a shadow tree, or else on the page; null when nothing has.
 * @param {Node} element
 */
function focused(element) {
  const root = /** @type {Document | ShadowRoot} */ (element.getRootNode());
  const holder = root.activeElement ?? document.activeElement;
  return holder === document.body ? null : holder;
}
