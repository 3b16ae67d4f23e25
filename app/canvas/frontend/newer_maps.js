// The model's newest view of an image that is on the screen already.

/**
 * Give an image that nobody has touched yet its newest suggestion and uncertainty. What goes wrong is no matter:
 * the old ones still serve.
 * @param {import('./types.js').View} view
 * @param {import('./transport.js').Transport} transport
 * @param {() => boolean} isShown the view is still on the screen
 * @returns {Promise<boolean>} whether it got other ones
 */
export async function takeNewerMaps(view, transport, isShown) {
  const { image } = view;
  if (image.edits > 0) return false;
  const newer = await transport.newerMaps(image).catch(() => null);
  if (!newer || !isShown() || image.edits > 0) return false;
  image.item = newer.item;
  image.suggestion = newer.suggestion;
  view.uncertainty = newer.uncertainty;
  view.coloured = null;
  return true;
}
