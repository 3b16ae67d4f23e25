// What the person has set at the editor: tool, class, sizes, what is locked, what is seen. No DOM.

import { UNADJUSTED } from './display.js';
import { NOT_LABELLED, VOID } from './label_map.js';
import { SUPERPIXEL_SCALES } from './superpixel_map.js';
import { brushStep } from './tool_stroke.js';

export const TOOLS = /** @type {const} */ ([
  'brush', 'eraser', 'polygon', 'rectangle', 'line', 'superpixel', 'flood', 'smart', 'region', 'accept',
]);
/** @typedef {(typeof TOOLS)[number]} ToolName */
/** @typedef {{label: number, suggestion: number, uncertainty: number}} Opacity of each layer, 0…1 */

/** @param {string} name @returns {name is ToolName} */
export function isTool(name) {
  return /** @type {readonly string[]} */ (TOOLS).includes(name);
}

const CONFIDENCE_STEP = 0.05;
const UNDER_HEAT = 0.4;
/** Steps by which a smart fill can be wider or narrower than it finds best itself. */
export const MOST_REACH = 12;

export class EditorState {
  /** @param {import('./preferences.js').Preferences} preferences kept in the browser */
  constructor(preferences) {
    this.preferences = preferences;
    /** @type {ToolName} */
    this.tool = 'brush';
    /** The value that is painted: a class or void. */
    this.value = 0;
    /** @type {Set<number>} classes that nothing paints over */
    this.locked = new Set();
    /** @type {Set<number>} classes that are not drawn */
    this.hidden = new Set();
    this.onlyUnlabelled = false;
    this.show = { label: true, suggestion: true, uncertainty: false, difference: false };
    /** The suggestion is taken from this confidence on; its preview is shown while it is being set. */
    this.confidence = 0.9;
    this.previewsConfidence = false;
    /** @type {import('./display.js').Adjustment} */
    this.adjustment = { ...UNADJUSTED };
  }

  get brush() {
    return this.preferences.brush;
  }

  get tolerance() {
    return this.preferences.tolerance;
  }

  /** Steps wider (or narrower) than a smart fill finds best itself. */
  get reach() {
    return this.preferences.reach;
  }

  get superpixels() {
    return SUPERPIXEL_SCALES[this.preferences.superpixelScale];
  }

  get magnet() {
    return this.preferences.magnet;
  }

  /**
   * Which values may be painted over: 256 entries of 0 or 1; undefined when all may.
   * @returns {Uint8Array | undefined}
   */
  over() {
    if (!this.onlyUnlabelled && this.locked.size === 0) return undefined;
    const over = new Uint8Array(256).fill(this.onlyUnlabelled ? 0 : 1);
    over[NOT_LABELLED] = 1;
    for (const index of this.locked) over[index] = 0;
    return over;
  }

  /** The paint of the chosen class. @returns {import('./label_map.js').Paint} */
  paint() {
    return { value: this.value, over: this.over() };
  }

  /** The paint of the eraser: locked classes stay. @returns {import('./label_map.js').Paint} */
  erasing() {
    if (this.locked.size === 0) return { value: NOT_LABELLED };
    const over = new Uint8Array(256).fill(1);
    for (const index of this.locked) over[index] = 0;
    return { value: NOT_LABELLED, over };
  }

  /** Whether the tool in use paints something else than the chosen class. */
  get paintsNoClass() {
    return this.tool === 'eraser' || this.tool === 'accept';
  }

  /** @param {string} tool */
  setTool(tool) {
    if (isTool(tool)) this.tool = tool;
  }

  /** @param {number} index */
  setClass(index) {
    this.value = index;
    // Choosing a class means wanting to paint it.
    if (this.paintsNoClass) this.tool = 'brush';
  }

  /** The size, tolerance, reach or scale of the tool in use, one step up or down. @param {1 | -1} direction */
  stepSize(direction) {
    const { preferences } = this;
    if (this.tool === 'flood') preferences.tolerance = within(preferences.tolerance + 4 * direction, 0, 255);
    else if (this.tool === 'smart') preferences.reach = within(preferences.reach + direction, -MOST_REACH, MOST_REACH);
    else if (this.tool === 'superpixel') {
      preferences.superpixelScale = within(preferences.superpixelScale - direction, 0, SUPERPIXEL_SCALES.length - 1);
    } else preferences.brush = brushStep(preferences.brush, direction);
  }

  /** The confidence one step up or down. @param {1 | -1} direction @returns {number} in [0, 1] */
  confidenceAt(direction) {
    return within(Math.round((this.confidence + direction * CONFIDENCE_STEP) * 100) / 100, 0, 1);
  }

  /**
   * How everything is drawn.
   * @param {import('./open_image.js').OpenImage | null} image on the screen
   * @returns {import('./display.js').Display}
   */
  display(image) {
    const { outlines, patterns, dimmed } = this.preferences;
    return {
      hidden: this.hidden,
      outlines,
      patterns,
      suggestion: dimmed ? 'dimmed' : 'hatched',
      difference: this.show.difference ? (image?.suggestion ?? null) : null,
      acceptAbove: this.previewsConfidence ? this.confidence : null,
      adjustment: this.adjustment,
    };
  }

  /**
   * How strongly each layer is drawn, 0 hides it.
   * @param {boolean} hasUncertainty of the image on the screen
   * @returns {Opacity}
   */
  opacity(hasUncertainty) {
    const { opacity } = this.preferences;
    // Heat and class colours do not mix: while the uncertainty is shown, the others step back.
    const back = this.show.uncertainty && hasUncertainty ? UNDER_HEAT : 1;
    return {
      label: this.show.label ? opacity.label * back : 0,
      suggestion: this.show.suggestion ? opacity.suggestion * back : 0,
      uncertainty: this.show.uncertainty ? opacity.uncertainty : 0,
    };
  }

  /** @param {number} index */
  toggleLock(index) {
    toggle(this.locked, index);
  }

  /** @param {number} index */
  toggleHidden(index) {
    toggle(this.hidden, index);
  }

  /** Void can be locked and hidden as a class can. @param {{index: number, archived: boolean}[]} classes */
  keepTo(classes) {
    const usable = new Set([...classes.filter((one) => !one.archived).map((one) => one.index), VOID]);
    if (!usable.has(this.value)) this.value = classes.find((one) => !one.archived)?.index ?? VOID;
    for (const set of [this.locked, this.hidden]) for (const index of set) if (!usable.has(index)) set.delete(index);
  }
}

/** @param {Set<number>} set @param {number} index */
function toggle(set, index) {
  if (!set.delete(index)) set.add(index);
}

/** @param {number} value @param {number} least @param {number} most */
function within(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
