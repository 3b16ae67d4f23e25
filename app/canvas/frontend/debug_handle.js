// `window.qualmCanvas`: what tests may ask of the live editor.
//
//   state()      {imageId, name, revision, status, saveState, tool, classIndex, brush, zoom, queueLength, unsaved,
//                 unsent, suggestion, uncertainty, hasSuggestion, hasUncertainty, split, rank, phase, dialog}
//   labelBytes() a copy of the label map
//   toScreen(x, y) client coordinates of an image point
//   run(command, detail) what a key or a button would do
//   counters     {paints, mounts, saves, shownAt}; shownAt is performance.now() at the first paint of the last image
//
// The controls have stable data-testid attributes: submit, skip, accept-all, fill-rest, truth, truth-submit,
// tool-brush, tool-eraser, tool-polygon, tool-accept, undo, redo, fit, back, key-sheet, toggle-label,
// toggle-suggestion, toggle-uncertainty, class-<index>, class-void, why, save-state, download, progress, round,
// image-name, empty-state, notice, answer-<choice>, download-label.

/** @param {import('./editor.js').Editor} editor */
export function debugHandle(editor) {
  const { session } = editor;
  return {
    counters: editor.counters,
    labelBytes: () => new Uint8Array(session.image?.pixels ?? 0),
    toScreen: (x, y) => editor.surface.clientOf(x, y),
    run: (command, detail) => editor.run(command, detail),
    state: () => {
      const { image, view, phase } = session;
      const { tool, classIndex, brush, zoom, queueLength, unsent } = editor.gathered();
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
        suggestion: Boolean(image?.suggestion) && editor.show.suggestion,
        uncertainty: Boolean(view?.uncertainty) && editor.show.uncertainty,
        hasSuggestion: Boolean(image?.suggestion),
        hasUncertainty: Boolean(view?.uncertainty),
        split: image?.item.split ?? null,
        rank: image?.item.rank ?? null,
        phase,
        dialog: editor.dialogs.isOpen,
      };
    },
  };
}
