// How long a person works on each image, pauses left out.

const LONGEST_PAUSE_S = 30;

export class ActiveTime {
  /** @param {() => number} now milliseconds of a clock that never goes back */
  constructor(now = () => performance.now()) {
    this.now = now;
    this.last = now();
    /** @type {Map<number, number>} */
    this.seconds = new Map();
  }

  /** An image came on the screen: what was before does not count for it. */
  begin() {
    this.last = this.now();
  }

  /** The person did something on an image. */
  add(imageId) {
    const pause = this.idleSeconds;
    this.last = this.now();
    this.seconds.set(imageId, this.of(imageId) + Math.min(pause, LONGEST_PAUSE_S));
  }

  /** @returns {number} seconds since the person last did something */
  get idleSeconds() {
    return (this.now() - this.last) / 1000;
  }

  /** @returns {number} seconds spent on an image that the server does not know of */
  of(imageId) {
    return this.seconds.get(imageId) ?? 0;
  }

  /** An earlier visit left so many seconds that the server does not know of. */
  found(imageId, seconds) {
    this.seconds.set(imageId, this.of(imageId) + seconds);
  }

  /** The server knows of so many seconds now. */
  told(imageId, seconds) {
    this.seconds.set(imageId, Math.max(0, this.of(imageId) - seconds));
  }
}
