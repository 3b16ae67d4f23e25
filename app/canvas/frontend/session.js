// One person labelling one project: which image is shown, what comes next, what the server said. No DOM.

import { ActiveTime } from './active_time.js';
import { Autosave } from './autosave.js';
import { ImageQueue, mayHaveMore } from './queue.js';
import { OpenImage } from './open_image.js';
import { adoptEqual, settleRefusal } from './refusals.js';
import { imageOfEntry, replayStrokes } from './replay.js';
import { NOT_KEPT } from './wording.js';

const PROGRESS_EVERY_MS = 2500;
const LEASE_EVERY_MS = 60000;
const ACTIVE_WITHIN_S = 300;

export class LabelSession {
  /**
   * @param {object} parts
   * @param {import('./transport.js').Transport} parts.transport
   * @param {import('./journal.js').Journal} parts.journal
   * @param {import('./types.js').Screen} parts.screen
   * @param {string} parts.annotator
   * @param {{saves: number}} parts.counters
   * @param {(left: object) => void} parts.nudge tells Streamlit that the person went on from an image
   */
  constructor({ transport, journal, screen, annotator, counters, nudge }) {
    this.transport = transport;
    this.journal = journal;
    this.screen = screen;
    this.annotator = annotator;
    this.counters = counters;
    this.nudge = nudge;
    this.queue = new ImageQueue(
      (item) => transport.load(item),
      (loaded) => loaded.picture.close(),
      (loaded) => screen.prepare(loaded),
    );
    this.autosave = new Autosave({
      send: (request) => transport.save({ ...request, holding: this.image?.id ?? null }),
      journal,
      context: (image) => this.#contextOf(image),
      onAnswer: (image, answer, wasSubmit) => this.#answered(image, answer, wasSubmit),
      onState: () => screen.refresh(),
      onNotKept: () => screen.notice(NOT_KEPT, 'warning'),
    });
    /** @type {import('./types.js').View | null} */
    this.view = null;
    this.progress = null;
    /** `loading`, `labelling`, `empty`, `signed-out` or `unreachable`: what the screen shows. */
    this.phase = 'loading';
    this.failure = '';
    this.visited = [];
    /** @type {Map<number, object>} journal entries found at the start, by image */
    this.replay = new Map();
    this.time = new ActiveTime();
    this.turn = 0;
    this.timers = [];
  }

  /** @returns {OpenImage | null} */
  get image() {
    return this.view?.image ?? null;
  }

  /** @param {number | null} openImage an image picked by hand */
  async start(openImage) {
    this.resume();
    const entries = await this.journal.entries();
    for (const entry of entries) {
      if (entry.submission) this.#resubmit(entry);
      else this.replay.set(entry.imageId, entry);
    }
    const first = openImage ?? [...this.replay.keys()][0] ?? null;
    if (first !== null) await this.open(first);
    await this.refreshQueue();
    if (!this.view && this.phase !== 'signed-out') await this.advance();
  }

