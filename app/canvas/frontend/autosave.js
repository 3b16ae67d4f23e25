// Brings label maps to the server: drafts by themselves, submissions on request, one request at a time per
// image, again and again until the server answers. The journal holds the pixels until then. No DOM; the
// clock, the timer, the journal and the request are passed in.

import { encode } from './run_length.js';

const DRAFT_AFTER_MS = 1200;
const RETRY_FIRST_MS = 1000;
const RETRY_MOST_MS = 30000;

/**
 * @typedef {object} Answer
 * @property {'saved' | 'conflict' | 'held' | 'refused' | 'signed-out' | 'unreachable'} kind
 * @property {object} [body] the server's JSON
 * @property {string} [message] the server's sentence
 */

/**
 * What is known about saving one image.
 * @typedef {object} SaveState
 * @property {'saved' | 'unsaved' | 'saving' | 'retrying' | 'refused'} kind
 * @property {number | null} savedAt milliseconds, null when never saved here
 * @property {number | null} retryAt milliseconds
 * @property {string} message why the last try failed
 */

export class Autosave {
  /**
   * @param {object} parts
   * @param {(request: object) => Promise<Answer>} parts.send
   * @param {{put: (entry: object) => Promise<void>, remove: (imageId: number) => Promise<void>}} parts.journal
   * @param {() => object} parts.context what goes with every save: seconds spent, round shown, blind
   * @param {(image: object, answer: Answer, wasSubmit: boolean) => void} parts.onAnswer
   * @param {() => void} parts.onState
   */
  constructor({
    send,
    journal,
    context,
    onAnswer,
    onState,
    now = Date.now,
    later = (action, delay) => setTimeout(action, delay),
    uuid = randomUuid,
  }) {
    Object.assign(this, { send, journal, context, onAnswer, onState, now, later, uuid });
    /** @type {Map<number, object>} */
    this.tasks = new Map();
  }

  /** Images that still have something to bring to the server. */
  get pending() {
    return [...this.tasks.values()].filter((task) => task.image.hasUnsaved || task.submission || task.sending);
  }

  /** Submissions that the server has not answered yet. */
  get submitting() {
    return this.pending.filter((task) => task.submission);
  }

  /** @returns {object | null} the image with this id that holds pixels the server does not have */
  unsavedImage(imageId) {
    return this.pending.find((task) => task.image.id === imageId)?.image ?? null;
  }

  /** @returns {SaveState} */
  stateOf(image) {
    const task = this.tasks.get(image.id);
    if (!task) return { kind: image.hasUnsaved ? 'unsaved' : 'saved', savedAt: null, retryAt: null, message: '' };
    let kind = image.hasUnsaved || task.submission ? 'unsaved' : 'saved';
    if (task.sending) kind = 'saving';
    else if (task.refused) kind = 'refused';
    else if (task.retryAt !== null) kind = 'retrying';
    return { kind, savedAt: task.savedAt, retryAt: task.retryAt, message: task.message };
  }

  /** A change was made: keep it in the journal and save it as a draft soon. */
  changed(image) {
    const task = this.#taskOf(image);
    task.isLeft = false;
    this.#record(task);
    this.#schedule(task, Math.max(DRAFT_AFTER_MS, (task.retryAt ?? 0) - this.now()));
    this.onState();
  }

  /** The image went off the screen: nothing is kept of it here once it is saved. */
  left(image) {
    const task = this.tasks.get(image.id);
    if (!task) return;
    task.isLeft = true;
    this.#tidy(task);
  }

  /** Save now what is not saved yet. */
  flush(image) {
    const task = this.#taskOf(image);
    if (image.hasUnsaved || task.submission) this.#schedule(task, 0);
  }

  /** Hand the label map in. The answer comes through `onAnswer`; until then the pixels are in the journal. */
  submit(image, submissionId = this.uuid()) {
    const task = this.#taskOf(image);
    task.submission = submissionId;
    task.refused = false;
    task.context = this.context(image);
    this.#record(task);
    this.#schedule(task, 0);
    this.onState();
  }

  /** Try again after a refusal that the person has dealt with. */
  resume(image) {
    const task = this.#taskOf(image);
    task.refused = false;
    task.request = null;
    task.attempts = 0;
    task.retryAt = null;
    this.#record(task);
    this.#schedule(task, 0);
  }

