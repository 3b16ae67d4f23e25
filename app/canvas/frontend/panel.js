// The right hand panel: why this image, the classes, the layers, the progress and what to do with the image.

import { button, h, icon, setText } from './elements.js';
import { chordName, shownChord } from './keys.js';
import { VOID } from './label_map.js';
import { archivedOf } from './palette.js';
import { WhyCard } from './why_card.js';
import { percent, roundLine } from './wording.js';

/** @typedef {import('./types.js').Shown} Shown */
/** @typedef {import('./elements.js').IconName} IconName */
/** @typedef {'label' | 'suggestion' | 'uncertainty'} LayerName */
/**
 * @typedef {{id: LayerName, element: HTMLElement, toggle: HTMLButtonElement, slider: HTMLInputElement,
 *   shown: boolean | null}} LayerRow `shown` as of the last update
 */

/** @type {{id: LayerName, name: string, command: string}[]} */
const LAYERS = [
  { id: 'label', name: 'Label map', command: 'toggle-label' },
  { id: 'suggestion', name: 'Suggestion', command: 'toggle-suggestion' },
  { id: 'uncertainty', name: 'Uncertainty', command: 'toggle-uncertainty' },
];

/** @type {[string, IconName, string][]} */
const VIEWS = [
  ['toggle-difference', 'difference', 'What you changed in the suggestion'],
  ['toggle-outlines', 'outlines', 'Outlines only'],
  ['toggle-patterns', 'patterns', 'Patterns beside colours'],
  ['toggle-dimmed', 'dimmed', 'Suggestion dimmed instead of hatched'],
];

