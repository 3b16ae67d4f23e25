// What a person set up for the eyes and the hand, kept in the browser under their name.

const FIRST = {
  brush: 24,
  tolerance: 24,
  reach: 0,
  superpixelScale: 1,
  magnet: false,
  outlines: false,
  patterns: false,
  dimmed: false,
  opacity: { label: 0.6, suggestion: 0.4, uncertainty: 0.6 },
  /** Commands whose key the person changed, with its chord. @type {Record<string, string>} */
  keys: {},
};

/** @typedef {typeof FIRST} Preferences */

/** @param {string} annotator @returns {Preferences} */
export function readPreferences(annotator) {
  const first = structuredClone(FIRST);
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(annotator)) ?? '{}');
    return { ...first, ...kept, opacity: { ...first.opacity, ...kept.opacity }, keys: { ...kept.keys } };
  } catch {
    return first;
  }
}

/** @param {string} annotator @param {Preferences} preferences */
export function keepPreferences(annotator, preferences) {
  try {
    localStorage.setItem(keyOf(annotator), JSON.stringify(preferences));
  } catch {
    // A browser that keeps nothing still labels.
  }
}

/** @param {string} annotator */
function keyOf(annotator) {
  return `qualm.canvas ${annotator}`;
}