  resume() {
    this.pause();
    this.timers = [
      setInterval(() => this.#watchProgress(), PROGRESS_EVERY_MS),
      setInterval(() => this.#renewLease(), LEASE_EVERY_MS),
    ];
  }

  pause() {
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    if (this.image) this.autosave.flush(this.image);
  }

  /** A change of the shown image is complete: keep it and save it soon. */
  edited() {
    if (this.image) this.autosave.changed(this.image);
  }

  async refreshQueue() {
    const askedAt = Date.now();
    try {
      const { items, progress } = await this.transport.next(this.image?.id ?? null);
      this.queue.update(items, askedAt);
      this.#setProgress(progress);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Show the next image of the queue. */
  async advance() {
    let item = this.queue.next();
    if (!item) {
      this.#leave();
      this.phase = 'loading';
      this.screen.refresh();
      await this.refreshQueue();
      if (this.view) return;
      item = this.queue.next();
    }
    if (item) await this.#show(item);
    else if (this.phase === 'loading') {
      this.phase = 'empty';
      this.screen.show(null);
      this.screen.refresh();
    }
  }

  /** Show an image picked by hand. */
  async open(imageId) {
    if (this.image?.id === imageId) return;
    try {
      const { item, held_by: heldBy } = await this.transport.item(imageId);
      if (heldBy && heldBy !== this.annotator) {
        this.screen.notice(`${heldBy} is labelling ${item.name} now.`, 'warning');
        return;
      }
      await this.#showInstead(item);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Hand the label map in and show the next image; the answer comes behind. */
  submit() {
    const { image } = this;
    if (!image) return;
    this.queue.leave(image.id);
    this.visited.push(image.id);
    this.autosave.submit(image);
    this.advance();
  }

  /** Put the image at the end of the queue. What was painted stays a draft. */
  async skip() {
    const { image } = this;
    if (!image) return;
    this.queue.leave(image.id);
    this.visited.push(image.id);
    this.autosave.flush(image);
    this.advance();
    const askedAt = Date.now();
    try {
      const { items, progress } = await this.transport.skip(image.id, this.image?.id ?? null);
      this.queue.acknowledge(image.id, Date.now());
      this.queue.update(items, askedAt);
      this.#setProgress(progress);
      this.nudge({ image_id: image.id });
      if (!this.view && this.phase === 'empty') await this.advance();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Back to the image that was on the screen before. */
  async back() {
    if (this.visited.length) await this.open(this.visited.pop());
  }

  /** @returns {Promise<boolean>} whether the truth was put in; as an action that can be undone */
  async answerWithTruth() {
    if (!this.image?.item.has_truth) return false;
    return this.#putIn(async (item) => ({ pixels: await this.transport.truth(item) }));
  }

  /** Put in the label map of the image before this one in its group; as an action that can be undone. */
  copyPrevious() {
    return this.#putIn((item) => this.transport.previousLabel(item));
  }

  async #putIn(load) {
    const { image } = this;
    if (!image) return false;
    try {
      const { pixels, name } = await load(image.item);
      if (this.image !== image) return false;
      if (image.replace(pixels)) this.edited();
      if (name) this.screen.notice(`This is the label map of ${name}.`);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  /** Send what is not saved while the page goes away. */
  leavePage() {
    for (const request of this.autosave.lastRequests()) this.transport.saveOnTheWayOut(request);
  }

  async #show(item) {
    const turn = ++this.turn;
    const entry = this.queue.take(item);
    if (!entry.loaded) {
      this.#leave();
      this.phase = 'loading';
      this.screen.refresh();
    }
    let { loaded } = entry;
    try {
      loaded ??= await entry.promise;
    } catch (error) {
      if (turn === this.turn) this.#failed(error, item);
      return;
    }
    if (turn !== this.turn) {
      loaded.picture.close();
      return;
    }
    this.#leave();
    const kept = this.autosave.unsavedImage(item.image_id);
    const image = kept ?? new OpenImage(loaded);
    image.item = { ...item, ...(kept ? {} : { revision: loaded.revision }) };
    image.suggestion = loaded.suggestion;
    image.onChange = (rectangle) => this.screen.repaint(rectangle);
    this.view = { ...loaded, image, coloured: kept ? null : loaded.coloured };
    this.phase = 'labelling';
    this.time.begin();
    this.screen.show(this.view);
    this.autosave.opened(image);
    this.#replayJournal(image);
    this.screen.refresh();
  }

  #leave() {
    if (!this.view) return;
    const { image, picture } = this.view;
    // A stroke under way is completed by this, while it still has its image.
    this.screen.show(null);
    this.view = null;
    image.onChange = () => {};
    this.autosave.left(image);
    picture.close();
  }

  /** Put back the strokes of an earlier visit that never reached the server. */
  #replayJournal(image) {
    const entry = this.replay.get(image.id);
    this.replay.delete(image.id);
    if (!entry) return;
    const outcome = replayStrokes(image, entry, this.annotator);
    if (outcome === 'nothing') this.journal.remove(image.id);
    else this.autosave.changed(image);
    if (outcome === 'mine') this.screen.notice('Your last strokes, not saved before the page closed, are back.');
  }

  #resubmit(entry) {
    const image = imageOfEntry(entry);
    if (!image) return void this.journal.remove(entry.imageId);
    this.queue.leave(image.id);
    this.autosave.submit(image, entry.submission);
  }

  #contextOf(image) {
    const blind = image.suggestion === null;
    return {
      seconds: this.time.of(image.id),
      round: blind ? null : (image.item.round_id ?? null),
      blind,
    };
  }

  async #answered(image, answer, wasSubmit) {
    if (answer.kind === 'saved') {
      this.counters.saves++;
      if (answer.body.progress) this.#setProgress(answer.body.progress);
      if (wasSubmit) await this.#submitted(image, answer.body);
    } else if (answer.kind === 'signed-out') {
      this.#signedOut(answer.message);
    } else if (answer.kind !== 'unreachable' && !(await adoptEqual(this, image, answer))) {
      this.autosave.withdraw(image);
      await this.#bringBack(image);
      await this.#settle(image, answer, wasSubmit);
    }
    this.screen.refresh();
  }

  async #submitted(image, body) {
    const now = Date.now();
    this.queue.acknowledge(image.id, now);
    if (body.items) this.queue.update(body.items, now);
    this.time.forget(image.id);
    this.nudge({ image_id: image.id });
    if (!this.view && this.phase === 'empty') await this.advance();
  }

  /** Show an image; the one on the screen comes next. */
  async #showInstead(item) {
    if (this.image) {
      this.autosave.flush(this.image);
      this.queue.items.unshift(this.image.item);
    }
    this.queue.hold(item.image_id);
    await this.#show(item);
  }

  /** Show an image again that the server refused, with everything the person did. */
  async #bringBack(image) {
    if (this.image === image) return;
    await this.#showInstead(image.item);
  }

