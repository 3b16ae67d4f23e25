// The editor: wires session, surface, tools, panel and keys together. What commands do stands in commands.js.
// Tests drive it through `window.qualmCanvas` (debug_handle.js) and data-testid attributes.

import { Adjustments } from './adjustments.js';
import { AtRest } from './at_rest.js';
import { ClassNews } from './class_news.js';
import { runCommand } from './commands.js';
import { ConfidencePreview } from './confidence_preview.js';
import { debugHandle } from './debug_handle.js';
import { Dialogs } from './dialogs.js';
import { DoubtWalk } from './doubt_walk.js';
import { EditorState, isTool } from './editor_state.js';
import { h } from './elements.js';
import { EmptyState } from './empty_state.js';
import { heatScale } from './heat_scale.js';
import { Finder } from './finder.js';
import { isDoneWith, takeFocus } from './focus.js';
import { Hand } from './hand.js';
import { Journal } from './journal.js';
import { readKeycaps } from './keycaps.js';
import { KeyListener } from './key_listener.js';
import { KeySheet } from './key_sheet.js';
import { commandsByChord, withKeys } from './keys.js';
import { downloadLabel } from './label_png.js';
import { Layers } from './layers.js';
import { Notices } from './notices.js';
import { PageLeaving } from './page_leaving.js';
import { Panel } from './panel.js';
import { PixelCounter } from './pixel_counter.js';
import { PixelReadout } from './pixel_readout.js';
import { PlaceMenu } from './place_menu.js';
import { Pointer } from './pointer.js';
import { archivedOf, colourOf, nameOf } from './palette.js';
import { keepPreferences, readPreferences } from './preferences.js';
import { LabelSession } from './session.js';
import { RefreshFrame } from './refresh_frame.js';
import { Revisions } from './revisions.js';
import { shownOf } from './shown.js';
import { SourceView } from './source_view.js';
import { Surface } from './surface.js';
import { ToolDesk } from './tool_desk.js';
import { Toolbar } from './toolbar.js';
import { toolsAt } from './toolbox.js';
import { Transport } from './transport.js';
import { UnsentElsewhere } from './unsent_elsewhere.js';

/** @typedef {import('./types.js').View} View */
/** @typedef {import('./types.js').Run} Run */

