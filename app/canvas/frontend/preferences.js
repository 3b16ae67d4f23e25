// What a person set up for the eyes and the hand, kept in the browser.

const KEY = 'qualm.canvas';

const FIRST = { brush: 24, opacity: { label: 0.6, suggestion: 0.4, uncertainty: 0.6 } };

/** @returns {{brush: number, opacity: {label: number, suggestion: number, uncertainty: number}}} */
export function readPreferences() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return { ...FIRST, ...kept, opacity: { ...FIRST.opacity, ...kept.opacity } };
  } catch {
    return structuredClone(FIRST);
  }
}

export function keepPreferences(preferences) {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // A browser that keeps nothing still labels.
  }
}
