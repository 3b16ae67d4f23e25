// The tool strip at the left, the line above the canvas and the line below it.

import { button, h, icon, setText } from './elements.js';
import { LARGEST_BRUSH, SMALLEST_BRUSH } from './tools.js';

const TOOL_BUTTONS = [
  ['brush', 'brush', 'Brush (B)'],
  ['eraser', 'eraser', 'Eraser: back to not labelled (E)'],
  ['polygon', 'polygon', 'Polygon (P)'],
  ['accept', 'accept', 'Accept the suggestion under the brush (Q)'],
];

export class Toolbar {
  /**
   * @param {(command: string) => void} run
   * @param {(size: number) => void} setBrush
   */
  constructor(run, setBrush) {
    this.tools = new Map(TOOL_BUTTONS.map(([tool, name, title]) => [tool, this.#button(run, `tool-${tool}`, name, title)]));
    this.undo = this.#button(run, 'undo', 'undo', 'Undo (Ctrl Z)');
    this.redo = this.#button(run, 'redo', 'redo', 'Redo (Ctrl Shift Z)');
    this.strip = h(
      'div',
      { class: 'strip', role: 'toolbar', 'aria-label': 'Tools', 'aria-orientation': 'vertical' },
      ...this.tools.values(),
      h('hr', {}),
      this.undo,
      this.redo,
      h('hr', {}),
      this.#button(run, 'fit', 'fit', 'Fit the image to the window (F)'),
      h('span', { class: 'spring' }),
      this.#button(run, 'key-sheet', 'keys', 'Keys (?)'),
    );

    this.back = this.#button(run, 'back', 'back', 'Back to the image before (Page Up)');
    this.name = h('strong', { class: 'image-name', 'data-testid': 'image-name' });
    this.size = h('span', { class: 'muted' });
    this.badge = h('span', { class: 'badge', hidden: true });
    this.brushValue = h('output', { class: 'brush-value' });
    this.brush = h('input', {
      type: 'range',
      min: '0',
      max: '100',
      'aria-label': 'Brush size',
      oninput: () => setBrush(sizeOfSlider(Number(this.brush.value))),
    });
    this.brushBox = h('label', { class: 'brush-box', title: 'Brush size in image pixels ([ and ])' }, 'Size', this.brush, this.brushValue);
    this.unsent = h('span', { class: 'badge', hidden: true });
    this.saveText = h('span', {});
    this.saveDot = h('i', { class: 'dot' });
    this.save = h('span', { class: 'save', 'data-testid': 'save-state', 'aria-live': 'polite' }, this.saveDot, this.saveText);
    this.download = button({ class: 'link', 'data-testid': 'download', hidden: true, onclick: () => run('download') }, 'download');
    this.header = h(
      'header',
      { class: 'header' },
      this.back,
      this.name,
      this.size,
      this.badge,
      h('span', { class: 'spring' }),
      this.brushBox,
      h('span', { class: 'spring' }),
      this.unsent,
      this.save,
      this.download,
    );

    this.position = h('span', { class: 'position' });
    this.under = h('span', { class: 'under' });
    this.zoom = h('output', { class: 'zoom-value', title: 'Zoom' });
    const small = (command, text, title) => button({ class: 'small', title, 'aria-label': title, onclick: () => run(command) }, text);
    this.footer = h(
      'footer',
      { class: 'footer' },
      this.position,
      this.under,
      h('span', { class: 'spring' }),
      small('zoom-out', '−', 'Zoom out (−)'),
      this.zoom,
      small('zoom-in', '+', 'Zoom in (+)'),
      small('fit', 'Fit', 'Fit the image to the window (F)'),
      small('one-to-one', '1:1', 'One image pixel per screen pixel (O)'),
    );
  }

  /** @param {object} state as the editor gathers it */
  update(state) {
    const { image } = state;
    for (const [tool, one] of this.tools) one.setAttribute('aria-pressed', String(tool === state.tool));
    this.tools.get('accept').disabled = image !== null && !image.suggestion;
    this.undo.disabled = !image?.history.canUndo;
    this.redo.disabled = !image?.history.canRedo;
    this.back.disabled = !state.canGoBack;
    setText(this.name, image?.item.name ?? '');
    this.name.title = image?.item.name ?? '';
    setText(this.size, image ? `${image.width} × ${image.height}` : '');
    const badge = badgeOf(image);
    this.badge.hidden = !badge;
    setText(this.badge, badge ?? '');
    this.badge.title = badge === 'Audit' ? 'Drawn at random and labelled without a suggestion; measures, never trains.' : '';
    this.brushBox.classList.toggle('off', state.tool === 'polygon');
    setText(this.brushValue, `${state.brush} px`);
    this.brush.value = String(sliderOfSize(state.brush));
    this.unsent.hidden = state.unsent === 0;
    setText(this.unsent, `${state.unsent} on the way`);
    setText(this.saveText, state.save.text);
    this.save.dataset.tone = state.save.tone;
    this.save.title = state.save.more ?? '';
    this.download.hidden = state.save.tone !== 'bad';
    setText(this.zoom, `${Math.round(state.zoom * 100)} %`);
  }

  /** What is under the cursor. */
  showHover(point, words) {
    setText(this.position, point ? `${point.x}, ${point.y}` : '');
    setText(this.under, words);
  }

  #button(run, command, name, title) {
    return button({ class: 'tool', 'data-testid': command, title, 'aria-label': title, onclick: () => run(command) }, icon(name));
  }
}

function badgeOf(image) {
  if (!image) return null;
  if (image.item.split === 'audit') return 'Audit';
  if (image.status === 'submitted' || image.status === 'approved') return 'Labelled before';
  return image.status === 'draft' ? 'Draft' : null;
}

// The slider is logarithmic: half of its way is for brushes under 20 pixels.
function sizeOfSlider(position) {
  return Math.round(SMALLEST_BRUSH * (LARGEST_BRUSH / SMALLEST_BRUSH) ** (position / 100));
}

function sliderOfSize(size) {
  return Math.round((100 * Math.log(size / SMALLEST_BRUSH)) / Math.log(LARGEST_BRUSH / SMALLEST_BRUSH));
}
