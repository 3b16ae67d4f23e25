// The order of a walk along the doubtful places of an image. It stays while the person corrects them. No DOM.

import { LEAST_UNCERTAIN, doubtsOf, weightsOf } from './doubts.js';

/** @typedef {import('./doubts.js').Doubt} Doubt */
/** @typedef {import('./label_map.js').LabelMap & {edits: number}} Labelled `edits` counts its changes */

export class DoubtOrder {
  /**
   * @param {import('./label_map.js').UncertaintyMap} uncertainty
   * @param {Labelled} image as it is when the walk begins
   */
  constructor(uncertainty, image) {
    this.uncertainty = uncertainty;
    /** @type {Doubt[]} */
    this.doubts = [];
    /** Places that the person was sent to. @type {Set<number>} */
    this.visited = new Set();
    /** Where the person stands, -1 before the first step. */
    this.at = -1;
    /** How often the label map had changed at the last step. */
    this.edits = image.edits;
    this.#begin(image);
  }

  /** Where the person stands, `doubt 3 of 12`; empty before the first step. */
  get place() {
    return this.at < 0 ? '' : `doubt ${this.at + 1} of ${this.doubts.length}`;
  }

  /**
   * Go to a place that is still doubtful: forward to the next one, or after a change of the label map to the next one
   * that was not visited; backward to the one before. After the last one the walk begins anew with what is left.
   * @param {Labelled} image
   * @param {1 | -1} direction
   * @returns {Doubt | null} null when no place is left
   */
  step(image, direction) {
    const goesOn = image.edits !== this.edits;
    this.edits = image.edits;
    const weights = weightsOf(this.doubts, this.uncertainty, image);
    const isLeft = (/** @type {number} */ at) => weights[at] >= LEAST_UNCERTAIN;
    const wanted = this.doubts.map((_, at) => isLeft(at) && !(goesOn && direction > 0 && this.visited.has(at)));
    let next = direction > 0 ? wanted.indexOf(true, this.at + 1) : -1;
    if (direction < 0) {
      if (this.at > 0) next = wanted.lastIndexOf(true, this.at - 1);
      if (next < 0) next = wanted.lastIndexOf(true);
    } else if (next < 0) {
      this.#begin(image);
      next = this.doubts.length ? 0 : -1;
    }
    this.at = next;
    if (next >= 0) this.visited.add(next);
    return this.doubts[next] ?? null;
  }

  /** @param {Labelled} image */
  #begin(image) {
    this.doubts = doubtsOf(this.uncertainty, image);
    this.visited.clear();
    this.at = -1;
  }
}