export class Panel {
  /**
   * @param {import('./types.js').Run} run
   * @param {object} parts
   * @param {(layer: LayerName, opacity: number) => void} parts.setOpacity
   * @param {(confidence: number) => void} parts.setConfidence in [0, 1]; shows what would be accepted
   */
  constructor(run, { setOpacity, setConfidence }) {
    this.run = run;
    this.setOpacity = setOpacity;
    this.setConfidence = setConfidence;
    /** Keycaps by command, which change when the person changes a key. @type {[HTMLElement, string][]} */
    this.keycaps = [];
    /** @type {Map<number, Record<'element' | 'share' | 'hide' | 'lock' | 'keycap', HTMLElement>>} */
    this.classRows = new Map();
    /** Classes that nobody labels any more: listed where the image still has pixels of them. @type {Set<number>} */
    this.archived = new Set();
    /** The class that was chosen at the last update. @type {number | null} */
    this.chosen = null;
    this.why = new WhyCard();
    this.classes = h('div', { class: 'classes' });
    this.voidRow = h('div', { class: 'void-row' });
    this.classList = h('div', { class: 'class-list', role: 'listbox', 'aria-label': 'Classes' }, this.classes, this.voidRow);
    this.labelled = h('span', { class: 'heading-note' });
    this.layers = LAYERS.map((layer) => this.#layerRow(layer));
    this.labelledCount = h('span', {});
    this.splits = h('span', { class: 'splits' });
    this.progressText = h('div', { class: 'progress-text', 'data-testid': 'progress' }, this.labelledCount, this.splits);
    this.trainBar = h('i', { class: 'train' });
    this.auditBar = h('i', { class: 'audit' });
    this.round = h('div', { class: 'round', 'data-testid': 'round' });
    this.liveBar = h('i', { class: 'live' });
    this.roundBar = h('div', { class: 'bar thin', hidden: true }, this.liveBar);
    this.roundNote = h('p', { class: 'round-note' });
    this.acceptAll = this.#action('accept-all', 'Accept all', 'Take the suggestion where nothing is labelled');
    this.fillRest = this.#action('fill-rest', 'Fill rest', 'Give the chosen class to all that is not labelled');
    this.fillRest.classList.add('small');
    this.acceptSure = this.#action('accept-sure', 'Accept', 'Take the suggestion where the model is this sure');
    this.confidence = h('input', {
      type: 'range',
      min: '0',
      max: '100',
      'aria-label': 'Confidence from which the suggestion is accepted',
      'data-testid': 'confidence',
      oninput: () => setConfidence(Number(this.confidence.value) / 100),
    });
    this.confidenceValue = h('output', { class: 'confidence-value' });
    this.doubt = this.#action('next-doubt', 'Next doubt', 'Zoom to the next place the model is unsure of');
    this.sureRow = h('div', { class: 'row sure' }, this.confidence, this.confidenceValue, this.acceptSure);
    this.acceptRow = h('div', { class: 'row' }, this.acceptAll, this.doubt);
    this.truth = this.#action('truth', 'Answer with the truth', 'Demo: put the known label map in');
    this.truthSubmit = this.#action('truth-submit', '& submit', 'Demo: put the known label map in and submit');
    this.demoRow = h('div', { class: 'row demo', hidden: true }, this.truth, this.truthSubmit);
    this.skip = this.#action('skip', 'Skip', 'Put the image at the end of the queue');
    this.submit = this.#action('submit', 'Submit', 'Hand the label map in and go on');
    this.submit.classList.add('primary');
    /** Other ways to look at the layers, by command. */
    this.viewButtons = new Map(VIEWS.map((view) => [view[0], this.#viewButton(...view)]));
    const views = h('span', { class: 'views' }, ...this.viewButtons.values());
    const rounds = [this.round, this.roundBar, this.roundNote];
    const bar = h('div', { class: 'bar' }, this.trainBar, this.auditBar);
    this.element = h(
      'aside',
      { class: 'panel', 'aria-label': 'Image and classes' },
      this.why.element,
      h('section', { class: 'grow' }, h('h2', {}, 'Classes', this.labelled, this.fillRest), this.classList),
      h('section', { class: 'layers' }, h('h2', {}, 'Layers', views), ...this.layers.map((layer) => layer.element)),
      h('section', { class: 'progress' }, h('h2', {}, 'Progress'), this.progressText, bar, ...rounds),
      h(
        'section',
        { class: 'actions' },
        this.sureRow,
        this.acceptRow,
        this.demoRow,
        h('div', { class: 'row' }, this.skip, this.submit),
      ),
    );
  }

  /** @param {import('./palette.js').LabelClass[]} classes */
  setClasses(classes) {
    this.why.setClasses(classes);
    this.classRows.clear();
    this.archived = new Set(archivedOf(classes));
    const inOrder = [...classes.filter((one) => !one.archived), ...classes.filter((one) => one.archived)];
    const rows = inOrder.map((one) => this.#classRow(one.index, one.name, one.colour, `class-${one.index}`));
    this.classes.replaceChildren(...rows);
    this.voidRow.replaceChildren(this.#classRow(VOID, 'Void', null, 'class-void'));
  }

  /** @param {Shown} state */
  update(state) {
    const { image, progress, shares } = state;
    const item = image?.item ?? null;
    this.why.update(item);
    setText(this.labelled, shares ? `${percent(shares.labelledShare)} labelled` : '');
    for (const [index, row] of this.classRows) {
      const isChosen = index === state.state.value;
      const isHidden = state.state.hidden.has(index);
      const isLocked = state.state.locked.has(index);
      if (isChosen && this.chosen !== index) row.element.scrollIntoView({ block: 'nearest' });
      row.element.setAttribute('aria-selected', String(isChosen));
      row.element.classList.toggle('hidden-class', isHidden);
      setPressed(row.hide, isHidden, isHidden ? 'hidden' : 'eye');
      setPressed(row.lock, isLocked, isLocked ? 'lock' : 'unlocked');
      const share = shares && image ? shares.counts[index] / image.pixels.length : 0;
      setText(row.share, share > 0 ? percent(share) : '');
      if (this.archived.has(index)) row.element.hidden = share === 0;
    }
    this.chosen = state.state.value;
    for (const { index, hotkey } of state.classes) {
      const row = this.classRows.get(index);
      if (row) setText(row.keycap, this.archived.has(index) ? '' : chordName(hotkey ?? ''));
    }
    for (const [keycap, command] of this.keycaps) setText(keycap, chordName(shownChord(command, state.preferences.keys)));
    for (const layer of this.layers) this.#updateLayer(layer, state);
    this.#updateProgress(progress);
    // Before a round has trained these could only be looked at; the classes have more use for their place.
    // Progress comes after the first image, which knows of the round as well, and nothing may move under a hand by then.
    const round = progress ? progress.current_round_number || progress.suggesting_round_number : item?.suggestion_round_number;
    const isBefore = !round && !image?.suggestion;
    this.sureRow.hidden = this.acceptRow.hidden = isBefore;
    const has = image !== null;
    const hasBoth = Boolean(image?.suggestion) && state.hasUncertainty;
    const confidence = Math.round(100 * state.state.confidence);
    if (Number(this.confidence.value) !== confidence) this.confidence.value = String(confidence);
    setText(this.confidenceValue, `≥ ${confidence} %`);
    this.confidence.disabled = !hasBoth;
    this.acceptSure.disabled = !hasBoth;
    this.doubt.disabled = !state.hasUncertainty;
    for (const [command, one] of this.viewButtons) {
      one.setAttribute('aria-pressed', String(viewIsOn(command, state)));
    }
    this.acceptAll.disabled = !image?.suggestion;
    this.fillRest.disabled = !has;
    this.skip.disabled = !has;
    this.submit.disabled = !has;
    this.demoRow.hidden = !(state.demo && item?.has_truth);
  }

  /** @param {LayerRow} layer @param {Shown} state */
  #updateLayer(layer, state) {
    const has = {
      label: state.image !== null,
      suggestion: Boolean(state.image?.suggestion),
      uncertainty: Boolean(state.hasUncertainty),
    }[layer.id];
    const shown = state.state.show[layer.id];
    layer.toggle.setAttribute('aria-pressed', String(shown));
    if (layer.shown !== shown) {
      layer.shown = shown;
      layer.toggle.replaceChildren(icon(shown ? 'eye' : 'hidden'));
    }
    layer.toggle.disabled = !has;
    layer.slider.disabled = !has || !shown;
    layer.slider.value = String(Math.round(state.preferences.opacity[layer.id] * 100));
    layer.element.classList.toggle('off', !has || !shown);
  }

  /** @param {import('./types.js').Progress | null} progress */
  #updateProgress(progress) {
    if (!progress) return;
    const total = progress.images - progress.excluded;
    setText(this.labelledCount, `${progress.labelled} of ${total} labelled`);
    const isDrawnAhead = progress.audit_labelled < progress.audit;
    const audit = isDrawnAhead ? `${progress.audit_labelled} of ${progress.audit}` : `${progress.audit}`;
    setText(this.splits, `train ${progress.train} · audit ${audit} · pool ${progress.pool}`);
    // Audit images count once they are labelled; that they were drawn is no work done.
    const share = (/** @type {number} */ count) => `${total ? (100 * count) / total : 0}%`;
    this.trainBar.style.width = share(progress.labelled - progress.audit_labelled);
    this.auditBar.style.width = share(progress.audit_labelled);
    setText(this.round, roundLine(progress));
    setText(this.roundNote, progress.round?.note ?? '');
    const live = progress.round;
    this.roundBar.hidden = !live;
    if (live) this.liveBar.style.width = `${live.steps ? (100 * live.step) / live.steps : 0}%`;
  }

  /**
   * @param {number} index
   * @param {string} name
   * @param {string | null} colour
   * @param {string} testid
   */
  #classRow(index, name, colour, testid) {
    const share = h('span', { class: 'share' });
    const small = (/** @type {string} */ command, /** @type {string} */ what) =>
      button({
        class: `mini ${command}`,
        'aria-pressed': 'false',
        'aria-label': `${what} ${name}`,
        title: `${what} ${name}`,
        'data-testid': `${command.slice(0, 4)}-${index === VOID ? 'void' : index}`,
        onclick: (event) => {
          event.stopPropagation();
          this.run(command, { classIndex: index });
        },
      });
    const hide = small('hide-class', 'Hide');
    const lock = small('lock-class', 'Lock');
    const keycap = index === VOID ? this.#keycap('void') : h('kbd', {});
    const isArchived = this.archived.has(index);
    const title = isArchived ? `${name} is archived: nobody labels it any more.` : name;
    const element = h(
      'div',
      {
        class: isArchived ? 'class-row archived' : 'class-row',
        role: 'option',
        'aria-disabled': isArchived ? 'true' : null,
        'data-testid': testid,
        'aria-selected': 'false',
        title: index === VOID ? 'Void: these pixels are ignored' : title,
        onmousedown: (event) => event.preventDefault(),
        onclick: isArchived ? () => {} : () => this.run('class', { classIndex: index }),
      },
      h('i', { class: colour ? 'swatch' : 'swatch void', style: colour ? `background:${colour}` : null }),
      h('span', { class: 'name' }, name),
      share,
      hide,
      lock,
      keycap,
    );
    this.classRows.set(index, { element, share, hide, lock, keycap });
    return element;
  }

  /** @param {(typeof LAYERS)[number]} layer */
  #layerRow({ id, name, command }) {
    const toggle = button({
      class: 'eye',
      'data-testid': command,
      'aria-label': `Show ${name.toLowerCase()}`,
      title: name,
      onclick: () => this.run(command),
    });
    const slider = h('input', {
      type: 'range',
      min: '5',
      max: '100',
      'aria-label': `Opacity of ${name.toLowerCase()}`,
      oninput: () => this.setOpacity(id, Number(slider.value) / 100),
    });
    const element = h('div', { class: `layer ${id}` }, toggle, h('span', { class: 'name' }, name), slider, this.#keycap(command));
    /** @type {LayerRow} */
    const row = { id, element, toggle, slider, shown: null };
    return row;
  }

  /** @param {string} command @param {IconName} name @param {string} title */
  #viewButton(command, name, title) {
    const attributes = { class: 'mini view', 'data-testid': command, title, 'aria-label': title };
    return button({ ...attributes, onclick: () => this.run(command) }, icon(name));
  }

  /** @param {string} command @param {string} label @param {string} title */
  #action(command, label, title) {
    return button({ 'data-testid': command, title, onclick: () => this.run(command) }, h('span', {}, label), this.#keycap(command));
  }

  /** @param {string} command */
  #keycap(command) {
    const keycap = h('kbd', {});
    this.keycaps.push([keycap, command]);
    return keycap;
  }
}

/** @param {string} command @param {Shown} shown */
function viewIsOn(command, { state, preferences: { outlines, patterns, dimmed } }) {
  if (command === 'toggle-difference') return state.show.difference;
  return { 'toggle-outlines': outlines, 'toggle-patterns': patterns, 'toggle-dimmed': dimmed }[command];
}

/** @param {HTMLElement} element @param {boolean} isPressed @param {IconName} name */
function setPressed(element, isPressed, name) {
  if (element.dataset.icon === name) return;
  element.dataset.icon = name;
  element.setAttribute('aria-pressed', String(isPressed));
  element.replaceChildren(icon(name));
}