  async #settle(image, answer, wasSubmit) {
    try {
      const isGivenUp = await settleRefusal(this, image, answer);
      if (isGivenUp) {
        this.queue.leave(image.id);
        this.queue.acknowledge(image.id, Date.now());
        if (this.image === image) await this.advance();
      } else if (wasSubmit) this.screen.notice('Look it over, then submit again.');
    } catch (error) {
      this.autosave.resume(image);
      this.#failed(error);
    }
  }

  async #watchProgress() {
    if (document.hidden || this.phase === 'signed-out') return;
    try {
      const before = this.progress?.current_round_number ?? null;
      const progress = await this.transport.progress();
      this.autosave.serverIsBack();
      const wasLost = this.phase === 'unreachable';
      const isNewRound = this.progress !== null && progress.current_round_number !== before;
      this.#setProgress(progress);
      if (isNewRound) await this.#takeNewRound(progress.current_round_number);
      else if (wasLost || (this.phase === 'empty' && mayHaveMore(progress))) await this.#lookForMore();
    } catch (error) {
      if (error.status === 401) this.#signedOut(error.message);
    }
  }

  async #lookForMore() {
    await this.refreshQueue();
    if (!this.view && (this.queue.length > 0 || this.phase === 'unreachable')) await this.advance();
  }

  /** A round was published: the queue has a new order, and an untouched image gets the new suggestion. */
  async #takeNewRound(number) {
    await this.#lookForMore();
    const { view } = this;
    if (number !== null) this.screen.notice(`Round ${number} is done: the queue has its new order.`, 'good');
    if (!view || view.image.edits > 0) return;
    try {
      const newer = await this.transport.newerMaps(view.image);
      if (!newer || this.view !== view || view.image.edits > 0) return;
      Object.assign(view.image, { item: newer.item, suggestion: newer.suggestion });
      Object.assign(view, { uncertainty: newer.uncertainty, coloured: null });
      this.screen.show(view, true);
      this.screen.refresh();
    } catch {
      // The old suggestion still serves.
    }
  }

  async #renewLease() {
    const { image } = this;
    if (!image || document.hidden || this.time.idleSeconds > ACTIVE_WITHIN_S) return;
    try {
      await this.transport.renewLease(image.id);
    } catch (error) {
      if (error.status === 423 && this.image === image) {
        await this.#settle(image, { kind: 'held', body: error.body, message: error.message }, false);
      }
    }
  }

  #setProgress(progress) {
    this.progress = progress;
    this.screen.refresh();
  }

  #signedOut(message) {
    this.phase = 'signed-out';
    this.failure = message ?? '';
    this.screen.refresh();
  }

  #failed(error, item = null) {
    if (error.status === 401) this.#signedOut(error.message);
    else if (error.status === undefined) throw error;
    else if (!this.view) {
      if (item) this.queue.items.unshift(item);
      this.phase = 'unreachable';
      this.failure = error.message;
      this.screen.refresh();
    } else this.screen.notice(error.message, 'warning');
  }
}
