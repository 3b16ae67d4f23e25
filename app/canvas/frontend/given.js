// What a browser gives, or says no to.

/**
 * The drawing context of a canvas: `given(canvas.getContext('2d'))`.
 * @template T
 * @param {T | null} context
 * @returns {T}
 * @throws {Error} when the browser has no memory left for it
 */
export function given(context) {
  if (context !== null) return context;
  throw new Error('The browser has no memory left to draw with. Close other tabs and reload the page.');
}