export class Editor {
  /**
   * @param {import('./types.js').ComponentData} data what Python handed over
   * @param {(news: import('./index.js').News) => void} nudge has Streamlit run the page's script soon
   */
  constructor(data, nudge) {
    this.projectId = data.project_id;
    this.annotator = data.annotator;
    this.demo = data.demo;
    this.preferences = readPreferences(data.annotator);
    this.state = new EditorState(this.preferences);
    this.hand = new Hand(data.annotator, data.project_id);
    this.hand.takeUp(this.state);
    /** @type {import('./types.js').Counters} */
    this.counters = { paints: 0, mounts: 0, saves: 0, shownAt: 0 };
    /** @type {import('./palette.js').LabelClass[]} */
    this.classes = [];
    /** How many pixels each value has; null until they are counted. @type {import('./pixel_counter.js').Shares | null} */
    this.shares = null;
    this.counter = new PixelCounter((counted) => {
      this.shares = counted;
      this.refresh();
    });
    this.rest = new AtRest(() => this.pointer.isPressed);
    this.classNews = new ClassNews(this, nudge);
    this.refreshing = new RefreshFrame({
      update: () => this.#update(),
      isLoading: () => this.session.phase === 'loading',
      drawsAt: (now) => this.surface.drawsAt(now),
      isPressed: () => this.pointer.isPressed,
    });
    /** Runs while the editor is on the page, for what tells the time. */
    this.clock = 0;
    /** @type {number | null} */
    this.opened = null;
    this.opening = Promise.resolve(true);

    /** @type {Run} */
    const run = (command, detail) => this.run(command, detail);
    const transport = new Transport(data.project_id, () => archivedOf(this.classes), data.annotator);
    this.layers = new Layers();
    this.surface = new Surface(this.layers, (hasUncertainty) => this.state.opacity(hasUncertainty), this.counters);
    this.toolbar = new Toolbar(run, (wanted) => this.prefer(wanted));
    this.panel = new Panel(run, {
      setOpacity: (layer, opacity) => this.prefer({ opacity: { ...this.preferences.opacity, [layer]: opacity } }),
      setConfidence: (confidence) => this.confidence.show(confidence),
    });
    this.empty = new EmptyState(data.project_id);
    this.notices = new Notices();
    this.dialogs = new Dialogs(downloadLabel, this.surface.element);
    this.keySheet = new KeySheet(this.dialogs, {
      preferences: this.preferences,
      classes: () => this.classes,
      isDemo: () => this.demo,
      changed: () => this.prefer({}),
    });
    this.revisions = new Revisions(this.dialogs, () => this.session, () => this.state.over());
    this.finder = new Finder(run, () => ({ classes: this.classesWithKeys, keys: this.preferences.keys, demo: this.demo }));
    this.placeMenu = new PlaceMenu(run, this.surface, this.state, () => ({ image: this.session.image, classes: this.classes }));
    const source = new SourceView(transport, {
      view: () => this.session.view,
      changed: () => this.#showPicture(),
      notice: (text, tone) => this.notices.add(text, tone),
    });
    this.adjustments = new Adjustments(this.state, {
      source,
      channels: (url) => transport.channels(url),
      changed: () => this.displayChanged(),
    });
    this.confidence = new ConfidencePreview(this.state, () => this.displayChanged());
    this.walk = new DoubtWalk(this.surface, (text, tone) => this.notices.add(text, tone));
    this.scale = heatScale();
    this.element = this.#build();

    this.session = new LabelSession({
      transport,
      journal: new Journal(data.annotator, data.project_id),
      annotator: data.annotator,
      counters: this.counters,
      nudge,
      screen: {
        show: (view, keepView = false) => this.#showView(view, keepView),
        refresh: () => this.refresh(),
        news: () => {
          this.refreshing.requestAtRest();
          this.classNews.look();
        },
        atRest: (act) => this.rest.do(act),
        prepare: (loaded, isAwaited = false) => this.#prepare(loaded, isAwaited),
        repaint: (rectangle) => this.#repaint(rectangle),
        notice: (text, tone) => this.notices.add(text, tone),
        ask: (question) => this.dialogs.ask(question),
      },
    });
    this.elsewhere = new UnsentElsewhere(this.session.journal, () => this.refreshing.requestAtRest());
    this.desk = new ToolDesk({
      surface: this.surface,
      layers: this.layers,
      state: this.state,
      transport,
      session: this.session,
      colourOf: (value) => colourOf(this.classes, value),
      nameOf: (value) => nameOf(this.classes, value),
      arrived: () => this.pointer.showCursor(),
      notice: (text, tone) => this.notices.add(text, tone),
    });
    this.tools = toolsAt(this.desk);
    this.readout = new PixelReadout(this.toolbar, () => ({ view: this.session.view, classes: this.classes }));
    this.pointer = new Pointer(this.surface, {
      tool: () => this.tools[this.state.tool],
      eraser: () => this.tools.eraser,
      isReady: () => this.session.image !== null,
      onHover: (point, isDrawing) => this.readout.show(point, isDrawing),
      onActive: () => this.session.active(),
      onMenu: (place) => this.placeMenu.open(place),
    });
    this.surface.onViewport = () => {
      this.placeMenu.close();
      this.pointer.viewMoved();
      this.refresh();
    };
    // A corner more of an open polygon is no edit yet, but is kept for a reload.
    this.surface.element.addEventListener('pointerup', () => this.refresh());
    this.keys = new KeyListener({
      classes: () => this.classesWithKeys,
      commands: () => commandsByChord(this.preferences.keys),
      isBlocked: () => this.dialogs.isOpen,
      capture: (event) => this.keySheet.capture(event),
      run,
      peekBack: run,
      holdSpace: (held) => this.pointer.holdSpace(held),
    });
    // Also while another page of the app is on the screen: what is unsaved must not depend on where one is.
    this.leaving = new PageLeaving({
      left: () => {
        this.pointer.finish();
        this.session.leavePage();
      },
      hidden: () => {
        this.pointer.finish();
        this.session.autosave.flushHidden();
      },
      back: () => this.element.isConnected && this.session.newerRevision.look(),
    });
    this.displayChanged();
    this.update(data);
    this.session.start(data.open_image, this.hand).catch((error) => this.session.failed(error));
  }

  /** What Python says now, on every run of the page. @param {import('./types.js').ComponentData} data */
  update(data) {
    this.classNews.brought(data);
    this.elsewhere.names = data.project_names;
    this.demo = data.demo;
    if (data.open_image !== null && data.open_image !== this.opened && this.counters.mounts > 0) {
      this.opening = this.session.open(data.open_image);
    }
    this.opened = data.open_image;
    this.refresh();
  }

  /** The editor is on the page (again). @param {HTMLElement} host */
  mounted(host) {
    host.append(this.element);
    this.counters.mounts++;
    this.keys.listen();
    readKeycaps().then(() => this.refresh());
    if (isDoneWith(document.activeElement)) takeFocus(this.surface.element);
    if (this.counters.mounts > 1) this.session.watch.goOn(this.opening);
    this.elsewhere.start();
    this.clock = setInterval(() => this.refreshing.requestAtRest(), 1000);
    Object.assign(window, { qualmCanvas: debugHandle(this) });
  }

  /** Another page is shown; the editor lives on, with everything unsaved on its way to the server. */
  unmounted() {
    this.pointer.finish();
    this.keys.deafen();
    clearInterval(this.clock);
    this.elsewhere.stop();
    this.session.pause();
    this.opened = null;
  }

  /** The editor is not needed again; what is unsaved still goes out, also when the page is left before. */
  retire() {
    this.unmounted();
    this.element.remove();
    this.session.autosave.whenSettled(() => this.leaving.end());
  }

  get classesWithKeys() {
    return withKeys(this.classes, this.preferences.keys);
  }

  /** Bring the controls up to date soon. */
  refresh() {
    this.refreshing.request();
  }

