// What is suggested of the image on the screen, after classes were archived or came back.

import { withoutClasses } from './label_map.js';

/** @typedef {import('./session.js').LabelSession} LabelSession */
/** @typedef {import('./types.js').View} View */

/**
 * The suggestion goes in as that of a new round does, never changed in place: what was rejected and what undo brings
 * back are kept as differences from it.
 * @param {LabelSession} session
 * @param {number[]} archived
 */
export async function suggestAnew(session, archived) {
  const { view, transport } = session;
  if (!view?.image.suggestion) return;
  const { item, whole, suggestion } = view.image;
  // What is archived goes at once: nobody may accept it any more.
  put(session, view, withoutClasses((whole ?? suggestion).slice(), archived));
  try {
    const anew = await transport.suggestion(item);
    session.screen.atRest(() => {
      const isStill = session.view === view && view.image.item.suggestion_url === item.suggestion_url;
      if (anew && isStill) put(session, view, anew);
    });
  } catch {
    // Only what came back is missing then, until the image is loaded again.
  }
}

/** @param {LabelSession} session @param {View} view @param {Uint8Array} suggestion */
function put({ rejections, screen }, view, suggestion) {
  view.image.suggestion = suggestion;
  rejections.open(view.image);
  screen.show(view, true);
  screen.refresh();
}
