// What must not come into the middle of a stroke waits for its end. No DOM.

export class AtRest {
  /** @param {() => boolean} isPressed whether a stroke is under way, after which `look` is called */
  constructor(isPressed) {
    this.isPressed = isPressed;
    /** @type {(() => void)[]} */
    this.waiting = [];
  }

  /** Do it now, or as soon as nothing is pressed. @param {() => void} act */
  do(act) {
    this.waiting.push(act);
    this.look();
  }

  look() {
    if (this.isPressed()) return;
    for (const act of this.waiting.splice(0)) act();
  }
}
