// What the controls show, gathered from the parts of the editor.

import { elsewhereState, saveState, unsentState } from './wording.js';

/** @param {import('./editor.js').Editor} editor */
export function shownOf({ session, state, preferences, shares, surface, walk, tools, demo, classesWithKeys, elsewhere }) {
  const { image, view, progress, autosave, visited, queue } = session;
  const unsent = autosave.pending.filter((task) => task.image !== image && !task.refused);
  return {
    image,
    progress,
    /** How many pixels each value has; null until they are counted. */
    shares,
    state,
    preferences,
    classes: classesWithKeys,
    hasUncertainty: Boolean(view?.uncertainty),
    /** Corners of a polygon that is not closed are on the screen. */
    hasPolygon: tools.polygon.isOpen && state.tool === 'polygon',
    /** Where the walk along the doubts stands. */
    doubt: walk.place,
    demo,
    zoom: surface.viewport.scale * surface.ratio,
    canGoBack: visited.length > 0,
    /** Other images whose label maps are on their way to the server. */
    unsent: unsent.length,
    sending: unsentState(unsent),
    /** What is unsent of another project, and its id. */
    elsewhere: { ...elsewhereState(elsewhere.newest), projectId: elsewhere.newest?.projectId ?? null },
    save: image ? saveState(autosave.stateOf(image), image, Date.now()) : { text: '', tone: 'quiet', more: '' },
    queueLength: queue.length,
  };
}
