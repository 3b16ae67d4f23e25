// What stands on the stage when there is no image to label.

import { button, h, setText } from './elements.js';
import { emptyState } from './wording.js';

export class EmptyState {
  /** @param {number} projectId */
  constructor(projectId) {
    this.projectId = projectId;
    this.title = h('h2', {});
    this.text = h('p', {});
    this.reload = button({ class: 'primary', onclick: () => window.location.reload() }, 'Reload the page');
    this.way = h('a', { class: 'way', target: '_self', 'data-testid': 'way-out' });
    this.element = h('div', { class: 'empty', 'data-testid': 'empty-state' }, this.title, this.text, this.reload, this.way);
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
    this.way.hidden = !words.page;
    if (words.page) {
      setText(this.way, `Go to ${words.page}`);
      this.way.href = `/${words.page.toLowerCase()}?project=${this.projectId}`;
    }
  }
}
