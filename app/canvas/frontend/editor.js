// The editor: wires session, surface, tools, panel and keys together.
// Tests drive it through `window.qualmCanvas` (debug_handle.js) and data-testid attributes.

import { debugHandle } from './debug_handle.js';
import { Dialogs } from './dialogs.js';
import { h } from './elements.js';
import { EmptyState } from './empty_state.js';
import { Journal } from './journal.js';
import { KeyListener } from './key_listener.js';
import { NOT_LABELLED, VOID } from './label_map.js';
import { labelPng } from './label_png.js';
import { Layers } from './layers.js';
import { Notices } from './notices.js';
import { Panel } from './panel.js';
import { keepPreferences, readPreferences } from './preferences.js';
import { LabelSession } from './session.js';
import { Surface } from './surface.js';
import { PointerTools, TOOLS, brushStep } from './tools.js';
import { Toolbar } from './toolbar.js';
import { Transport } from './transport.js';
import { saveState } from './wording.js';

const COUNT_AFTER_MS = 120;
const UNDER_HEAT = 0.4;

export class Editor {
  /**
   * @param {object} data what Python handed over: project_id, annotator, classes, open_image, demo
   * @param {(left: object) => void} nudge tells Streamlit that the person went on from an image
   */
  constructor(data, nudge) {
    this.projectId = data.project_id;
    this.demo = data.demo;
    this.preferences = readPreferences();
    this.counters = { paints: 0, mounts: 0, saves: 0, shownAt: 0 };
    this.show = { label: true, suggestion: true, uncertainty: false };
    this.state = { tool: 'brush', value: 0, brush: this.preferences.brush };
    this.classes = [];
    this.shares = null;
    this.countTimer = 0;
    this.refreshFrame = 0;
    this.opened = null;

    this.layers = new Layers();
    this.surface = new Surface(this.layers, () => this.#opacity(), this.counters);
    this.toolbar = new Toolbar(
      (command) => this.run(command),
      (size) => this.#setBrush(size),
    );
    this.panel = new Panel(
      (command, detail) => this.run(command, detail),
      (layer, opacity) => this.#setOpacity(layer, opacity),
    );
    this.empty = new EmptyState();
    this.notices = new Notices();
    this.dialogs = new Dialogs((image) => this.#download(image));
    this.#build();

    this.session = new LabelSession({
      transport: new Transport(data.project_id),
      journal: new Journal(data.annotator, data.project_id),
      annotator: data.annotator,
      counters: this.counters,
      nudge,
      screen: {
        show: (view, keepView = false) => this.#showView(view, keepView),
        refresh: () => this.refresh(),
        prepare: (loaded) => this.#prepare(loaded),
        repaint: (rectangle) => this.#repaint(rectangle),
        notice: (text, tone) => this.notices.add(text, tone),
        ask: (question) => this.dialogs.ask(question),
      },
    });
    this.tools = new PointerTools(this.surface, this.state, {
      image: () => this.session.image,
      colour: () => this.#colourOf(this.state.value),
      onEdit: () => this.session.edited(),
      onHover: (point) => this.#showHover(point),
      onActive: () => this.#active(),
    });
    this.surface.onViewport = () => {
      this.tools.viewChanged();
      this.refresh();
    };
    this.keys = new KeyListener({
      classes: () => this.classes,
      isBlocked: () => this.dialogs.isOpen,
      run: (command, detail) => this.run(command, detail),
      peekBack: (command) => this.run(command),
      holdSpace: (held) => this.tools.holdSpace(held),
    });
    this.onLeavePage = () => {
      this.tools.finish();
      this.session.leavePage();
    };
    this.onVisibility = () => {
      if (document.hidden) this.session.autosave.flushHidden();
    };
    // Also while another page of the app is on the screen: what is unsaved must not depend on where one is.
    window.addEventListener('pagehide', this.onLeavePage);
    document.addEventListener('visibilitychange', this.onVisibility);
    this.update(data);
    this.session.start(data.open_image);
  }

  /** Take over what Python says now; called again on every run of the page. */
  update(data) {
    const classes = JSON.stringify(data.classes);
    if (classes !== this.classesJson) {
      this.classesJson = classes;
      this.classes = data.classes;
      this.layers.setClasses(data.classes);
      this.panel.setClasses(data.classes);
      const usable = data.classes.filter((one) => !one.archived);
      if (!usable.some((one) => one.index === this.state.value)) this.state.value = usable[0]?.index ?? VOID;
      this.surface.redraw();
    }
    this.demo = data.demo;
    if (data.open_image !== null && data.open_image !== this.opened && this.counters.mounts > 0) {
      this.session.open(data.open_image);
    }
    this.opened = data.open_image;
    this.refresh();
  }

  /** The editor is on the page (again). */
  mounted(host) {
    host.append(this.element);
    this.counters.mounts++;
    this.keys.listen();
    if (this.counters.mounts > 1) this.session.resume();
    this.clock = setInterval(() => this.refresh(), 1000);
    window.qualmCanvas = debugHandle(this);
  }

  /** Another page is shown; the editor lives on, with everything unsaved on its way to the server. */
  unmounted() {
    this.tools.finish();
    this.keys.deafen();
    clearInterval(this.clock);
    this.session.pause();
    this.opened = null;
  }

  /** The editor is not needed again; what is unsaved still goes out. */
  retire() {
    this.unmounted();
    this.element.remove();
  }

  /** Bring the controls up to date at the next frame. */
  refresh() {
    this.refreshFrame ||= requestAnimationFrame(() => {
      this.refreshFrame = 0;
      this.#update();
    });
  }

  /**
   * Do what a key or a button asks for.
   * @param {string} command as in {@link BINDINGS}, `class` or `download`
   */
  run(command, detail = {}) {
    this.#active();
    const { image } = this.session;
    if (command.startsWith('tool-')) this.#setTool(command.slice(5));
    else if (command === 'class') this.#setClass(detail.classIndex);
    else if (command === 'void') this.#setClass(VOID);
    else if (command === 'smaller') this.#setBrush(brushStep(this.state.brush, -1));
    else if (command === 'larger') this.#setBrush(brushStep(this.state.brush, 1));
    else if (command === 'pick') this.#pick();
    else if (command.startsWith('toggle-')) this.#toggle(command.slice(7));
    else if (command === 'fit') this.surface.fit();
    else if (command === 'one-to-one') this.surface.oneToOne();
    else if (command === 'zoom-in') this.surface.zoomAt(1.25);
    else if (command === 'zoom-out') this.surface.zoomAt(0.8);
    else if (command === 'key-sheet') this.dialogs.keySheet(this.demo);
    else if (command === 'escape') this.#escape();
    else if (command === 'remove-point') this.tools.removePoint();
    else if (command === 'back') this.session.back();
    else if (image) this.#change(command, image);
    this.refresh();
  }

  #active() {
    const { image, time } = this.session;
    if (image) time.add(image.id);
  }

  #change(command, image) {
    if (command === 'undo') this.#edit(() => image.undo());
    else if (command === 'redo') this.#edit(() => image.redo());
    else if (command === 'accept-all') this.#edit(() => image.acceptAll());
    else if (command === 'fill-rest') this.#edit(() => image.fillRest(this.state.value));
    else if (command === 'submit') this.#submit(image);
    else if (command === 'skip') this.session.skip();
    else if (command === 'truth') this.session.answerWithTruth();
    else if (command === 'truth-submit') this.#answerAndSubmit();
    else if (command === 'download') this.#download(image);
  }

