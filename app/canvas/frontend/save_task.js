// What is known about bringing one image's label map to the server.

import { EncodedBands } from './encoded_bands.js';

/**
 * What is known about saving one image.
 * @typedef {object} SaveState
 * @property {'saved' | 'unsaved' | 'saving' | 'retrying' | 'refused'} kind
 * @property {number | null} savedAt milliseconds, null when never saved here
 * @property {number | null} retryAt milliseconds
 * @property {string} message why the last try failed
 * @property {boolean} isKept false when this browser had no room for a copy of what is not saved
 */

/** @typedef {import('./open_image.js').OpenImage} OpenImage */

export class SaveTask {
  /** @param {OpenImage} image */
  constructor(image) {
    this.image = image;
    this.bands = new EncodedBands(image);
    /** @type {string | null} id of a submission that waits for its answer */
    this.submission = null;
    /** @type {import('./autosave.js').SaveContext | null} as it was when the person submitted */
    this.context = null;
    /** @type {import('./types.js').SaveRequest | null} the one that got no answer yet */
    this.request = null;
    /** @type {string | null} id that the next draft goes under */
    this.draft = null;
    this.sending = false;
    /** @type {(() => void)[]} who waits until it was tried */
    this.tried = [];
    /** The server said no; nothing is sent until the person has decided. */
    this.refused = false;
    /** The person knows of the refusal and went on. */
    this.isSettled = false;
    /** The last try got no answer at all. */
    this.isCutOff = false;
    this.dropped = false;
    this.isLeft = false;
    this.attempts = 0;
    /** Counts plans to send; only the newest one holds. */
    this.timer = 0;
    /** @type {number | null} */
    this.retryAt = null;
    /** When the newest change was made, milliseconds. */
    this.changedAt = 0;
    /** @type {number | null} when the oldest change was made that is not saved */
    this.unsavedSince = null;
    /** @type {number | null} */
    this.savedAt = null;
    this.message = '';
    this.isKept = true;
    /** The journal is to be written once everything is encoded. */
    this.mustKeep = false;
    /** A request is to be sent once everything is encoded. */
    this.isDue = false;
    this.isWorking = false;
  }

  /** @param {OpenImage} image with the id of the one before */
  show(image) {
    this.image = image;
    this.bands = new EncodedBands(image);
  }

  /** What the request after the one under way goes under. @param {() => string} uuid */
  nextId(uuid) {
    return this.submission ?? (this.draft ??= uuid());
  }

  /** What was changed since the submission went out is not handed in, should the page end before the answer. */
  get submissionToKeep() {
    const { request, submission, image } = this;
    return request?.submission === submission && request?.edits !== image.edits ? null : submission;
  }

  /** Nobody waits longer for what was tried. */
  endTry() {
    for (const tell of this.tried.splice(0)) tell();
  }

  /** Whether there is something to bring to the server. */
  get isPending() {
    return this.image.hasUnsaved || this.submission !== null || this.sending;
  }

  /** @returns {SaveState} */
  get state() {
    const { savedAt, retryAt, message } = this;
    return { kind: this.#kind, savedAt, retryAt, message, isKept: this.#kind === 'saved' || this.isKept };
  }

  /** @returns {SaveState['kind']} */
  get #kind() {
    if (this.sending) return 'saving';
    if (this.refused) return 'refused';
    if (this.retryAt !== null) return 'retrying';
    return this.image.hasUnsaved || this.submission ? 'unsaved' : 'saved';
  }
}
