// What stands on the keys of this person's keyboard, where the browser tells.

/** Places whose keycaps differ between layouts. Digits have theirs everywhere, above or below other characters. */
const DIFFERING = /^(Key[A-Z]|Bracket(Left|Right)|Slash|Backslash|Period|Comma|Semicolon|Quote|Backquote)$/;

/** @typedef {{getLayoutMap: () => Promise<Iterable<[string, string]>>}} Keyboard as Chromium has it, on safe addresses */

/** By place. @type {Map<string, string>} */
let keycaps = new Map();

/** @param {Keyboard | null | undefined} keyboard @returns {Promise<void>} kept once it is known, if the browser tells at all */
export async function readKeycaps(keyboard = /** @type {{keyboard?: Keyboard}} */ (/** @type {unknown} */ (navigator)).keyboard) {
  try {
    keycaps = new Map(keyboard ? await keyboard.getLayoutMap() : []);
  } catch {
    // A page in a frame of another is not told.
  }
}

/** @param {string} code @returns {string | null} null where it is not known */
export function keycapOf(code) {
  const keycap = DIFFERING.test(code) ? keycaps.get(code) : undefined;
  return keycap ? keycap.toUpperCase() : null;
}
