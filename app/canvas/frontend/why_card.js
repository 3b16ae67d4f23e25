// The card that says why this image comes now: the reason, with the classes it names in their colours.

import { h, setText } from './elements.js';
import { originHint, originLine, reasonPieces } from './wording.js';

/** @typedef {import('./types.js').Item} Item */
/** @typedef {import('./palette.js').LabelClass} LabelClass */

export class WhyCard {
  constructor() {
    /** @type {LabelClass[]} */
    this.classes = [];
    /** What the reason was drawn from. @type {string | null} */
    this.drawn = null;
    this.origin = h('span', { class: 'chip' });
    this.alike = h('a', { class: 'alike', target: '_self', title: 'Images like this one, on the Queue page' }, 'More like this');
    this.alike.dataset.testid = 'more-like-this';
    this.reason = h('p', { class: 'why-text', 'data-testid': 'why' });
    const origin = h('span', { class: 'why-origin' }, this.origin, this.alike);
    this.element = h('section', { class: 'why' }, h('h2', {}, 'Why this image', origin), this.reason);
  }

  /** @param {LabelClass[]} classes */
  setClasses(classes) {
    this.classes = classes;
    this.drawn = null;
  }

  /** @param {Item | null} item */
  update(item) {
    setText(this.origin, item ? originLine(item) : '');
    this.origin.title = item ? originHint(item) : '';
    this.origin.hidden = this.origin.textContent === '';
    this.alike.hidden = !item?.alike_url;
    if (item?.alike_url) this.alike.href = item.alike_url;
    const written = JSON.stringify([item?.image_id, item?.why, item?.unsure_of]);
    if (this.drawn === written) return;
    this.drawn = written;
    const reason = item ? item.why || 'No reason was given.' : '–';
    const named = this.classes.filter((one) => item?.unsure_of?.includes(one.index));
    const pieces = reasonPieces(reason, named).map(({ text, colour }) =>
      colour ? h('b', { class: 'named-class' }, h('i', { class: 'dot', style: `background:${colour}` }), text) : text,
    );
    this.reason.replaceChildren(...pieces);
    this.reason.title = reason;
  }
}
