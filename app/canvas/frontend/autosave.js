// Brings label maps to the server: drafts by themselves, submissions on request, one request at a time per
// image, again and again until the server answers. The journal holds the pixels until then. No DOM; the
// clock, the timer, the journal and the request are passed in.

import { SaveTask } from './save_task.js';
import { randomUuid } from './uuid.js';

const DRAFT_AFTER_MS = 1200;
/** Somebody who never pauses is saved this often. */
const DRAFT_AT_LEAST_EVERY_MS = 10000;
/** The first look at an image is not held up by encoding it. */
const ENCODE_AFTER_MS = 200;
/** What a change takes to encode at once. The rest of a large one comes after it is on the screen. */
const FIRST_SLICE_MS = 1;
const ENCODE_BEHIND_MS = 80;
/** Encoding then goes on in slices this long, so that painting goes on between them. */
const SLICE_MS = 4;
const RETRY_FIRST_MS = 1000;
const RETRY_MOST_MS = 30000;

/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./types.js').SaveRequest} SaveRequest */

/**
 * @typedef {object} Refused
 * @property {'conflict' | 'held' | 'other-picture' | 'refused' | 'signed-out' | 'unreachable'} kind
 * @property {number} [status] the HTTP status, 0 when no answer came at all
 * @property {import('./types.js').Refusal} [body] the server's JSON
 * @property {string} [message] the server's sentence
 */
/** @typedef {{kind: 'saved', body: import('./types.js').Saved} | Refused} Answer */

/**
 * What goes with every save.
 * @typedef {{seconds: number, round: number | null, blind: boolean}} SaveContext
 */

export class Autosave {
  /**
   * @param {object} parts
   * @param {(request: SaveRequest) => Promise<Answer>} parts.send
   * @param {Pick<import('./journal.js').Journal, 'put' | 'remove'>} parts.journal
   * @param {(image: OpenImage) => SaveContext} parts.context
   * @param {(image: OpenImage, answer: Answer, request: SaveRequest) => void} parts.onAnswer
   * @param {() => void} parts.onState
   * @param {(image: OpenImage) => void} [parts.onNotKept] the browser had no room for what is not saved
   * @param {() => number} [parts.now] milliseconds
   * @param {(action: () => void, delay: number) => void} [parts.later]
   * @param {() => string} [parts.uuid]
   */
  constructor({
    send,
    journal,
    context,
    onAnswer,
    onState,
    onNotKept = () => {},
    now = Date.now,
    later = (action, delay) => void setTimeout(action, delay),
    uuid = randomUuid,
  }) {
    this.send = send;
    this.journal = journal;
    this.context = context;
    this.onAnswer = onAnswer;
    this.onState = onState;
    this.onNotKept = onNotKept;
    this.now = now;
    this.later = later;
    this.uuid = uuid;
    /** @type {Map<number, SaveTask>} */
    this.tasks = new Map();
  }

  /** Images that still have something to bring to the server. */
  get pending() {
    return [...this.tasks.values()].filter((task) => task.isPending);
  }

  /** Whether the last tries to save got no answer at all. */
  get isCutOff() {
    return this.pending.some((task) => task.isCutOff && task.attempts > 0 && !task.refused);
  }

  /** @param {number} imageId @returns {OpenImage | null} the image with this id that holds pixels the server does not have */
  unsavedImage(imageId) {
    return this.pending.find((task) => task.image.id === imageId)?.image ?? null;
  }

  /** @returns {import('./save_task.js').SaveState} */
  stateOf(image) {
    const task = this.tasks.get(image.id);
    return (task ?? new SaveTask(image)).state;
  }

