// The tool strip at the left, the line above the canvas and the line below it.

import { MOST_REACH } from './editor_state.js';
import { button, h, icon, setText } from './elements.js';
import { chordName, shownChord } from './keys.js';
import { SUPERPIXEL_SCALES } from './superpixel_map.js';
import { LARGEST_BRUSH, SMALLEST_BRUSH } from './tool_stroke.js';

/** @typedef {import('./editor_state.js').ToolName} ToolName */
/** @typedef {import('./elements.js').IconName} IconName */
/** @typedef {import('./types.js').Run} Run */

/** @type {[ToolName, string][]} */
const TOOL_BUTTONS = [
  ['brush', 'Brush'],
  ['eraser', 'Eraser: back to not labelled'],
  ['polygon', 'Polygon'],
  ['rectangle', 'Rectangle'],
  ['line', 'Line of one pixel'],
  ['superpixel', 'Superpixel brush'],
  ['flood', 'Flood fill: pixels of alike colour'],
  ['smart', 'Smart fill: click or scribble'],
  ['region', 'Give a whole region the class'],
  ['accept', 'Accept the suggestion under the brush'],
];
const BRUSHES = new Set(['brush', 'eraser', 'accept']);

/** What the slider of a tool sets. @type {Record<string, {name: string, min: number, max: number, shown: (value: number) => string}>} */
const SLIDERS = {
  brush: { name: 'Size', min: 0, max: 100, shown: (value) => `${sizeOfSlider(value)} px` },
  flood: { name: 'Tolerance', min: 0, max: 255, shown: String },
  smart: { name: 'Reach', min: -MOST_REACH, max: MOST_REACH, shown: (value) => (value > 0 ? `+${value}` : String(value)) },
  superpixel: {
    name: 'Superpixels',
    min: 0,
    max: SUPERPIXEL_SCALES.length - 1,
    shown: (value) => ['coarse', 'medium', 'fine'][value],
  },
};

/** @type {Record<string, string>} */
const BADGE_TITLES = {
  Audit: 'Drawn at random and labelled without a suggestion; measures, never trains.',
  Excluded: 'Neither trains nor measures, and is in nobody’s queue.',
};