  /** Do what a key or a button asks for. @type {Run} */
  run(command, detail = {}) {
    this.session.active();
    if (command !== 'escape') this.placeMenu.close();
    runCommand(this, command, detail);
    this.refresh();
  }

  /** Change the label map; `change` says whether it did. @param {() => boolean} change */
  edit(change) {
    this.pointer.finish();
    if (change()) this.session.edited();
  }

  escape() {
    if (this.dialogs.isOpen) this.dialogs.escape();
    else if (this.placeMenu.isOpen) this.placeMenu.close();
    else if (this.adjustments.isOpen) this.adjustments.toggle();
    else {
      this.tools[this.state.tool].giveUp();
      this.confidence.end();
    }
  }

  /** @param {string} tool */
  setTool(tool) {
    if (!isTool(tool)) return;
    this.#putDown();
    this.desk.preview(null);
    this.state.setTool(tool);
    this.tools.polygon.show();
    this.desk.readAhead();
    this.pointer.showCursor();
  }

  /** @param {number} index */
  setClass(index) {
    if (this.state.paintsNoClass) this.#putDown();
    this.state.setClass(index);
    this.pointer.showCursor();
  }

  /** Complete what the tool has under way and let go of what it waits for; an open polygon stays for its return. */
  #putDown() {
    this.pointer.finish();
    const tool = this.tools[this.state.tool];
    if (tool !== this.tools.polygon) tool.giveUp();
  }

  /** Keep what the person prefers from now on. @param {Partial<import('./preferences.js').Preferences>} wanted */
  prefer(wanted) {
    Object.assign(this.preferences, wanted);
    keepPreferences(this.annotator, this.preferences);
    this.tools[this.state.tool].sizeChanged?.();
    this.pointer.showCursor();
    this.displayChanged();
  }

  /** @param {keyof EditorState['show']} layer */
  toggle(layer) {
    this.state.show[layer] = !this.state.show[layer];
    this.displayChanged();
  }

  /** What is drawn, and how, changed. */
  displayChanged() {
    this.layers.setDisplay(this.state.display(this.session?.image ?? null));
    this.surface.redraw();
    this.refresh();
  }

  /** @param {View | null} view @param {boolean} keepView */
  #showView(view, keepView) {
    this.pointer.finish();
    this.refreshing.again();
    this.shares = null;
    this.counter.stop();
    if (!keepView) {
      if (!view && this.session.image) this.hand.setAside(this.session.image.id, this.tools.polygon.points);
      this.tools.polygon.giveUp();
      this.walk.forget();
    }
    this.layers.show(view?.image ?? null, view?.picture ?? null, view?.uncertainty ?? null);
    // The difference is against this image's own suggestion.
    if (this.state.show.difference) this.displayChanged();
    this.desk.imageChanged();
    this.adjustments.show(view?.image.item ?? null);
    if (view) {
      this.tools.polygon.resume(this.hand.polygonOn(view.image.id));
      this.counter.start(view.image);
      this.surface.afterPaint = () => {
        this.counters.shownAt = performance.now();
        this.surface.afterPaint = () => {};
      };
    }
    if (keepView) this.surface.redraw();
    // The image before stays to be seen until the next is here, if that does not take long.
    else if (view || this.session.phase !== 'loading') this.surface.showImage();
  }

  /** The same image in another view. */
  #showPicture() {
    const { view } = this.session;
    if (!view) return;
    this.layers.showPicture(view.picture);
    this.surface.showPicture();
    this.desk.pictureChanged();
  }

  /** @param {import('./types.js').Arriving} image @param {boolean} isAwaited */
  #prepare(image, isAwaited) {
    const { width, height } = image.item;
    if (this.state.tool === 'superpixel') this.desk.superpixels.prefetch(image.item, this.state.superpixels);
    this.surface.prepare({ ...image, width, height }, isAwaited);
  }

  /** @param {import('./rectangle.js').Rectangle} rectangle */
  #repaint(rectangle) {
    this.surface.changed(rectangle);
    if (this.session.image) this.counter.start(this.session.image);
  }

  #build() {
    const stage = [this.surface.element, this.scale, this.placeMenu.element, this.adjustments.element, this.empty.element, this.notices.element];
    return h(
      'div',
      { class: 'editor' },
      this.toolbar.strip,
      h('main', { class: 'middle' }, this.toolbar.header, h('div', { class: 'stage' }, ...stage), this.toolbar.footer),
      this.panel.element,
      this.finder.element,
      this.dialogs.element,
    );
  }

  #update() {
    this.rest.look();
    if (!this.session.view) this.surface.showImage();
    const shown = shownOf(this);
    this.toolbar.update(shown);
    this.panel.update(shown);
    // What lies under a cursor that rests may be another class by now.
    this.readout.show(this.pointer.hover, this.pointer.isPressed);
    this.scale.hidden = !(shown.hasUncertainty && this.state.show.uncertainty);
    const { phase, failure, progress } = this.session;
    if (phase === 'labelling' || phase === 'empty') this.hand.keep(this.session, this.state, this.tools.polygon.points);
    this.empty.update({ phase, failure, progress, hasClasses: this.classes.some((one) => !one.archived) });
  }
}
