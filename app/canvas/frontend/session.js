// One person labelling one project: which image is shown, what comes next, what the server said. No DOM.

import { ActiveTime } from './active_time.js';
import { Autosave } from './autosave.js';
import { Exclusions } from './exclusions.js';
import { NewerRevision } from './newer_revision.js';
import { OpenImage } from './open_image.js';
import { PassedOver } from './passed_over.js';
import { ProgressWatch } from './progress_watch.js';
import { ImageQueue } from './queue.js';
import { Refusals, adoptEqual } from './refusals.js';
import { Rejections } from './rejections.js';
import { EarlierVisit } from './replay.js';
import { skipped } from './skipped.js';
import { suggestAnew } from './suggestion_anew.js';
import { RequestFailed } from './transport.js';
import { WholeMaps } from './whole_maps.js';
import { NOT_KEPT, NOT_READ, REPLAYED, reasonOf } from './wording.js';

/** A submission is sent after this at the latest, though the next image be not here yet. */
const MOST_WAIT_MS = 300;

/** @typedef {import('./types.js').Item} Item */
/** @typedef {import('./types.js').Progress} Progress */
/** @typedef {import('./types.js').SaveRequest} SaveRequest */
/** @typedef {import('./autosave.js').Answer} Answer */

export class LabelSession {
  /**
   * @param {object} parts
   * @param {import('./transport.js').Transport} parts.transport
   * @param {import('./journal.js').Journal} parts.journal
   * @param {import('./types.js').Screen} parts.screen
   * @param {string} parts.annotator
   * @param {{saves: number}} parts.counters
   * @param {(left: {image_id: number}) => void} parts.nudge tells Streamlit that the person went on from an image
   * @param {number} [parts.behind] milliseconds from an image on the screen to what nobody waits for: saving the one
   *   before and loading the next ones would hold it up
   */
  constructor({ transport, journal, screen, annotator, counters, nudge, behind = 40 }) {
    this.transport = transport;
    this.journal = journal;
    this.screen = screen;
    this.annotator = annotator;
    this.counters = counters;
    this.nudge = nudge;
    this.behind = behind;
    this.queue = new ImageQueue(
      (item, earlier) => transport.load(item, earlier, (arriving) => this.#arriving(arriving)),
      (loaded) => loaded.picture.close(),
      (loaded) => screen.prepare(loaded),
    );
    this.autosave = new Autosave({
      send: (request) => this.#save(request),
      journal,
      context: (image) => this.#contextOf(image),
      onAnswer: (image, answer, request) => this.#answered(image, answer, request),
      onState: () => screen.refresh(),
      onNotKept: () => screen.notice(NOT_KEPT, 'warning'),
    });
    /** @type {import('./types.js').View | null} */
    this.view = null;
    /** @type {Progress | null} */
    this.progress = null;
    /** What the screen shows. @type {'loading' | 'labelling' | 'empty' | 'signed-out' | 'unreachable' | 'refused'} */
    this.phase = 'loading';
    this.failure = '';
    this.passedOver = new PassedOver(this);
    this.exclusions = new Exclusions(this);
    /** Images that were on the screen before, the last one last. @type {number[]} */
    this.visited = [];
    /** The last image that the server did not know. @type {number | null} */
    this.gone = null;
    this.time = new ActiveTime();
    this.earlier = new EarlierVisit(journal, this.time);
    this.rejections = new Rejections(journal);
    journal.onUnreadable = () => screen.notice(NOT_READ, 'warning');
    this.watch = new ProgressWatch(this);
    this.wholeMaps = new WholeMaps(this);
    this.refusals = new Refusals(this);
    this.newerRevision = new NewerRevision(this);
    this.turn = 0;
    /** Counts what took the person to another image, or will: an answer to an older wish comes too late. */
    this.moves = 0;
  }

  /** @returns {OpenImage | null} */
  get image() {
    return this.view?.image ?? null;
  }

  /**
   * @param {number | null} openImage an image picked by hand
   * @param {{imageId: number | null, visited: number[]}} before what was on the screen before the page was loaded again
   */
  async start(openImage, { imageId: shown, visited } = { imageId: null, visited: [] }) {
    this.visited = visited;
    this.watch.start();
    await this.rejections.read();
    for (const { image, submission, context } of await this.earlier.read()) {
      this.queue.leave(image.id);
      this.autosave.submit(image, { submissionId: submission, context: context ?? undefined });
    }
    if (openImage !== null && shown !== null) this.queue.displaced.add(shown);
    const first = openImage ?? this.earlier.lastImage(shown);
    if (first !== null) {
      const mustShow = openImage !== null || this.earlier.strokes.has(first);
      await this.open(first, (item) => mustShow || item.split !== 'excluded');
    }
    // Strokes on other images are not to wait until somebody happens to open those.
    for (const image of this.earlier.unopened()) this.edited(image);
    await this.refreshQueue();
    if (!this.view && this.phase !== 'signed-out') await this.advance();
    if (!this.progress) await this.watch.ask();
  }

  /** The person did something. */
  active() {
    if (this.image) this.time.add(this.image.id);
  }

  pause() {
    this.watch.stop();
    if (this.image) this.autosave.flush(this.image);
  }

  /** A change is complete, of the shown image or of one that was shown before: keep it and save it soon. */
  edited(image = this.image) {
    if (image) this.autosave.changed(image);
    if (image && image !== this.image) this.autosave.left(image);
  }

  /** @param {number | null} left the image that was on the screen, when nothing is on it until this brings more */
  async refreshQueue(left = null) {
    const askedAt = Date.now();
    const { image, transport, queue } = this;
    try {
      const { items } = await (image ? queue.tell((gone) => transport.next(image.id, gone)) : transport.nextAwaited(left));
      this.queue.update(items, askedAt);
      this.screen.refresh();
    } catch (error) {
      this.failed(error);
    }
  }

  /** Show the next image of the queue. */
  async advance() {
    // By an image picked by hand or the one before, on the screen or on its way there.
    const { turn } = this;
    const isOvertaken = () => this.view || turn !== this.turn;
    // While the server cannot be reached, what is loaded is all that there is to go on with.
    const mustAsk = this.queue.mayBeTaken(Date.now()) && !this.autosave.isCutOff;
    let item = mustAsk ? null : this.queue.next();
    if (!item) {
      const left = this.image?.id ?? null;
      this.#isLoading();
      await this.queue.waitFor(this.refreshQueue(left));
      if (isOvertaken() || /** @type {string} */ (this.phase) === 'signed-out') return;
      item = this.queue.next();
    }
    if (item) await this.#show(item);
    else if (this.phase === 'loading') {
      await this.watch.ask();
      if (isOvertaken() || this.phase !== 'loading') return;
      this.phase = 'empty';
      this.screen.show(null);
      this.screen.refresh();
    }
  }

  /**
   * Show an image picked by hand.
   * @param {number} imageId
   * @param {(item: Item) => boolean} isWanted
   * @returns {Promise<boolean>} whether it is on the screen
   */
  async open(imageId, isWanted = () => true) {
    const move = ++this.moves;
    if (this.image?.id === imageId) return true;
    try {
      const { item, held_by: heldBy } = await this.transport.item(imageId);
      if (move !== this.moves) return false;
      if (heldBy && heldBy !== this.annotator) {
        this.screen.notice(`${heldBy} is labelling ${item.name} now.`, 'warning');
        return false;
      }
      if (isWanted(item)) await this.#showInstead(item);
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 404) this.gone = imageId;
      if (move === this.moves) this.failed(error);
    }
    return this.image?.id === imageId;
  }