  /** The image came on the screen: be ready to keep its first change at once. */
  opened(image) {
    const task = this.#taskOf(image);
    this.later(() => this.#work(task), ENCODE_AFTER_MS);
  }

  /** A change was made: keep it in the journal and save it as a draft soon. */
  changed(image) {
    const task = this.#taskOf(image);
    task.isLeft = false;
    if (task.isSettled) task.refused = task.isSettled = false;
    this.#keep(task);
    task.changedAt = this.now();
    task.unsavedSince ??= this.now();
    const dueAt = Math.min(task.changedAt + DRAFT_AFTER_MS, task.unsavedSince + DRAFT_AT_LEAST_EVERY_MS);
    this.#schedule(task, Math.max(0, dueAt - this.now(), (task.retryAt ?? 0) - this.now()));
    this.onState();
  }

  /** The image went off the screen: nothing is kept of it here once it is saved. */
  left(image) {
    const task = this.tasks.get(image.id);
    if (!task) return;
    task.isLeft = true;
    this.#tidy(task);
  }

  /**
   * Save now what is not saved yet.
   * @param {OpenImage} image
   * @returns {Promise<void>} kept once the server has it, or did not take it
   */
  async flush(image) {
    const task = this.tasks.get(image.id);
    if (!task || task.image !== image || !(image.hasUnsaved || task.submission)) return;
    this.#schedule(task, 0);
    if (!task.refused) await new Promise((/** @type {(value?: unknown) => void} */ tried) => task.tried.push(tried));
  }

  /** Save everything now, before the browser slows the timers of a hidden page down. */
  flushHidden() {
    for (const task of this.pending) {
      task.bands.encodeFor(Infinity);
      this.#sendWhenDue(task);
    }
  }

  /** The server answers again: what waits for it need not wait longer. */
  serverIsBack() {
    for (const task of this.tasks.values()) {
      if (!task.isCutOff || task.retryAt === null) continue;
      task.retryAt = null;
      this.#schedule(task, 0);
    }
  }

  /**
   * Nobody looks at the state any more: say only when all is on the server or refused, so that nothing more goes out.
   * @param {() => void} settled
   */
  whenSettled(settled) {
    this.onState = () => {
      if (!this.pending.every((task) => task.refused)) return;
      this.onState = () => {};
      settled();
    };
    this.onState();
  }

  /**
   * Hand the label map in. The answer comes through `onAnswer`; until then the pixels are in the journal.
   * @param {OpenImage} image
   * @param {{submissionId?: string, context?: SaveContext, wait?: number}} [how] `wait` milliseconds before it is sent
   */
  submit(image, { submissionId = this.uuid(), context = this.context(image), wait = 0 } = {}) {
    const task = this.#taskOf(image);
    task.submission = submissionId;
    task.refused = false;
    task.context = context;
    this.#keep(task);
    this.#schedule(task, wait);
    this.onState();
  }

  /** Try again after a refusal that the person has dealt with. */
  resume(image) {
    const task = this.#taskOf(image);
    task.refused = false;
    task.request = null;
    task.attempts = 0;
    task.retryAt = null;
    this.#keep(task);
    this.#schedule(task, 0);
  }

  /** A refusal stands, and the person knows: it is tried again after the next change. */
  settle(image) {
    this.#taskOf(image).isSettled = true;
  }

  /** Forget an image whose pixels the person gave up or took away as a file. */
  async forget(image) {
    this.drop(image);
    image.savedEdits = image.edits;
    await this.journal.remove(image.id);
    this.onState();
  }

  /** Send nothing of an image any more; the journal keeps what it has. */
  drop(image) {
    const task = this.tasks.get(image.id);
    if (task) {
      task.dropped = true;
      task.endTry();
    }
    this.tasks.delete(image.id);
  }

  /** Take back a submission that the server refused, also for a reload; the pixels stay an unsaved draft. */
  withdraw(image) {
    const task = this.#taskOf(image);
    Object.assign(task, { submission: null, context: null });
    this.#keep(task);
  }

  /**
   * What has to go out while the page is being left.
   * @returns {SaveRequest[]} one request for each image with unsaved pixels and no request under way
   */
  lastRequests() {
    for (const task of this.pending) {
      task.bands.encodeFor(Infinity);
      if (task.mustKeep) this.#record(task);
    }
    return this.pending.filter((task) => !task.refused && !task.sending).map((task) => this.#request(task));
  }

  /** @param {OpenImage} image */
  #taskOf(image) {
    const known = this.tasks.get(image.id);
    if (known?.image === image) return known;
    const task = known ?? new SaveTask(image);
    task.show(image);
    this.tasks.set(image.id, task);
    return task;
  }

  /** @param {SaveTask} task */
  #keep(task) {
    task.mustKeep = true;
    this.#work(task, FIRST_SLICE_MS, ENCODE_BEHIND_MS);
  }

