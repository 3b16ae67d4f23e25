// When the controls are brought up to date: at the next frame that has nothing more urgent to draw.

const SHOW_LOADING_AFTER_MS = 200;

export class RefreshFrame {
  /**
   * @param {object} parts
   * @param {() => void} parts.update
   * @param {() => boolean} parts.isLoading whether an image is awaited
   * @param {(now: number) => boolean} parts.drawsAt whether the canvas is drawn in the frame of this time
   */
  constructor({ update, isLoading, drawsAt }) {
    this.update = update;
    this.isLoading = isLoading;
    this.drawsAt = drawsAt;
    this.frame = 0;
  }

  request() {
    this.frame ||= requestAnimationFrame((now) => this.#at(now, now));
  }

  /** Begin anew: what is on the screen changed. */
  again() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.request();
  }

  /** @param {number} now time of this frame @param {number} first time of the first frame that could have done it */
  #at(now, first) {
    // The canvas goes first for one frame, and an image that comes at once needs no word that it is awaited.
    const waits = this.isLoading() ? now - first < SHOW_LOADING_AFTER_MS : now === first && this.drawsAt(now);
    this.frame = waits ? requestAnimationFrame((later) => this.#at(later, first)) : 0;
    if (!waits) this.update();
  }
}
