// `window.qualmCanvas`: what tests may ask of the live editor.
//
//   state()      {imageId, name, revision, status, saveState, tool, classIndex, brush, zoom, queueLength, unsaved,
//                 unsent, suggestion, uncertainty, hasSuggestion, hasUncertainty, split, rank, phase, dialog,
//                 waits, next, ahead}; `waits` while a stroke is kept until its superpixels are here, `next` is the id
//                 of the image that comes next, `ahead` how many images of the queue are loaded
//   labelBytes(), suggestionBytes() copies of the label map and of the suggestion
//   toScreen(x, y) client coordinates of an image point
//   run(command, detail) what a key or a button would do
//   back()       what the command does, with a promise of its end
//   counters     {paints, mounts, saves, shownAt}; shownAt is performance.now() at the first paint of the last image
//
// The controls have stable data-testid attributes: every button of a command is named for it (submit, skip,
// accept-all, tool-brush, undo, fit, toggle-label …), and class-<index>, lock-<index>, hide-<index>, class-void,
// why, save-state, download, progress, round, image-name, empty-state, notice, answer-<choice>, download-label,
// confidence, find-input, key-sheet, key-<command>, unsent-elsewhere.

import { shownOf } from './shown.js';

/** @param {import('./editor.js').Editor} editor */
export function debugHandle(editor) {
  const { session } = editor;
  return {
    counters: editor.counters,
    labelBytes: () => new Uint8Array(session.image?.pixels ?? []),
    suggestionBytes: () => new Uint8Array(session.image?.suggestion ?? []),
    toScreen: (/** @type {number} */ x, /** @type {number} */ y) => editor.surface.clientOf(x, y),
    /** @type {import('./types.js').Run} */
    run: (command, detail) => editor.run(command, detail),
    back: () => session.back(),
    state: () => {
      const { image, view, phase } = session;
      const { zoom, queueLength, unsent } = shownOf(editor);
      const { tool, value: classIndex, brush, show } = editor.state;
      return {
        imageId: image?.id ?? null,
        name: image?.item.name ?? null,
        revision: image?.revision ?? null,
        status: image?.status ?? null,
        saveState: image ? session.autosave.stateOf(image).kind : null,
        tool,
        classIndex,
        brush,
        zoom,
        queueLength,
        unsaved: image?.hasUnsaved ?? false,
        unsent,
        suggestion: Boolean(image?.suggestion) && show.suggestion,
        uncertainty: Boolean(view?.uncertainty) && show.uncertainty,
        hasSuggestion: Boolean(image?.suggestion),
        hasUncertainty: Boolean(view?.uncertainty),
        split: image?.item.split ?? null,
        rank: image?.item.rank ?? null,
        phase,
        canUndo: image?.canUndo ?? false,
        waits: editor.tools.superpixel.isWaiting,
        next: session.queue.items[0]?.image_id ?? null,
        ahead: [...session.queue.ahead.values()].filter((one) => one.loaded).length,
        dialog: editor.dialogs.isOpen,
      };
    },
  };
}
