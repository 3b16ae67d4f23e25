// The window over the picture for brightness, contrast, gamma and channel. Changes what is seen, never what is stored.

import { UNADJUSTED } from './display.js';
import { button, h, setText } from './elements.js';

const CHANNELS = [
  ['all', 'All channels'],
  ['red', 'Red'],
  ['green', 'Green'],
  ['blue', 'Blue'],
];

export class Adjustments {
  /**
   * @param {import('./editor_state.js').EditorState} state
   * @param {() => void} changed
   */
  constructor(state, changed) {
    Object.assign(this, { state, changed });
    this.low = this.#slider('Black below', 0, 254, 1, (value) => ({ low: Math.min(value, this.state.adjustment.high - 1) }));
    this.high = this.#slider('White above', 1, 255, 1, (value) => ({ high: Math.max(value, this.state.adjustment.low + 1) }));
    this.brightness = this.#slider('Brightness', -0.5, 0.5, 0.01, (value) => ({ brightness: value }));
    this.gamma = this.#slider('Gamma', 0.2, 4, 0.05, (value) => ({ gamma: value }));
    this.channel = h(
      'select',
      { 'aria-label': 'Channel', 'data-testid': 'channel', onchange: () => this.#set({ channel: this.channel.value }) },
      ...CHANNELS.map(([value, name]) => h('option', { value }, name)),
    );
    this.element = h(
      'div',
      { class: 'adjustments', role: 'group', 'aria-label': 'Brightness and contrast', hidden: true },
      h('h2', {}, 'Picture', button({ class: 'small', title: 'Close (Esc)', 'aria-label': 'Close', onclick: () => this.toggle() }, '×')),
      this.low.row,
      this.high.row,
      this.brightness.row,
      this.gamma.row,
      h('label', { class: 'adjustment' }, h('span', {}, 'Channel'), this.channel),
      button({ class: 'small', 'data-testid': 'adjust-reset', onclick: () => this.#set({ ...UNADJUSTED }) }, 'As it came'),
    );
    this.#update();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** Another image is on the screen: what was set stays, as the next one mostly is alike. */
  show() {
    this.#update();
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
  }

  #set(wanted) {
    this.state.adjustment = { ...this.state.adjustment, ...wanted };
    this.#update();
    this.changed();
  }

  #update() {
    const { adjustment } = this.state;
    for (const name of /** @type {const} */ (['low', 'high', 'brightness', 'gamma'])) {
      this[name].input.value = String(adjustment[name]);
      setText(this[name].shown, Number.isInteger(adjustment[name]) ? String(adjustment[name]) : adjustment[name].toFixed(2));
    }
    this.channel.value = adjustment.channel;
  }

  #slider(name, min, max, step, wanted) {
    const input = h('input', {
      type: 'range',
      min,
      max,
      step,
      'aria-label': name,
      oninput: () => this.#set(wanted(Number(input.value))),
    });
    const shown = h('output', {});
    return { input, shown, row: h('label', { class: 'adjustment' }, h('span', {}, name), input, shown) };
  }
}