  /** @param {SaveTask} task @param {number} delay milliseconds */
  #schedule(task, delay) {
    const turn = ++task.timer;
    this.later(() => {
      if (turn !== task.timer) return;
      task.isDue = true;
      this.#work(task);
    }, delay);
  }

  /**
   * Encode a slice of what changed; when all of it is, keep it and send it as far as that is asked for.
   * @param {SaveTask} task
   * @param {number} slice milliseconds
   * @param {number} pause before the next slice, milliseconds
   */
  #work(task, slice = SLICE_MS, pause = 0) {
    if (task.dropped) return;
    if (!task.bands.encodeFor(slice)) {
      if (task.isWorking) return;
      task.isWorking = true;
      this.later(() => {
        task.isWorking = false;
        this.#work(task);
      }, pause);
      return;
    }
    if (task.mustKeep) this.#record(task);
    if (task.isDue) this.#sendWhenDue(task);
  }

  /** Put the encoded bands into the journal. @param {SaveTask} task */
  async #record(task) {
    task.mustKeep = false;
    const { image } = task;
    const isKept = await this.journal.put({
      imageId: image.id,
      item: image.item,
      revision: image.revision,
      request: task.request?.submission ?? task.nextId(this.uuid),
      submission: task.submissionToKeep,
      context: task.context ?? this.context(image),
      secondsUnderWay: task.request?.seconds ?? 0,
      bands: task.bands.bands,
      at: this.now(),
    });
    if (task.isKept === isKept) return;
    task.isKept = isKept;
    this.onState();
    if (!isKept) this.onNotKept(image);
  }

  /**
   * The request to send. One that got no answer is sent again as it was: the server may have obeyed it, and
   * knows it by its id.
   * @param {SaveTask} task
   * @returns {SaveRequest}
   */
  #request(task) {
    if (task.request) return task.request;
    const { image } = task;
    task.request = {
      imageId: image.id,
      picture: image.item.image_url,
      revision: image.revision,
      status: task.submission ? 'submitted' : 'draft',
      submission: task.nextId(this.uuid),
      bytes: task.bands.joined(),
      edits: image.edits,
      ...(task.context ?? this.context(image)),
    };
    task.draft = null;
    return task.request;
  }

  /** The bands are encoded by now. @param {SaveTask} task */
  async #sendWhenDue(task) {
    task.isDue = false;
    if (task.sending || task.refused || task.dropped) return;
    const { image, submission } = task;
    if (!image.hasUnsaved && !submission) return;
    const request = this.#request(task);
    task.sending = true;
    task.retryAt = null;
    this.onState();
    const answer = await this.send(request);
    task.sending = false;
    if (task.dropped) return;
    if (answer.kind === 'saved') this.#saved(task, request, answer.body);
    else if (answer.kind === 'unreachable' || answer.kind === 'signed-out') this.#retry(task, answer);
    else {
      task.request = null;
      task.refused = true;
      task.message = answer.message ?? '';
    }
    if (answer.kind !== 'saved' || !image.hasUnsaved) task.endTry();
    this.onState();
    this.onAnswer(image, answer, request);
  }

  /** @param {SaveTask} task @param {SaveRequest} request @param {import('./types.js').Saved} answer */
  #saved(task, request, answer) {
    const { image } = task;
    task.request = null;
    task.attempts = 0;
    task.unsavedSince = null;
    task.message = '';
    task.savedAt = this.now();
    image.revision = answer.revision;
    image.status = answer.status;
    image.request = request.submission;
    image.savedEdits = request.edits;
    if (task.submission === request.submission) {
      task.submission = null;
      task.context = null;
    } else if (task.context) {
      // It was handed in while this draft was on its way, and counted the draft's seconds too.
      task.context.seconds = Math.max(0, task.context.seconds - request.seconds);
    }
    if (image.hasUnsaved || task.submission) {
      task.unsavedSince = this.now();
      this.#keep(task);
      // What was changed while the answer was awaited has waited for as long.
      this.#schedule(task, task.submission ? 0 : Math.max(0, task.changedAt + DRAFT_AFTER_MS - this.now()));
    } else {
      this.journal.remove(image.id);
      this.#tidy(task);
    }
  }

  /** @param {SaveTask} task */
  #tidy(task) {
    if (task.isLeft && !task.isPending) this.tasks.delete(task.image.id);
  }

  /** @param {SaveTask} task @param {Refused} answer */
  #retry(task, answer) {
    const delay = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** task.attempts);
    task.attempts++;
    task.message = answer.message ?? '';
    task.isCutOff = answer.status === 0;
    task.retryAt = this.now() + delay;
    this.#schedule(task, delay);
  }
}
