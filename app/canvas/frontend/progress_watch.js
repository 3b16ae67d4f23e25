// Looks after the project while a person labels: progress, new rounds, a server that went away and came back, and
// the reservation of the image in work and of those loaded ahead.

import { mayHaveMore } from './queue.js';
import { RequestFailed } from './transport.js';

const PROGRESS_EVERY_MS = 2500;
const RESERVE_EVERY_MS = 60000;
const ACTIVE_WITHIN_S = 300;

export class ProgressWatch {
  /** @param {import('./session.js').LabelSession} session */
  constructor(session) {
    this.session = session;
    this.timer = 0;
    /**
     * The newest round that the person was told of, the one that suggests before it is done, and how many images there
     * were in the splits that people choose.
     * The answer to a save brings news of all too, and must not keep them from being noticed here.
     * @type {{number: number | null, suggesting: number | null, splits: string} | null}
     */
    this.known = null;
    /** When the images were last reserved, milliseconds. */
    this.reservedAt = Date.now();
  }

  /** What the server said first is no news. @param {import('./types.js').Progress} progress */
  heard(progress) {
    this.known ??= knownOf(progress);
  }

  start() {
    this.stop();
    this.timer = setInterval(() => this.look(), PROGRESS_EVERY_MS);
  }

  /**
   * Go on after another page of the app, on which images may have been put in front of the queue or excluded.
   * @param {Promise<unknown>} opening ends when the image that was picked there is on the screen
   */
  async goOn(opening) {
    this.start();
    // It takes the place of the one before, which an order that was asked for earlier would not hold.
    await opening;
    if (this.session.phase !== 'loading') await this.#lookForMore();
  }

  stop() {
    clearInterval(this.timer);
  }

  /** Ask while somebody looks; not while they wait for an image, which would come the later for it. */
  async look() {
    if (document.hidden || this.session.phase === 'loading') return;
    await this.ask();
    await this.#keepReserved();
  }

  /** Ask the server how far the project is, and act on what is new. */
  async ask() {
    const { session } = this;
    try {
      const progress = await session.transport.progress();
      session.autosave.serverIsBack();
      // The person has signed in again in another tab; for anybody else who did, this is refused.
      if (session.phase === 'signed-out') session.phase = session.view ? 'labelling' : 'unreachable';
      const wasUnreachable = session.phase === 'unreachable';
      session.setProgress(progress);
      const before = this.known;
      this.known = knownOf(progress);
      const { number, suggesting, splits } = this.known;
      if (before?.number !== number) await this.#takeNewRound(number);
      else if (suggesting !== null && before?.suggesting !== suggesting) await this.#takeSuggestions(suggesting);
      else if (
        wasUnreachable ||
        before?.splits !== splits ||
        session.phase === 'refused' ||
        (session.phase === 'empty' && mayHaveMore(progress))
      ) {
        await this.#lookForMore();
      }
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 401) session.signedOut(error.message);
    }
  }

  async #lookForMore() {
    const { session } = this;
    // Refused again it says so again; otherwise there are images, or none are left.
    if (session.phase === 'refused') session.phase = 'empty';
    const { turn } = session;
    await session.refreshQueue();
    // Meanwhile another one may be on its way to the screen, as an image picked by hand.
    if (turn !== session.turn) return;
    if (!session.view && (session.queue.length > 0 || session.phase === 'unreachable')) await session.advance();
  }

  /**
   * A round was published: the queue has a new order.
   * @param {number | null} number
   */
  async #takeNewRound(number) {
    await this.#lookForMore();
    const { screen } = this.session;
    if (number === 0) screen.notice('The queue has its first order: typical and diverse images.', 'good');
    else if (number !== null) screen.notice(`Round ${number} is done: the queue has its new order.`, 'good');
    await this.#suggestAnew();
  }

  /** A round is trained, and suggests for what comes next while it scores the other images. @param {number} number */
  async #takeSuggestions(number) {
    await this.#lookForMore();
    this.session.screen.notice(`Round ${number} is trained: what comes next has its suggestions.`, 'good');
    await this.#suggestAnew();
  }

  /** An untouched image gets the newest suggestion, with its reason. */
  async #suggestAnew() {
    const { session } = this;
    const { view, screen, transport } = session;
    if (!view?.image.isUntouched) return;
    try {
      const newer = await transport.newerView(view.image);
      screen.atRest(() => {
        if (session.view !== view || !view.image.isUntouched) return;
        const { item, suggestion = view.image.suggestion, uncertainty = view.uncertainty } = newer;
        Object.assign(view.image, { item, suggestion });
        Object.assign(view, { uncertainty });
        if ('suggestion' in newer) screen.show(view, true);
        screen.refresh();
      });
    } catch {
      // The old suggestion still serves.
    }
  }

  /**
   * Keep the image in work reserved for the person, and those that come next: somebody else may have got them while
   * nobody was here, or while one image took long.
   */
  async #keepReserved() {
    const { session } = this;
    const { image, time, transport } = session;
    const isActive = time.idleSeconds <= ACTIVE_WITHIN_S;
    if (!image || !isActive || Date.now() - this.reservedAt < RESERVE_EVERY_MS) return;
    this.reservedAt = Date.now();
    try {
      await transport.renewLease(image.id);
      await session.refreshQueue();
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 423) await session.refusals.lost(image, error);
    }
  }
}

/**
 * Labelling moves images from the pool, by everybody and all the time; what counts here somebody did by hand.
 * @param {import('./types.js').Progress} progress
 */
function knownOf({ current_round_number: number, suggesting_round_number: suggesting, audit, excluded }) {
  return { number, suggesting, splits: `${audit} ${excluded}` };
}
