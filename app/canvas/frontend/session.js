// One person labelling one project: which image is on the screen, what comes next, what the server said.
// Knows the server, the journal and the queue, and nothing of the DOM.

import { Autosave } from './autosave.js';
import { ImageQueue } from './queue.js';
import { OpenImage } from './open_image.js';
import { decode } from './run_length.js';
import { merged, same } from './label_map.js';

const PROGRESS_EVERY_MS = 2500;
const LEASE_EVERY_MS = 60000;
const LONGEST_PAUSE_S = 30;
const ACTIVE_WITHIN_MS = 300000;

/**
 * What the screen must do.
 * @typedef {object} Screen
 * @property {(view: object | null) => void} show an image with its bitmap and uncertainty; null for none
 * @property {() => void} refresh something beside the pixels changed
 * @property {(rectangle: object) => void} repaint pixels of the shown image changed
 * @property {(text: string, tone?: string) => void} notice one sentence that goes away by itself
 * @property {(question: object) => Promise<string>} ask a question that must be answered
 */

export class LabelSession {
  /**
   * @param {object} parts
   * @param {import('./transport.js').Transport} parts.transport
   * @param {import('./journal.js').Journal} parts.journal
   * @param {Screen} parts.screen
   * @param {string} parts.annotator
   * @param {boolean} parts.demo
   * @param {(submitted: object) => void} parts.nudge tells Streamlit that the database changed
   */
  constructor({ transport, journal, screen, annotator, demo, nudge }) {
    Object.assign(this, { transport, journal, screen, annotator, demo, nudge });
    this.queue = new ImageQueue(
      (item) => transport.load(item),
      (loaded) => loaded.bitmap.close(),
    );
    this.autosave = new Autosave({
      send: (request) => transport.save({ ...request, holding: this.image?.id ?? null }),
      journal,
      context: (image) => this.#contextOf(image),
      onAnswer: (image, answer, wasSubmit) => this.#answered(image, answer, wasSubmit),
      onState: () => screen.refresh(),
    });
    /** @type {{image: OpenImage, bitmap: ImageBitmap, uncertainty: HTMLCanvasElement | null} | null} */
    this.view = null;
    this.progress = null;
    /** `loading`, `labelling`, `empty`, `signed-out` or `unreachable`: what the screen shows. */
    this.phase = 'loading';
    this.failure = '';
    this.visited = [];
    /** @type {Map<number, object>} journal entries found at the start, by image */
    this.replay = new Map();
    this.seconds = new Map();
    this.lastActive = 0;
    this.turn = 0;
    this.counters = { saves: 0 };
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
    const unsaved = [...this.replay.keys()];
    const first = openImage ?? unsaved[0] ?? null;
    if (first !== null) await this.open(first);
    await this.refreshQueue();
    if (!this.view && this.phase !== 'signed-out') await this.advance();
  }

  /** Start watching the progress and renewing the lease; `pause` stops it while the page is left. */
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

  /** The person did something; counts the seconds spent, pauses left out. */
  active() {
    if (!this.image) return;
    const now = performance.now();
    const pause = (now - this.lastActive) / 1000;
    this.lastActive = now;
    this.seconds.set(this.image.id, (this.seconds.get(this.image.id) ?? 0) + Math.min(pause, LONGEST_PAUSE_S));
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
      if (this.image) {
        this.autosave.flush(this.image);
        this.queue.items.unshift(this.image.item);
      }
      this.queue.hold(imageId);
      await this.#show(item);
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
      if (!this.view && this.phase === 'empty') await this.advance();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Back to the image that was on the screen before. */
  async back() {
    const before = this.visited.pop();
    if (before !== undefined) await this.open(before);
  }

  /** @returns {Promise<boolean>} whether the truth was put in; as an action that can be undone */
  async answerWithTruth() {
    const { image } = this;
    if (!image?.item.has_truth) return false;
    try {
      const truth = await this.transport.truth(image.item);
      if (this.image !== image) return false;
      image.replace(truth);
      this.edited();
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
    let loaded;
    try {
      loaded = entry.loaded ?? (await entry.promise);
    } catch (error) {
      if (turn === this.turn) this.#failed(error, item);
      return;
    }
    if (turn !== this.turn) {
      loaded.bitmap.close();
      return;
    }
    this.#leave();
    const kept = this.autosave.unsavedImage(item.image_id);
    const image = kept ?? new OpenImage(loaded);
    image.item = { ...item, ...(kept ? {} : { revision: loaded.revision }) };
    image.suggestion = loaded.suggestion;
    image.onChange = (rectangle) => this.screen.repaint(rectangle);
    this.view = { image, bitmap: loaded.bitmap, uncertainty: loaded.uncertainty };
    this.phase = 'labelling';
    this.lastActive = performance.now();
    this.screen.show(this.view);
    this.#replayJournal(image);
    this.screen.refresh();
  }

  #leave() {
    if (!this.view) return;
    this.view.bitmap.close();
    this.view.image.onChange = () => {};
    this.view = null;
    this.screen.show(null);
  }

  /** Put back the strokes of an earlier visit that never reached the server. */
  #replayJournal(image) {
    const entry = this.replay.get(image.id);
    this.replay.delete(image.id);
    if (!entry) return;
    let pixels;
    try {
      pixels = decode(entry.bytes, image.pixels.length);
    } catch {
      this.journal.remove(image.id);
      return;
    }
    if (same(pixels, image.pixels)) {
      this.journal.remove(image.id);
      return;
    }
    const isOthers = image.revision !== entry.revision && image.item.author !== this.annotator;
    image.replace(pixels);
    if (isOthers) {
      // The server must refuse it, so that the person is asked what holds.
      image.revision = entry.revision;
    } else {
      this.screen.notice('Your last strokes, not saved before the page closed, are back.');
    }
    this.autosave.changed(image);
  }

