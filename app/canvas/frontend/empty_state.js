// What stands on the stage when there is no image to label.

import { button, h, setText } from './elements.js';
import { emptyState } from './wording.js';

export class EmptyState {
  constructor() {
    this.title = h('h2', {});
    this.text = h('p', {});
    this.reload = button({ class: 'primary', onclick: () => window.location.reload() }, 'Reload the page');
    this.element = h('div', { class: 'empty', 'data-testid': 'empty-state' }, this.title, this.text, this.reload);
  }

  /** @param {Parameters<typeof emptyState>[0]} state */
  update(state) {
    this.element.hidden = state.phase === 'labelling' && state.hasClasses;
    if (this.element.hidden) return;
    const words = emptyState(state);
    this.element.dataset.phase = state.phase;
    setText(this.title, words.title);
    setText(this.text, words.text);
    this.reload.hidden = !words.retry;
  }
}
