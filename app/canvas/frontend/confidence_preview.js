// Shows for a few seconds what would be accepted, while the person sets the confidence.

const SHOWN_MS = 4000;

export class ConfidencePreview {
  /**
   * @param {import('./editor_state.js').EditorState} state
   * @param {() => void} changed
   */
  constructor(state, changed) {
    this.state = state;
    this.changed = changed;
    this.timer = 0;
  }

  /** @param {number} confidence in [0, 1] */
  show(confidence) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), SHOWN_MS);
    this.state.confidence = confidence;
    this.state.previewsConfidence = true;
    this.changed();
  }

  end() {
    clearTimeout(this.timer);
    if (!this.state.previewsConfidence) return;
    this.state.previewsConfidence = false;
    this.changed();
  }
}