  /** Hand the label map in and show the next image; the answer comes behind. */
  submit() {
    const { image } = this;
    if (!image) return;
    this.moves++;
    this.queue.leave(image.id);
    this.visited.push(image.id);
    // What the person waits for goes first; the label map is in the journal until the server has it.
    this.autosave.submit(image, { wait: MOST_WAIT_MS });
    this.advance().then(() => setTimeout(() => this.autosave.flush(image), this.behind));
  }

  /** Put the image at the end of the queue. What was painted stays a draft. */
  async skip() {
    const { image } = this;
    if (!image) return;
    this.moves++;
    this.queue.leave(image.id);
    this.visited.push(image.id);
    const saved = this.autosave.flush(image);
    this.advance();
    await skipped(this, image, saved);
  }

  /** Back to the image that was on the screen before. */
  async back() {
    const imageId = this.visited.pop();
    if (imageId === undefined) return;
    const at = this.visited.length;
    // What could not be shown now can be asked for again, unless it is gone.
    if (!(await this.open(imageId)) && imageId !== this.gone) this.visited.splice(at, 0, imageId);
  }

  /** Send what is not saved while the page goes away. */
  leavePage() {
    for (const request of this.autosave.lastRequests()) this.transport.saveOnTheWayOut(request);
  }

  /** @param {Item} item */
  async #show(item) {
    const turn = ++this.turn;
    const entry = this.queue.take(item);
    // While the image loads, its save may be answered; what was loaded is older than its pixels even then.
    const unsaved = this.autosave.unsavedImage(item.image_id);
    if (!entry.loaded) this.#isLoading();
    let { loaded } = entry;
    try {
      loaded ??= await entry.promise;
    } catch (error) {
      if (turn !== this.turn) return;
      const left = this.passedOver.add(error, item);
      if (left) this.failed(left, item);
      else await this.advance();
      return;
    }
    if (turn !== this.turn) return loaded.picture.close();
    this.#leave();
    const kept = this.autosave.unsavedImage(item.image_id) ?? unsaved;
    const image = kept ?? new OpenImage(loaded);
    image.item = { ...item, ...(kept ? {} : { revision: loaded.revision }) };
    image.suggestion = loaded.suggestion;
    image.onChange = (rectangle) => this.screen.repaint(rectangle);
    this.view = { ...loaded, image };
    this.phase = 'labelling';
    this.passedOver.end();
    this.time.begin();
    this.screen.show(this.view);
    this.autosave.opened(image);
    this.rejections.open(image);
    this.#replayJournal(image);
    this.screen.refresh();
    setTimeout(() => this.queue.loadAhead(), this.behind);
  }

  /** Label map and suggestion are here before the picture. @param {import('./types.js').Arriving} image */
  #arriving(image) {
    if (image.item.image_id === this.queue.current) this.screen.prepare(image, true);
  }

  #isLoading() {
    this.phase = 'loading';
    this.#leave();
    this.screen.refresh();
  }

  #leave() {
    if (!this.view) return;
    const { image, picture } = this.view;
    // A stroke under way is completed by this, and an open polygon set aside, while they still have their image.
    this.screen.show(null);
    this.view = null;
    image.onChange = () => {};
    this.autosave.left(image);
    picture.close();
  }

  /** Put back the strokes of an earlier visit that never reached the server. @param {OpenImage} image */
  #replayJournal(image) {
    const outcome = this.earlier.replayOn(image);
    if (outcome === 'mine' || outcome === 'newer') this.autosave.changed(image);
    if (REPLAYED[outcome]) this.screen.notice(REPLAYED[outcome]);
  }

  /** @param {OpenImage} image */
  #contextOf(image) {
    // An image that only the journal brought has no map here, but was labelled with the one that its item names.
    const blind = !image.item.suggestion_url;
    return {
      seconds: this.time.of(image.id),
      round: blind ? null : (image.item.suggestion_round_id ?? null),
      blind,
    };
  }

  /** @param {SaveRequest} request */
  async #save(request) {
    const answer = await this.transport.save({ ...request, holding: this.image?.id ?? null });
    // Before what was done meanwhile goes into the journal with its own seconds.
    if (answer.kind === 'saved') this.time.told(request.imageId, request.seconds);
    return answer;
  }

  /** @param {OpenImage} image @param {Answer} answer @param {SaveRequest} request */
  async #answered(image, answer, { status }) {
    const wasSubmit = status === 'submitted';
    if (answer.kind === 'saved') {
      this.counters.saves++;
      this.queue.saved(image.id, answer.body.revision);
      this.exclusions.saved(image, answer.body);
      if (answer.body.progress) this.setProgress(answer.body.progress);
      if (wasSubmit) await this.#submitted(image, answer.body);
    } else if (answer.kind === 'signed-out') {
      this.signedOut(answer.message);
    } else if (answer.kind === 'other-picture') this.refusals.setAside(image, answer);
    else if (answer.kind !== 'unreachable' && !(await adoptEqual(this, image, answer, wasSubmit))) {
      // It comes back on the screen with everything the person did, as long as it has something to hand in.
      if (this.image !== image) {
        this.moves++;
        await this.#showInstead(image.item);
      }
      this.autosave.withdraw(image);
      await this.refusals.settle(image, answer, wasSubmit);
    }
    this.screen.refresh();
  }

  /** @param {OpenImage} image @param {import('./types.js').Saved} body */
  async #submitted(image, body) {
    const now = Date.now();
    this.queue.acknowledge(image.id, now);
    if (body.items) this.queue.update(body.items, now);
    this.nudge({ image_id: image.id });
    if (!this.view && this.phase === 'empty') await this.advance();
  }

  /** Show an image; the one on the screen comes next. @param {Item} item */
  async #showInstead(item) {
    if (this.image) {
      this.autosave.flush(this.image);
      this.queue.items.unshift({ ...this.image.item, revision: this.image.revision });
    }
    this.queue.hold(item.image_id);
    await this.#show(item);
  }

  /** @param {Progress} progress */
  setProgress(progress) {
    this.progress = progress;
    this.watch.heard(progress);
    this.screen.news();
  }

  /** Classes are not suggested any more, or again. @param {number[]} archived */
  suggestWithout(archived) {
    suggestAnew(this, archived);
    this.queue.loadAnew();
  }

  /** @param {string} [message] the server's sentence */
  signedOut(message) {
    this.phase = 'signed-out';
    this.failure = message ?? '';
    this.screen.refresh();
  }

  /** Say what went wrong. @param {unknown} reason @param {Item | null} item which could not be shown for it */
  failed(reason, item = null) {
    const isKnown = reason instanceof RequestFailed;
    // A mistake of ours must not leave somebody before an image that never comes.
    if (!isKnown) console.error(reason);
    const error = isKnown ? reason : new RequestFailed(0, reasonOf(reason));
    if (error.status === 401) this.signedOut(error.message);
    else if (!this.view) {
      if (item) this.queue.items.unshift(item);
      this.phase = error.status === 422 ? 'refused' : 'unreachable';
      this.failure = error.message;
      this.screen.refresh();
    } else this.screen.notice(error.message, 'warning');
  }
}
