// How a person wants to see label map and image; nothing of it changes a pixel of the label map.

/**
 * Window, gamma, brightness and channel of an 8-bit image.
 * @typedef {object} Adjustment
 * @property {number} low level shown black, 0…254
 * @property {number} high level shown white, above `low`, up to 255
 * @property {number} gamma 1 leaves it; larger lightens the dark
 * @property {number} brightness -1…1, added after all else
 * @property {'all' | 'red' | 'green' | 'blue'} channel one channel shows as grey
 */

/**
 * @typedef {object} Display
 * @property {Set<number>} hidden values of the label map that are not shown
 * @property {boolean} outlines only the edges of regions
 * @property {boolean} patterns a pattern for each class over its colour
 * @property {'hatched' | 'dimmed'} suggestion
 * @property {number | null} acceptAbove certainty 0…1 from which a suggested pixel shows as if it were labelled
 * @property {Uint8Array | null} difference show what changed against this label map
 * @property {Adjustment} adjustment
 */

/** @type {Adjustment} */
export const UNADJUSTED = { low: 0, high: 255, gamma: 1, brightness: 0, channel: 'all' };

/** @type {Display} */
export const PLAIN = {
  hidden: new Set(),
  outlines: false,
  patterns: false,
  suggestion: 'hatched',
  acceptAbove: null,
  difference: null,
  adjustment: UNADJUSTED,
};

/** @param {Adjustment} adjustment */
export function isAdjusted({ low, high, gamma, brightness, channel }) {
  return low !== 0 || high !== 255 || gamma !== 1 || brightness !== 0 || channel !== 'all';
}
