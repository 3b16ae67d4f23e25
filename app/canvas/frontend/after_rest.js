// Does something once it was not asked for again for a while, with one timer however often it is asked. No DOM.

export class AfterRest {
  /**
   * @param {() => void} act
   * @param {number} restMs
   * @param {(action: () => void, delay: number) => void} later
   */
  constructor(act, restMs, later = (action, delay) => void setTimeout(action, delay)) {
    this.act = act;
    this.restMs = restMs;
    this.later = later;
    this.asked = 0;
    this.isWanted = false;
    this.isWaiting = false;
  }

  ask() {
    this.asked++;
    this.isWanted = true;
    if (!this.isWaiting) this.#wait();
  }

  /** What was asked for is not wanted any more. */
  drop() {
    this.isWanted = false;
  }

  #wait() {
    const { asked } = this;
    this.isWaiting = true;
    this.later(() => {
      this.isWaiting = false;
      if (!this.isWanted) return;
      if (asked !== this.asked) {
        this.#wait();
        return;
      }
      this.isWanted = false;
      this.act();
    }, this.restMs);
  }
}
