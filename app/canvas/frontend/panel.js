// The right hand panel: why this image, the classes, the layers, the progress and what to do with the image.

import { button, h, icon, setText } from './elements.js';
import { VOID } from './label_map.js';
import { keyName } from './palette.js';
import { originLine, percent, roundLine } from './wording.js';

const LAYERS = [
  { id: 'label', name: 'Label map', testid: 'toggle-label', command: 'toggle-label', key: 'L' },
  { id: 'suggestion', name: 'Suggestion', testid: 'toggle-suggestion', command: 'toggle-suggestion', key: 'S' },
  { id: 'uncertainty', name: 'Uncertainty', testid: 'toggle-uncertainty', command: 'toggle-uncertainty', key: 'U' },
];

export class Panel {
  /**
   * @param {(command: string, detail?: object) => void} run
   * @param {(layer: string, opacity: number) => void} setOpacity
   */
  constructor(run, setOpacity) {
    this.run = run;
    this.setOpacity = setOpacity;
    this.classRows = new Map();
    this.origin = h('span', { class: 'chip' });
    this.why = h('p', { class: 'why-text', 'data-testid': 'why' });
    this.classes = h('div', { class: 'classes' });
    this.voidRow = h('div', { class: 'void-row' });
    this.classList = h('div', { class: 'class-list', role: 'listbox', 'aria-label': 'Classes' }, this.classes, this.voidRow);
    this.labelled = h('span', { class: 'heading-note' });
    this.layers = LAYERS.map((layer) => this.#layerRow(layer));
    this.labelledCount = h('span', {});
    this.splits = h('span', { class: 'splits' });
    this.progressText = h('div', { class: 'progress-text', 'data-testid': 'progress' }, this.labelledCount, this.splits);
    this.bar = h('div', { class: 'bar' }, h('i', { class: 'train' }), h('i', { class: 'audit' }));
    this.round = h('div', { class: 'round', 'data-testid': 'round' });
    this.roundBar = h('div', { class: 'bar thin', hidden: true }, h('i', { class: 'live' }));
    this.roundNote = h('p', { class: 'round-note' });
    this.acceptAll = this.#action('accept-all', 'Accept all', 'A', 'Take the suggestion where nothing is labelled');
    this.fillRest = this.#action('fill-rest', 'Fill rest', 'R', 'Give the chosen class to all that is not labelled');
    this.truth = this.#action('truth', 'Answer with the truth', 'T', 'Demo: put the known label map in');
    this.truthSubmit = this.#action('truth-submit', '& submit', '⇧T', 'Demo: put the known label map in and submit');
    this.demoRow = h('div', { class: 'row demo', hidden: true }, this.truth, this.truthSubmit);
    this.skip = this.#action('skip', 'Skip', 'N', 'Put the image at the end of the queue');
    this.submit = this.#action('submit', 'Submit', '↵', 'Hand the label map in and go on');
    this.submit.classList.add('primary');
    this.element = h(
      'aside',
      { class: 'panel', 'aria-label': 'Image and classes' },
      h('section', { class: 'why' }, h('h2', {}, 'Why this image', this.origin), this.why),
      h('section', { class: 'grow' }, h('h2', {}, 'Classes', this.labelled), this.classList),
      h('section', {}, h('h2', {}, 'Layers'), ...this.layers.map((layer) => layer.element)),
      h('section', { class: 'progress' }, h('h2', {}, 'Progress'), this.progressText, this.bar, this.round, this.roundBar, this.roundNote),
      h(
        'section',
        { class: 'actions' },
        h('div', { class: 'row' }, this.acceptAll, this.fillRest),
        this.demoRow,
        h('div', { class: 'row' }, this.skip, this.submit),
      ),
    );
  }

  /** @param {import('./palette.js').LabelClass[]} classes */
  setClasses(classes) {
    this.classRows.clear();
    const rows = classes
      .filter((one) => !one.archived)
      .map((one) => this.#classRow(one.index, one.name, one.colour, one.hotkey, `class-${one.index}`));
    this.classes.replaceChildren(...rows);
    this.voidRow.replaceChildren(this.#classRow(VOID, 'Void', null, 'KeyV', 'class-void'));
  }

  /** @param {object} state as the editor gathers it */
  update(state) {
    const { image, progress, shares } = state;
    const item = image?.item ?? null;
    setText(this.origin, item ? originLine(item) : '');
    setText(this.why, item ? item.why || 'No reason was given.' : '–');
    this.origin.hidden = this.origin.textContent === '';
    setText(this.labelled, shares ? `${percent(shares.labelledShare)} labelled` : '');
    for (const [index, row] of this.classRows) {
      const isChosen = index === state.classIndex;
      if (isChosen && this.chosen !== index) row.element.scrollIntoView({ block: 'nearest' });
      row.element.setAttribute('aria-selected', String(isChosen));
      const share = shares && image ? shares.counts[index] / image.pixels.length : 0;
      setText(row.share, share > 0 ? percent(share) : '');
    }
    this.chosen = state.classIndex;
    for (const layer of this.layers) this.#updateLayer(layer, state);
    this.#updateProgress(progress);
    const has = image !== null;
    this.acceptAll.disabled = !has || !image.suggestion;
    this.fillRest.disabled = !has;
    this.skip.disabled = !has;
    this.submit.disabled = !has;
    this.demoRow.hidden = !(state.demo && item?.has_truth);
  }

  #updateLayer(layer, state) {
    const has = {
      label: state.image !== null,
      suggestion: Boolean(state.image?.suggestion),
      uncertainty: Boolean(state.hasUncertainty),
    }[layer.id];
    const shown = state.show[layer.id];
    layer.toggle.setAttribute('aria-pressed', String(shown));
    if (layer.shown !== shown) {
      layer.shown = shown;
      layer.toggle.replaceChildren(icon(shown ? 'eye' : 'hidden'));
    }
    layer.toggle.disabled = !has;
    layer.slider.disabled = !has || !shown;
    layer.slider.value = String(Math.round(state.opacity[layer.id] * 100));
    layer.element.classList.toggle('off', !has || !shown);
  }

  #updateProgress(progress) {
    if (!progress) return;
    const total = progress.images - progress.excluded;
    setText(this.labelledCount, `${progress.labelled} of ${total} labelled`);
    setText(this.splits, `train ${progress.train} · audit ${progress.audit} · pool ${progress.pool}`);
    // Audit images count once they are labelled; that they were drawn is no work done.
    const share = (count) => `${total ? (100 * count) / total : 0}%`;
    this.bar.children[0].style.width = share(Math.min(progress.train, progress.labelled));
    this.bar.children[1].style.width = share(Math.max(0, progress.labelled - progress.train));
    setText(this.round, roundLine(progress));
    setText(this.roundNote, progress.round?.note ?? '');
    const live = progress.round;
    this.roundBar.hidden = !live;
    if (live) this.roundBar.children[0].style.width = `${live.steps ? (100 * live.step) / live.steps : 0}%`;
  }

  #classRow(index, name, colour, hotkey, testid) {
    const share = h('span', { class: 'share' });
    const element = button(
      {
        class: 'class-row',
        role: 'option',
        'data-testid': testid,
        'aria-selected': 'false',
        title: index === VOID ? 'Void: these pixels are ignored' : name,
        onclick: () => this.run('class', { classIndex: index }),
      },
      h('i', { class: colour ? 'swatch' : 'swatch void', style: colour ? `background:${colour}` : null }),
      h('span', { class: 'name' }, name),
      share,
      h('kbd', {}, keyName(hotkey)),
    );
    this.classRows.set(index, { element, share });
    return element;
  }

  #layerRow({ id, name, testid, command, key }) {
    const toggle = button(
      { class: 'eye', 'data-testid': testid, 'aria-label': `Show ${name.toLowerCase()}`, title: `${name} (${key})`, onclick: () => this.run(command) },
    );
    const slider = h('input', {
      type: 'range',
      min: '5',
      max: '100',
      'aria-label': `Opacity of ${name.toLowerCase()}`,
      oninput: () => this.setOpacity(id, Number(slider.value) / 100),
    });
    const element = h('div', { class: `layer ${id}` }, toggle, h('span', { class: 'name' }, name), slider, h('kbd', {}, key));
    return { id, element, toggle, slider, shown: null };
  }

  #action(command, label, key, title) {
    return button({ 'data-testid': command, title, onclick: () => this.run(command) }, h('span', {}, label), h('kbd', {}, key));
  }
}
