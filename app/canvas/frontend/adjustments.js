// The window over the picture for brightness, contrast, gamma and channel. Changes what is seen, never what is
// stored. Plain images are adjusted here in the browser, those of many bits or channels by the server.

import { UNADJUSTED } from './display.js';
import { button, h, setText } from './elements.js';
import { AS_IMPORTED } from './source_view.js';

/** @typedef {import('./display.js').Adjustment} Adjustment */

/** @type {[string, string][]} */
const COLOURS = [
  ['all', 'All colours'],
  ['red', 'Red'],
  ['green', 'Green'],
  ['blue', 'Blue'],
];

export class Adjustments {
  /**
   * @param {import('./editor_state.js').EditorState} state
   * @param {object} parts
   * @param {import('./source_view.js').SourceView} parts.source
   * @param {(url: string) => Promise<import('./source_view.js').ChannelFigures>} parts.channels
   * @param {() => void} parts.changed the adjustment of plain images
   */
  constructor(state, { source, channels, changed }) {
    this.state = state;
    this.source = source;
    this.channels = channels;
    this.changed = changed;
    /** @type {import('./types.js').Item | null} */
    this.item = null;
    /** @type {import('./source_view.js').ChannelFigures | null} of an image of many bits or channels */
    this.figures = null;
    this.low = slider('Black below', (low) => this.#set({ low }));
    this.high = slider('White above', (high) => this.#set({ high }));
    this.brightness = slider('Brightness', (brightness) => this.#set({ brightness }));
    this.gamma = slider('Gamma', (gamma) => this.#set({ gamma }));
    this.channel = h('select', {
      'aria-label': 'Channel',
      'data-testid': 'channel',
      onchange: () => this.#setChannel(),
    });
    const close = button({ class: 'small', title: 'Close (Esc)', 'aria-label': 'Close', onclick: () => this.toggle() }, '×');
    this.element = h(
      'div',
      { class: 'adjustments', role: 'group', 'aria-label': 'Brightness and contrast', hidden: true },
      h('h2', {}, 'Picture', close),
      this.low.row,
      this.high.row,
      this.brightness.row,
      this.gamma.row,
      h('label', { class: 'adjustment' }, h('span', {}, 'Channel'), this.channel),
      button({ class: 'small', 'data-testid': 'adjust-reset', onclick: () => this.#reset() }, 'As it came'),
    );
    /** What the list of channels offers now. */
    this.offered = '';
    this.#update();
  }

  get isOpen() {
    return !this.element.hidden;
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    if (this.isOpen) this.show(this.item);
  }

  /**
   * Another image is on the screen, or none: what was set stays, as the next image mostly is alike.
   * @param {import('./types.js').Item | null} item
   */
  async show(item) {
    this.item = item;
    this.figures = null;
    this.source.settle();
    if (this.isOpen && item?.channels_url) {
      // Until it is known what the values are, there is nothing to set.
      this.#enable(false);
      const figures = await this.channels(item.channels_url).catch(() => null);
      if (this.item !== item) return;
      this.figures = figures;
    }
    this.#enable(true);
    this.#update();
  }

  /** @param {boolean} isEnabled */
  #enable(isEnabled) {
    for (const { input } of [this.low, this.high, this.brightness, this.gamma]) input.disabled = !isEnabled;
    this.channel.disabled = !isEnabled;
  }

  /** @param {Partial<Record<'low' | 'high' | 'brightness' | 'gamma', number>>} wanted */
  #set(wanted) {
    if (this.figures) this.#setSource(wanted);
    else this.#setPlain(wanted);
  }

  #setChannel() {
    const channel = this.channel.value;
    // The window was that of another channel.
    if (this.figures) this.#setSource({ channel, low: null, high: null });
    else this.#setPlain({ channel: /** @type {Adjustment['channel']} */ (channel) });
  }

  #reset() {
    if (this.figures) this.#setSource(AS_IMPORTED);
    else this.#setPlain(UNADJUSTED);
  }

  /** @param {Partial<import('./source_view.js').Wanted>} wanted */
  #setSource(wanted) {
    this.source.set(wanted);
    this.#update();
  }

  /** @param {Partial<Adjustment>} wanted */
  #setPlain(wanted) {
    this.state.adjustment = { ...this.state.adjustment, ...wanted };
    this.#update();
    this.changed();
  }

  #update() {
    if (this.figures) this.#updateSource(this.figures);
    else {
      const { low, high, brightness, gamma, channel } = this.state.adjustment;
      this.low.show(low, 0, high - 1, 1);
      this.high.show(high, low + 1, 255, 1);
      this.brightness.show(brightness, -0.5, 0.5, 0.01);
      this.gamma.show(gamma, 0.2, 4, 0.05);
      this.#offer(COLOURS, channel);
    }
    this.brightness.row.hidden = this.figures !== null;
  }

  /** @param {import('./source_view.js').ChannelFigures} figures */
  #updateSource({ channels, shown }) {
    const { channel, low, high, gamma } = this.source.wanted;
    const places = channel === '' ? shown : channel.split(',').map(Number);
    const first = channels[places[0]] ?? channels[0];
    const { least, most } = valuesPresent(channels, places);
    const step = (most - least) / 1000 || 1;
    // The window of a picture's colours may be wider than its values.
    this.low.show(low ?? first.low, least, Math.min(high ?? first.high, most) - step, step);
    this.high.show(high ?? first.high, Math.max(low ?? first.low, least) + step, most, step);
    this.gamma.show(gamma, 0.2, 4, 0.05);
    const single = channels.map(({ name }, at) => /** @type {[string, string]} */ ([String(at), name || `Channel ${at + 1}`]));
    /** @type {[string, string][]} */
    const several = channels.length > 1 ? [['', `First ${shown.length === 1 ? 'one' : shown.length}`]] : [['', 'Whole picture']];
    this.#offer([...several, ...single], channel);
  }

  /** @param {[string, string][]} options values with their names @param {string} chosen */
  #offer(options, chosen) {
    const key = JSON.stringify(options);
    if (this.offered !== key) {
      this.offered = key;
      this.channel.replaceChildren(...options.map(([value, name]) => h('option', { value }, name)));
    }
    this.channel.value = chosen;
  }
}

/**
 * The least and the greatest value of some of the channels together: what sliders over all of them run over.
 * @param {import('./source_view.js').Channel[]} channels
 * @param {number[]} places
 */
function valuesPresent(channels, places) {
  const chosen = channels.filter((_, at) => places.includes(at));
  const known = chosen.length ? chosen : channels.slice(0, 1);
  return { least: Math.min(...known.map((one) => one.least)), most: Math.max(...known.map((one) => one.most)) };
}

/**
 * A value of a slider with as many digits as its steps tell apart.
 * @param {number} number
 * @param {number} step
 */
export function numberWords(number, step) {
  if (step < 0.001) return String(Number(number.toPrecision(4)));
  return Number.isInteger(number) ? String(number) : number.toFixed(Math.max(0, Math.ceil(-Math.log10(step))));
}

/** @param {string} name @param {(value: number) => void} set */
function slider(name, set) {
  const input = h('input', { type: 'range', 'aria-label': name, oninput: () => set(Number(input.value)) });
  const value = h('output', {});
  return {
    input,
    row: h('label', { class: 'adjustment' }, h('span', {}, name), input, value),
    /** @param {number} number @param {number} least @param {number} most @param {number} step */
    show(number, least, most, step) {
      Object.assign(input, { min: String(least), max: String(most), step: String(step), value: String(number) });
      setText(value, numberWords(number, step));
    },
  };
}