  /** Forget an image whose pixels the person gave up or took away as a file. */
  async forget(image) {
    const task = this.tasks.get(image.id);
    if (task) task.dropped = true;
    this.tasks.delete(image.id);
    image.savedEdits = image.edits;
    await this.journal.remove(image.id);
    this.onState();
  }

  /** Take back a submission that the server refused; the pixels stay an unsaved draft. */
  withdraw(image) {
    this.#taskOf(image).submission = null;
  }

  /**
   * What has to go out while the page is being left.
   * @returns {object[]} one request for each image with unsaved pixels and no request under way
   */
  lastRequests() {
    return this.pending.filter((task) => !task.refused && !task.sending).map((task) => this.#request(task));
  }

  #taskOf(image) {
    let task = this.tasks.get(image.id);
    if (!task) {
      task = {
        image,
        submission: null,
        context: null,
        sending: false,
        refused: false,
        dropped: false,
        isLeft: false,
        attempts: 0,
        timer: 0,
        retryAt: null,
        savedAt: null,
        message: '',
        encoded: null,
        request: null,
      };
      this.tasks.set(image.id, task);
    }
    task.image = image;
    return task;
  }

  /** The run-length bytes of the label map as it is now, encoded once per change. */
  #bytes(task) {
    const { image } = task;
    if (task.encoded?.edits !== image.edits || task.encoded.image !== image) {
      task.encoded = { image, edits: image.edits, bytes: encode(image.pixels) };
    }
    return task.encoded;
  }

  #record(task) {
    const { image } = task;
    this.journal.put({
      imageId: image.id,
      item: image.item,
      revision: image.revision,
      submission: task.submission,
      bytes: this.#bytes(task).bytes,
      at: this.now(),
    });
  }

  #schedule(task, delay) {
    const turn = ++task.timer;
    this.later(() => {
      if (turn === task.timer) this.#sendNow(task);
    }, delay);
  }

  /**
   * The request to send. One that got no answer is sent again as it was: the server may have obeyed it, and
   * knows it by its id.
   */
  #request(task) {
    if (task.request) return task.request;
    const { image } = task;
    const { bytes, edits } = this.#bytes(task);
    task.request = {
      imageId: image.id,
      revision: image.revision,
      status: task.submission ? 'submitted' : 'draft',
      submission: task.submission ?? this.uuid(),
      bytes,
      edits,
      ...(task.context ?? this.context(image)),
    };
    return task.request;
  }

  async #sendNow(task) {
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
    if (answer.kind === 'saved') this.#saved(task, request, answer);
    else if (answer.kind === 'unreachable' || answer.kind === 'signed-out') this.#retry(task, answer);
    else {
      task.request = null;
      task.refused = true;
      task.message = answer.message ?? '';
    }
    this.onState();
    this.onAnswer(image, answer, request.status === 'submitted');
  }

  #saved(task, request, answer) {
    const { image } = task;
    task.request = null;
    task.attempts = 0;
    task.message = '';
    task.savedAt = this.now();
    image.revision = answer.body.revision;
    image.status = answer.body.status;
    image.savedEdits = request.edits;
    if (task.submission === request.submission) {
      task.submission = null;
      task.context = null;
    }
    if (image.hasUnsaved || task.submission) {
      this.#record(task);
      this.#schedule(task, task.submission ? 0 : DRAFT_AFTER_MS);
    } else {
      task.encoded = null;
      this.journal.remove(image.id);
      this.#tidy(task);
    }
  }

  #tidy(task) {
    const isPending = task.image.hasUnsaved || task.submission || task.sending;
    if (task.isLeft && !isPending) this.tasks.delete(task.image.id);
  }

  #retry(task, answer) {
    const delay = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** task.attempts);
    task.attempts++;
    task.message = answer.message ?? '';
    task.retryAt = this.now() + delay;
    this.#schedule(task, delay);
  }
}

function randomUuid() {
  if (globalThis.crypto?.randomUUID) return crypto.randomUUID();
  // Browsers offer randomUUID only on https and localhost; the tool may run on a plain address in a LAN.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
