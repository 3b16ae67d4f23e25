// Sentences that go away by themselves, over the lower edge of the canvas.

import { h } from './elements.js';

const SHOWN_MS = 6000;

export class Notices {
  constructor() {
    this.element = h('div', { class: 'notices' });
  }

  /** @param {string} text @param {import('./types.js').Tone} tone */
  add(text, tone = 'quiet') {
    const box = h('div', { class: 'notice', role: 'status', 'data-testid': 'notice', 'data-tone': tone }, text);
    // Said again before it went away, it is not to stand there twice.
    for (const one of [...this.element.children]) if (one.textContent === text) one.remove();
    this.element.append(box);
    setTimeout(() => box.remove(), SHOWN_MS);
  }
}
