// When the controls are brought up to date: at the next frame that has nothing more urgent to draw.

const SHOW_LOADING_AFTER_MS = 200;

export class RefreshFrame {
  /**
   * @param {object} parts
   * @param {() => void} parts.update
   * @param {() => boolean} parts.isLoading whether an image is awaited
   * @param {(now: number) => boolean} parts.drawsAt whether the canvas is drawn in the frame of this time
   * @param {() => boolean} parts.isPressed whether a stroke is under way, whose end requests a refresh
   */
  constructor({ update, isLoading, drawsAt, isPressed }) {
    this.update = update;
    this.isLoading = isLoading;
    this.drawsAt = drawsAt;
    this.isPressed = isPressed;
    this.frame = 0;
  }

  request() {
    this.frame ||= requestAnimationFrame((now) => this.#at(now, now));
  }

  /** For what the person did not ask for, as the time and news of the project: no frame of a stroke comes late for it. */
  requestAtRest() {
    if (!this.isPressed()) this.request();
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