  #edit(change) {
    this.tools.finish();
    if (change()) this.session.edited();
  }

  async #submit(image) {
    if (this.tools.closePolygon()) return;
    this.tools.finish();
    if (!image.isLabelled) {
      const choice = await this.dialogs.ask({ kind: 'nothing-labelled', image });
      if (this.session.image !== image || choice === 'stay') return;
      if (choice === 'skip') {
        this.session.skip();
        return;
      }
    }
    this.session.submit();
  }

  async #answerAndSubmit() {
    if (await this.session.answerWithTruth()) this.session.submit();
  }

  #escape() {
    if (this.dialogs.isOpen) this.dialogs.escape();
    else this.tools.cancel();
  }

  #setTool(tool) {
    if (!TOOLS.includes(tool)) return;
    this.state.tool = tool;
    this.tools.changed();
  }

  #setClass(index) {
    this.state.value = index;
    // Choosing a class means wanting to paint it.
    if (this.state.tool === 'eraser' || this.state.tool === 'accept') this.state.tool = 'brush';
    this.tools.changed();
  }

  #setBrush(size) {
    this.state.brush = size;
    this.preferences.brush = size;
    keepPreferences(this.preferences);
    this.tools.changed();
    this.refresh();
  }

  #setOpacity(layer, opacity) {
    this.preferences.opacity[layer] = opacity;
    keepPreferences(this.preferences);
    this.surface.redraw();
  }

  #toggle(layer) {
    this.show[layer] = !this.show[layer];
    this.surface.redraw();
  }

  #pick() {
    const { image } = this.session;
    const value = this.#valueUnder(image, this.tools.hover);
    if (value !== null && value !== NOT_LABELLED) this.#setClass(value);
  }

  #valueUnder(image, point) {
    const pixel = pixelOf(image, point);
    if (!pixel) return null;
    const at = pixel.y * image.width + pixel.x;
    const value = image.pixels[at];
    return value === NOT_LABELLED && image.suggestion && this.show.suggestion ? image.suggestion[at] : value;
  }

  #showHover(point) {
    const { image } = this.session;
    const pixel = pixelOf(image, point);
    if (!pixel) {
      this.toolbar.showHover(null, '');
      return;
    }
    const at = pixel.y * image.width + pixel.x;
    const label = this.#nameOf(image.pixels[at]);
    const suggested = image.pixels[at] === NOT_LABELLED && image.suggestion ? this.#nameOf(image.suggestion[at]) : '';
    this.toolbar.showHover(pixel, suggested ? `${label} · suggested ${suggested}` : label);
  }

  #nameOf(value) {
    if (value === NOT_LABELLED) return 'not labelled';
    if (value === VOID) return 'void';
    return this.classes.find((one) => one.index === value)?.name ?? `class ${value}`;
  }

  #colourOf(value) {
    return this.classes.find((one) => one.index === value)?.colour ?? '#8a8f98';
  }

  #opacity() {
    const { opacity } = this.preferences;
    // Heat and class colours do not mix: while the uncertainty is shown, the others step back.
    const back = this.show.uncertainty && this.session.view?.uncertainty ? UNDER_HEAT : 1;
    const of = (layer) => (this.show[layer] ? opacity[layer] * (layer === 'uncertainty' ? 1 : back) : 0);
    return { label: of('label'), suggestion: of('suggestion'), uncertainty: of('uncertainty') };
  }

  #showView(view, keepView) {
    this.tools.finish();
    this.shares = null;
    this.layers.show(view?.image ?? null, view?.bitmap ?? null, view?.uncertainty ?? null, view?.coloured);
    if (!keepView) this.tools.cancel();
    if (view) {
      this.#countSoon();
      this.surface.afterPaint = () => {
        this.counters.shownAt = performance.now();
        this.surface.afterPaint = () => {};
      };
    }
    if (keepView) this.surface.redraw();
    else this.surface.showImage();
  }

  async #prepare(loaded) {
    const { width, height } = loaded.item;
    loaded.coloured = await this.layers.prepare({ ...loaded, width, height });
  }

  #repaint(rectangle) {
    this.surface.changed(rectangle);
    this.#countSoon();
    this.refresh();
  }

  #countSoon() {
    clearTimeout(this.countTimer);
    this.countTimer = setTimeout(() => {
      this.shares = this.session.image?.shares() ?? null;
      this.refresh();
    }, COUNT_AFTER_MS);
  }

  async #download(image) {
    const png = await labelPng(image.pixels, image.width, image.height);
    const address = URL.createObjectURL(new Blob([png], { type: 'image/png' }));
    const stem = image.item.name.split('/').pop().replace(/\.[^.]*$/, '');
    h('a', { href: address, download: `${stem}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }

  #build() {
    this.element = h(
      'div',
      { class: 'editor' },
      this.toolbar.strip,
      h('main', { class: 'middle' }, this.toolbar.header, h('div', { class: 'stage' }, this.surface.element, this.empty.element, this.notices.element), this.toolbar.footer),
      this.panel.element,
      this.dialogs.element,
    );
  }

  /** Everything that the controls show. */
  gathered() {
    const { image, view, progress, autosave, visited, queue } = this.session;
    const saving = image ? autosave.stateOf(image) : null;
    return {
      image,
      progress,
      shares: this.shares,
      classIndex: this.state.value,
      tool: this.state.tool,
      brush: this.state.brush,
      show: this.show,
      opacity: this.preferences.opacity,
      hasUncertainty: Boolean(view?.uncertainty),
      demo: this.demo,
      zoom: this.surface.viewport.scale * this.surface.ratio,
      canGoBack: visited.length > 0,
      unsent: autosave.submitting.filter((task) => task.image !== image).length,
      save: saving ? saveState(saving, image, Date.now()) : { text: '', tone: 'quiet' },
      queueLength: queue.length,
    };
  }

  #update() {
    const state = this.gathered();
    this.toolbar.update(state);
    this.panel.update(state);
    const hasClasses = this.classes.some((one) => !one.archived);
    this.empty.update({ ...this.session, hasClasses });
  }
}

function pixelOf(image, point) {
  if (!image || !point) return null;
  const pixel = { x: Math.floor(point.x), y: Math.floor(point.y) };
  const inside = pixel.x >= 0 && pixel.y >= 0 && pixel.x < image.width && pixel.y < image.height;
  return inside ? pixel : null;
}