export class Toolbar {
  /**
   * @param {Run} run
   * @param {(wanted: Partial<import('./preferences.js').Preferences>) => void} prefer sets a size, tolerance,
   *   reach or scale
   */
  constructor(run, prefer) {
    /** Buttons whose title names their key. @type {[HTMLElement, string, string][]} */
    this.titled = [];
    this.tools = new Map(TOOL_BUTTONS.map(([tool, title]) => [tool, this.#button(run, `tool-${tool}`, tool, title)]));
    this.undo = this.#button(run, 'undo', 'undo', 'Undo');
    this.redo = this.#button(run, 'redo', 'redo', 'Redo');
    this.strip = h(
      'div',
      { class: 'strip', role: 'toolbar', 'aria-label': 'Tools', 'aria-orientation': 'vertical' },
      ...this.tools.values(),
      h('hr', {}),
      this.undo,
      this.redo,
      h('hr', {}),
      this.#button(run, 'fit', 'fit', 'Fit the image to the window'),
      this.#button(run, 'adjust', 'adjust', 'Brightness, contrast, gamma, channel'),
      h('span', { class: 'spring' }),
      this.#button(run, 'find', 'find', 'Find a class or an action'),
      this.#button(run, 'key-sheet', 'keys', 'Keys'),
    );

    this.back = this.#button(run, 'back', 'back', 'Back to the image before');
    this.name = h('strong', { class: 'image-name', 'data-testid': 'image-name' });
    this.size = h('span', { class: 'muted image-size' });
    this.badge = h('span', { class: 'badge', hidden: true });
    this.sliderName = h('span', {});
    this.sliderValue = h('output', { class: 'brush-value' });
    this.slider = h('input', { type: 'range', 'data-testid': 'tool-size', oninput: () => prefer(this.#wanted()) });
    this.sliderBox = h('label', { class: 'brush-box' }, this.sliderName, this.slider, this.sliderValue);
    this.magnet = this.#chip(run, 'magnet', 'Magnet', 'The polygon follows edges of the picture');
    this.giveUp = this.#chip(run, 'escape', 'Give up', 'Give up the open polygon');
    this.onlyUnlabelled = this.#chip(run, 'only-unlabelled', 'Only unlabelled', 'Paint only what is not labelled');
    this.unsent = h('span', { class: 'badge', 'data-testid': 'unsent', hidden: true });
    this.saveText = h('span', {});
    const revisions = button({ class: 'link', title: 'Earlier revisions', onclick: () => run('revisions') }, this.saveText);
    this.saveDot = h('i', { class: 'dot' });
    this.elsewhere = h('a', { class: 'badge elsewhere', target: '_self', 'data-testid': 'unsent-elsewhere', hidden: true });
    this.save = h('span', { class: 'save', 'data-testid': 'save-state' }, this.saveDot, revisions);
    // What a screen reader says by itself: that saving fails, and that it works again; not how long ago it was.
    this.saveSpoken = h('span', { class: 'spoken', role: 'status', 'data-testid': 'save-spoken' });
    this.download = button({ class: 'link', 'data-testid': 'download', hidden: true, onclick: () => run('download') }, 'download');
    this.header = h(
      'header',
      { class: 'header' },
      this.back,
      this.name,
      this.size,
      this.badge,
      h('span', { class: 'spring' }),
      this.sliderBox,
      this.giveUp,
      this.magnet,
      this.onlyUnlabelled,
      h('span', { class: 'spring' }),
      this.elsewhere,
      this.unsent,
      this.save,
      this.saveSpoken,
      this.download,
    );

    this.position = h('span', { class: 'position' });
    this.under = h('span', { class: 'under' });
    this.doubt = h('span', { class: 'muted' });
    this.zoom = h('output', { class: 'zoom-value', title: 'Zoom' });
    /** @type {(command: string, text: string, title: string) => HTMLButtonElement} */
    const small = (command, text, title) => button({ class: 'small', title, 'aria-label': title, onclick: () => run(command) }, text);
    this.footer = h(
      'footer',
      { class: 'footer' },
      this.position,
      this.under,
      h('span', { class: 'spring' }),
      this.doubt,
      small('zoom-out', '−', 'Zoom out'),
      this.zoom,
      small('zoom-in', '+', 'Zoom in'),
      small('fit', 'Fit', 'Fit the image to the window'),
      small('one-to-one', '1:1', 'One image pixel per screen pixel'),
    );
  }

  /** @param {import('./types.js').Shown} shown */
  update(shown) {
    const { image, state, preferences } = shown;
    for (const [tool, one] of this.tools) {
      one.setAttribute('aria-pressed', String(tool === state.tool));
      one.disabled = tool === 'accept' && image !== null && !image.suggestion;
    }
    for (const [element, command, title] of this.titled) {
      const withKey = `${title} (${chordName(shownChord(command, preferences.keys))})`;
      if (element.title !== withKey) element.title = withKey;
    }
    this.undo.disabled = !image?.canUndo;
    this.redo.disabled = !image?.canRedo;
    this.back.disabled = !shown.canGoBack;
    setText(this.name, image?.item.name ?? '');
    this.name.title = image?.item.name ?? '';
    setText(this.size, image ? `${image.width} × ${image.height}` : '');
    const badge = badgeOf(image);
    this.badge.hidden = !badge;
    setText(this.badge, badge ?? '');
    this.badge.title = BADGE_TITLES[badge ?? ''] ?? '';
    this.#updateSlider(state);
    this.giveUp.hidden = !shown.hasPolygon;
    this.magnet.hidden = state.tool !== 'polygon';
    this.magnet.setAttribute('aria-pressed', String(state.magnet));
    this.onlyUnlabelled.setAttribute('aria-pressed', String(state.onlyUnlabelled));
    this.unsent.hidden = shown.unsent === 0;
    const { sending } = shown;
    const wasUnsent = this.unsent.dataset.tone === 'bad';
    setText(this.unsent, sending.text);
    this.unsent.title = sending.more;
    this.unsent.dataset.tone = sending.isBad ? 'bad' : '';
    this.#updateElsewhere(shown.elsewhere);
    const { text, tone } = shown.save;
    setText(this.saveText, text);
    this.save.dataset.tone = tone;
    if (tone === 'bad' || sending.isBad) setText(this.saveSpoken, (tone === 'bad' ? text : sending.text).split(':')[0]);
    else if (tone === 'good' || wasUnsent) setText(this.saveSpoken, 'Saved');
    this.save.title = shown.save.more ?? '';
    this.download.hidden = tone !== 'bad';
    setText(this.doubt, shown.doubt);
    setText(this.zoom, `${Math.round(shown.zoom * 100)} %`);
  }

  /** @param {import('./types.js').Shown['elsewhere']} elsewhere */
  #updateElsewhere({ text, more, projectId }) {
    this.elsewhere.hidden = projectId === null;
    setText(this.elsewhere, text);
    this.elsewhere.title = more;
    if (projectId !== null) this.elsewhere.href = `/?project=${projectId}`;
  }

  /** What is under the cursor. @param {import('./types.js').Point | null} point @param {string} words */
  showHover(point, words) {
    setText(this.position, point ? `${point.x}, ${point.y}` : '');
    setText(this.under, words);
  }

  /** @param {import('./editor_state.js').EditorState} state */
  #updateSlider({ tool, brush, preferences }) {
    const kind = BRUSHES.has(tool) ? 'brush' : tool;
    const slider = SLIDERS[kind];
    this.sliderBox.hidden = !slider;
    if (!slider) return;
    const value = {
      brush: sliderOfSize(brush),
      flood: preferences.tolerance,
      smart: preferences.reach,
      superpixel: preferences.superpixelScale,
    }[kind];
    if (this.slider.dataset.kind !== kind) {
      this.slider.dataset.kind = kind;
      this.slider.min = String(slider.min);
      this.slider.max = String(slider.max);
      this.slider.setAttribute('aria-label', kind === 'brush' ? 'Brush size' : slider.name);
      setText(this.sliderName, slider.name);
    }
    if (Number(this.slider.value) !== value) this.slider.value = String(value);
    setText(this.sliderValue, kind === 'brush' ? `${brush} px` : slider.shown(value));
  }

  #wanted() {
    const value = Number(this.slider.value);
    return {
      brush: { brush: sizeOfSlider(value) },
      flood: { tolerance: value },
      smart: { reach: value },
      superpixel: { superpixelScale: value },
    }[this.slider.dataset.kind];
  }

  /** @param {Run} run @param {string} command @param {IconName} name @param {string} title */
  #button(run, command, name, title) {
    const element = button({ class: 'tool', 'data-testid': command, 'aria-label': title, onclick: () => run(command) }, icon(name));
    this.titled.push([element, command, title]);
    return element;
  }

  /** @param {Run} run @param {string} command @param {string} text @param {string} title */
  #chip(run, command, text, title) {
    const element = button({ class: 'toggle-chip', 'data-testid': command, onclick: () => run(command) }, text);
    this.titled.push([element, command, title]);
    return element;
  }
}

/** @param {import('./open_image.js').OpenImage | null} image */
function badgeOf(image) {
  if (!image) return null;
  if (image.item.split === 'audit') return 'Audit';
  if (image.item.split === 'excluded') return 'Excluded';
  if (image.status === 'submitted' || image.status === 'approved') return 'Labelled before';
  return image.status === 'draft' ? 'Draft' : null;
}

/** The slider is logarithmic: half of its way is for brushes under 20 pixels. @param {number} position */
function sizeOfSlider(position) {
  return Math.round(SMALLEST_BRUSH * (LARGEST_BRUSH / SMALLEST_BRUSH) ** (position / 100));
}

/** @param {number} size */
function sliderOfSize(size) {
  return Math.round((100 * Math.log(size / SMALLEST_BRUSH)) / Math.log(LARGEST_BRUSH / SMALLEST_BRUSH));
}