  #resubmit(entry) {
    try {
      const { item } = entry;
      const pixels = decode(entry.bytes, item.width * item.height);
      const image = new OpenImage({ item, pixels, revision: entry.revision, status: null, suggestion: null });
      image.edits = 1;
      this.queue.leave(image.id);
      this.autosave.submit(image, entry.submission);
    } catch {
      this.journal.remove(entry.imageId);
    }
  }

  #contextOf(image) {
    const blind = image.suggestion === null;
    return {
      seconds: this.seconds.get(image.id) ?? 0,
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
    } else if (answer.kind !== 'unreachable') {
      this.autosave.withdraw(image);
      await this.#bringBack(image);
      if (answer.kind === 'conflict') await this.#askAboutConflict(image, answer, wasSubmit);
      else await this.#askAboutRefusal(image, answer);
    }
    this.screen.refresh();
  }

  async #submitted(image, body) {
    const now = Date.now();
    this.queue.acknowledge(image.id, now);
    if (body.items) this.queue.update(body.items, now);
    this.seconds.delete(image.id);
    this.nudge({ image_id: image.id, revision: body.revision });
    if (!this.view && this.phase === 'empty') await this.advance();
  }

  /** Show an image again that the server refused, with everything the person did. */
  async #bringBack(image) {
    if (this.image === image) return;
    if (this.image) {
      this.autosave.flush(this.image);
      this.queue.items.unshift(this.image.item);
    }
    this.queue.hold(image.id);
    await this.#show(image.item);
  }

  async #askAboutConflict(image, answer, wasSubmit) {
    const choice = await this.screen.ask({
      kind: 'conflict',
      image,
      author: answer.body?.author ?? null,
      revision: answer.body?.revision ?? null,
    });
    try {
      const theirs = await this.transport.label(image.item);
      if (choice === 'theirs') image.replace(theirs.pixels);
      if (choice === 'merge') image.replace(merged(theirs.pixels, image.pixels));
      image.revision = theirs.revision;
      image.status = theirs.status;
      if (choice === 'theirs') await this.autosave.forget(image);
      else this.autosave.resume(image);
      if (wasSubmit) this.screen.notice('Look it over, then submit again.');
    } catch (error) {
      this.#failed(error);
      this.autosave.resume(image);
    }
  }

  async #askAboutRefusal(image, answer) {
    const choice = await this.screen.ask({
      kind: answer.kind,
      image,
      heldBy: answer.body?.held_by ?? null,
      message: answer.message,
    });
    if (choice === 'retry') this.autosave.resume(image);
    if (choice === 'next') {
      await this.autosave.forget(image);
      this.queue.leave(image.id);
      this.queue.acknowledge(image.id, Date.now());
      await this.advance();
    }
  }

  async #watchProgress() {
    if (document.hidden || this.phase === 'signed-out') return;
    try {
      const before = this.progress?.current_round_number ?? null;
      const progress = await this.transport.progress();
      const wasUnreachable = this.phase === 'unreachable';
      const isNewRound = this.progress !== null && progress.current_round_number !== before;
      this.#setProgress(progress);
      if (isNewRound) await this.#takeNewRound(progress.current_round_number);
      else if (wasUnreachable || (this.phase === 'empty' && this.#mayHaveMore(progress))) await this.advance();
    } catch (error) {
      if (error.status === 401) this.#signedOut(error.message);
    }
  }

  #mayHaveMore(progress) {
    const { images, labelled, excluded } = progress;
    return images - excluded > labelled;
  }

  /** A round was published: the queue has a new order, and an untouched image gets the new suggestion. */
  async #takeNewRound(number) {
    await this.refreshQueue();
    if (!this.view && this.phase === 'empty') await this.advance();
    const { view } = this;
    if (number !== null) this.screen.notice(`Round ${number} is done: the queue has its new order.`, 'good');
    if (!view || view.image.edits > 0) return;
    try {
      const { item } = await this.transport.item(view.image.id);
      if (item.suggestion_url === view.image.item.suggestion_url) return;
      const maps = await this.transport.modelMaps(item);
      if (this.view !== view || view.image.edits > 0) return;
      view.image.item = item;
      view.image.suggestion = maps.suggestion;
      view.uncertainty = maps.uncertainty;
      this.screen.show(view, true);
      this.screen.refresh();
    } catch {
      // The old suggestion is still a good one.
    }
  }

  async #renewLease() {
    const { image } = this;
    if (!image || document.hidden || performance.now() - this.lastActive > ACTIVE_WITHIN_MS) return;
    try {
      await this.transport.renewLease(image.id);
    } catch (error) {
      if (error.status === 423 && this.image === image) {
        await this.#askAboutRefusal(image, { kind: 'held', body: error.body, message: error.message });
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
