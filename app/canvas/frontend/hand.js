// Where the person is and what the hand holds: image, tool, class and open polygon. Kept while the browser's tab is
// open, so that a reload changes nothing of it.

/** @typedef {import('./types.js').Point} Point */
/** @typedef {{imageId: number | null, tool: string, value: number, polygon: Point[]}} Held `imageId` null: no image */

export class Hand {
  /**
   * @param {string} annotator
   * @param {number} projectId
   * @param {Pick<Storage, 'getItem' | 'setItem'>} [storage] sessionStorage
   */
  constructor(annotator, projectId, storage) {
    this.key = `qualm.canvas.hand ${annotator} ${projectId}`;
    this.storage = storage;
    this.text = this.#read();
    /** What was held before the reload. @type {Partial<Held>} */
    this.before = parsed(this.text);
  }

  /** The image that was on the screen before the reload. */
  get imageId() {
    return this.before.imageId ?? null;
  }

  /** @param {import('./editor_state.js').EditorState} state */
  takeUp(state) {
    const { tool = state.tool, value = state.value } = this.before;
    state.value = value;
    state.setTool(tool);
  }

  /**
   * The corners of the polygon that was open on an image, when it is the first one on the screen.
   * @param {number} imageId
   */
  polygonOn(imageId) {
    const { imageId: on, polygon = [] } = this.before;
    this.before = {};
    return on === imageId ? polygon : [];
  }

  /**
   * @param {number | null} imageId
   * @param {import('./editor_state.js').EditorState} state
   * @param {Point[]} polygon
   */
  keep(imageId, { tool, value }, polygon) {
    const text = JSON.stringify({ imageId, tool, value, polygon });
    if (text === this.text) return;
    this.text = text;
    try {
      (this.storage ?? sessionStorage).setItem(this.key, text);
    } catch {
      // A browser that keeps nothing still labels.
    }
  }

  #read() {
    try {
      return (this.storage ?? sessionStorage).getItem(this.key) ?? '';
    } catch {
      return '';
    }
  }
}

/** @param {string} text @returns {Partial<Held>} */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
