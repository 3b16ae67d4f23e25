// While the editor is on the page: asks how far the project is, and keeps the image in work reserved.

import { RequestFailed } from './transport.js';

/** @typedef {import('./types.js').Progress} Progress */
/** @typedef {import('./open_image.js').OpenImage} OpenImage */

const PROGRESS_EVERY_MS = 2500;
const LEASE_EVERY_MS = 60000;

export class Watch {
  /**
   * @param {import('./transport.js').Transport} transport
   * @param {object} parts
   * @param {() => boolean} parts.isSignedIn
   * @param {() => Progress | null} parts.progress as it is known
   * @param {(progress: Progress, isNewRound: boolean) => Promise<void>} parts.onProgress a round was published
   *   since the server was asked the last time
   * @param {(message: string) => void} parts.onSignedOut
   * @param {() => OpenImage | null} parts.imageInWork null while the person does nothing
   * @param {(image: OpenImage, refusal: RequestFailed) => Promise<void>} parts.onLost somebody else has the image
   */
  constructor(transport, { isSignedIn, progress, onProgress, onSignedOut, imageInWork, onLost }) {
    this.transport = transport;
    this.isSignedIn = isSignedIn;
    this.progress = progress;
    this.onProgress = onProgress;
    this.onSignedOut = onSignedOut;
    this.imageInWork = imageInWork;
    this.onLost = onLost;
    /** @type {number[]} */
    this.timers = [];
  }

  start() {
    this.stop();
    this.timers = [
      setInterval(() => this.#askForProgress(), PROGRESS_EVERY_MS),
      setInterval(() => this.#renewLease(), LEASE_EVERY_MS),
    ];
  }

  stop() {
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
  }

  async #askForProgress() {
    if (document.hidden || !this.isSignedIn()) return;
    try {
      const before = this.progress()?.current_round_number ?? null;
      const progress = await this.transport.progress();
      await this.onProgress(progress, this.progress() !== null && progress.current_round_number !== before);
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 401) this.onSignedOut(error.message);
    }
  }

  async #renewLease() {
    const image = this.imageInWork();
    if (!image || document.hidden) return;
    try {
      await this.transport.renewLease(image.id);
    } catch (error) {
      if (error instanceof RequestFailed && error.status === 423) await this.onLost(image, error);
    }
  }
}
