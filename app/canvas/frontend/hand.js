// Where the person is and what the hand holds: image, tool, class, what is locked or hidden, and open polygon. Kept
// while the browser's tab is open, so that a reload changes nothing of it.

/** @typedef {import('./types.js').Point} Point */
/**
 * @typedef {object} Held
 * @property {number | null} imageId null: no image
 * @property {number[]} visited images that were on the screen before, the last one last
 * @property {string} tool
 * @property {number} value
 * @property {number[]} locked classes that nothing paints over
 * @property {number[]} hidden classes that are not drawn
 * @property {boolean} onlyUnlabelled
 * @property {Point[]} polygon
 * @property {[number, Point[]][]} aside polygons that were open on images taken off the screen
 */

/** As far back as anybody goes. */
const MOST_VISITED = 50;

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
    /** Corners of polygons that wait for the return of their images. @type {Map<number, Point[]>} */
    this.aside = new Map(this.before.aside);
  }

  /** The image that was on the screen before the reload. */
  get imageId() {
    return this.before.imageId ?? null;
  }

  /** The images that were on the screen before that one, the last one last. */
  get visited() {
    return [...(this.before.visited ?? [])];
  }

  /** @param {import('./editor_state.js').EditorState} state */
  takeUp(state) {
    const { tool = state.tool, value = state.value, locked = [], hidden = [], onlyUnlabelled = false } = this.before;
    state.value = value;
    state.locked = new Set(locked);
    state.hidden = new Set(hidden);
    state.onlyUnlabelled = onlyUnlabelled;
    state.setTool(tool);
  }

  /**
   * An image goes off the screen: its open polygon is there again when it comes back.
   * @param {number} imageId
   * @param {Point[]} polygon
   */
  setAside(imageId, polygon) {
    if (polygon.length > 0) this.aside.set(imageId, polygon);
  }

  /**
   * The corners of the polygon that was open on an image: before a reload, when it is the first one on the screen, or
   * when it was set aside.
   * @param {number} imageId
   */
  polygonOn(imageId) {
    const { imageId: on, polygon = [] } = this.before;
    this.before = {};
    const aside = this.aside.get(imageId) ?? [];
    this.aside.delete(imageId);
    return on === imageId ? polygon : aside;
  }

  /**
   * @param {{image: {id: number} | null, visited: number[]}} session
   * @param {import('./editor_state.js').EditorState} state
   * @param {Point[]} polygon
   */
  keep({ image, visited }, { tool, value, locked, hidden, onlyUnlabelled }, polygon) {
    /** @type {Held} */
    const held = {
      imageId: image?.id ?? null,
      visited: visited.slice(-MOST_VISITED),
      tool,
      value,
      locked: [...locked],
      hidden: [...hidden],
      onlyUnlabelled,
      polygon,
      aside: [...this.aside],
    };
    const text = JSON.stringify(held);
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
