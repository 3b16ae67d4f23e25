// Hands the label map of the image on the screen in, once nothing of it is half done.

/** @typedef {import('./editor.js').Editor} Editor */

/** @param {Editor} editor @param {import('./open_image.js').OpenImage} image on the screen */
export async function handIn(editor, image) {
  const { tools, pointer, dialogs, session, notices, state } = editor;
  if (tools.polygon.isOpen && state.tool !== 'polygon') {
    editor.setTool('polygon');
    notices.add('This polygon is still open. Submit once more to close it, or drop it with Escape.', 'warning');
    return;
  }
  if (tools.polygon.close()) return;
  pointer.finish();
  if (tools.superpixel.isWaiting) await tools.superpixel.settled;
  // Why one did not come has been said; without it this is not what the person means to hand in.
  const coming = [...session.wholeMaps.coming].filter((one) => one.image === image).map((one) => one.isIn);
  if ((await Promise.all(coming)).includes(false)) return;
  if (session.image !== image) return;
  if (!image.isLabelled) {
    const choice = await dialogs.ask({ kind: 'nothing-labelled', image });
    if (session.image !== image || choice === 'stay') return;
    if (choice === 'skip') {
      session.skip();
      return;
    }
  }
  session.submit();
}

/** @param {Editor} editor */
export async function answerAndHandIn({ session, state }) {
  const { image } = session;
  if ((await session.wholeMaps.truth(state.over())) && session.image === image) session.submit();
}
