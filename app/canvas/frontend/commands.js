// What every command of a key or a button does. The editor gives the parts; nothing is kept here.

import { snappedBorders } from './border_snap.js';
import { filledHoles, grown, removedIslands, shrunk, smoothed } from './class_edits.js';
import { answerAndHandIn, handIn } from './handing_in.js';
import { NOT_LABELLED, VOID } from './label_map.js';
import { downloadLabel } from './label_png.js';
import { whyUnchanged } from './nothing_painted.js';
import { archivedOf, nameOf } from './palette.js';
import { seenValue, suggestedRegion } from './tool_click.js';
import { pixelOf } from './tool_desk.js';
import { nowhereSure } from './wording.js';

/** @typedef {import('./editor.js').Editor} Editor */

/**
 * Do what a key or a button asks for.
 * @param {Editor} editor
 * @param {string} command as in {@link BINDINGS}, or one that only buttons have
 * @param {import('./types.js').CommandDetail} detail
 */
export function runCommand(editor, command, detail) {
  const { image } = editor.session;
  if (command.startsWith('tool-')) editor.setTool(command.slice(5));
  else if (Object.hasOwn(ANYWHERE, command)) ANYWHERE[command](editor, detail);
  else if (image && Object.hasOwn(ON_IMAGE, command)) ON_IMAGE[command](editor, image, detail);
}

/** @type {Record<string, (editor: Editor, detail: import('./types.js').CommandDetail) => void>} */
const ANYWHERE = {
  class: (editor, { classIndex = editor.state.value }) => editor.setClass(classIndex),
  void: (editor) => editor.setClass(VOID),
  smaller: (editor) => stepSize(editor, -1),
  larger: (editor) => stepSize(editor, 1),
  magnet: (editor) => editor.prefer({ magnet: !editor.state.magnet }),
  'only-unlabelled': (editor) => {
    editor.state.onlyUnlabelled = !editor.state.onlyUnlabelled;
  },
  'lock-class': (editor, { classIndex = editor.state.value }) => editor.state.toggleLock(classIndex),
  'hide-class': (editor, { classIndex = editor.state.value }) => {
    editor.state.toggleHidden(classIndex);
    editor.displayChanged();
  },
  'toggle-label': (editor) => editor.toggle('label'),
  'toggle-suggestion': (editor) => editor.toggle('suggestion'),
  'toggle-uncertainty': (editor) => editor.toggle('uncertainty'),
  'toggle-difference': (editor) => editor.toggle('difference'),
  'toggle-outlines': (editor) => editor.prefer({ outlines: !editor.preferences.outlines }),
  'toggle-patterns': (editor) => editor.prefer({ patterns: !editor.preferences.patterns }),
  'toggle-dimmed': (editor) => editor.prefer({ dimmed: !editor.preferences.dimmed }),
  adjust: (editor) => editor.adjustments.toggle(),
  'less-sure': (editor) => editor.confidence.show(editor.state.confidenceAt(-1)),
  'more-sure': (editor) => editor.confidence.show(editor.state.confidenceAt(1)),
  fit: (editor) => editor.surface.fit(),
  'one-to-one': (editor) => editor.surface.oneToOne(),
  'zoom-in': (editor) => editor.surface.zoomAt(1.25),
  'zoom-out': (editor) => editor.surface.zoomAt(0.8),
  find: (editor) => editor.finder.open(),
  'key-sheet': (editor) => editor.keySheet.toggle(),
  escape: (editor) => editor.escape(),
  'remove-point': ({ state, tools }) => state.tool === 'polygon' && tools.polygon.removePoint(),
  back: (editor) => editor.session.back(),
};

/**
 * @type {Record<string, (editor: Editor, image: import('./open_image.js').OpenImage,
 *   detail: import('./types.js').CommandDetail) => void>}
 */
const ON_IMAGE = {
  undo: (editor, image) => editor.edit(() => !editor.tools.superpixel.dropWaiting(image) && image.undo()),
  redo: (editor, image) => editor.edit(() => image.redo()),
  pick: (editor, image, { at = editor.pointer.aim }) => {
    const pixel = pixelOf(image, at);
    const value = pixel ? seenValue(image, pixel, editor.state.show.suggestion) : NOT_LABELLED;
    if (archivedOf(editor.classes).includes(value)) {
      editor.notices.add(`${nameOf(editor.classes, value)} is archived: nobody labels it any more.`);
    } else if (value !== NOT_LABELLED) editor.setClass(value);
  },
  'accept-all': (editor, image) => editor.edit(() => image.acceptAll()),
  'accept-sure': (editor, image) => {
    const uncertainty = editor.session.view?.uncertainty;
    const { confidence } = editor.state;
    if (uncertainty) {
      editor.edit(() => {
        const isChanged = image.acceptAbove(uncertainty, confidence);
        if (!isChanged) editor.notices.add(nowhereSure(confidence));
        return isChanged;
      });
    }
    editor.confidence.end();
  },
  'accept-region': (editor, image, { at = editor.pointer.aim }) => {
    const pixel = pixelOf(image, at);
    const { suggestion } = image;
    if (pixel && suggestion) editor.edit(() => image.region(suggestedRegion(image, pixel), { suggestion }));
  },
  'reject-region': (editor, image, { at = editor.pointer.aim }) => {
    const pixel = pixelOf(image, at);
    editor.pointer.finish();
    if (pixel) image.reject(suggestedRegion(image, pixel));
  },
  'place-menu': (editor) => editor.pointer.place && editor.placeMenu.open(editor.pointer.place),
  'next-doubt': (editor) => editor.walk.step(editor.session.view, 1),
  'previous-doubt': (editor) => editor.walk.step(editor.session.view, -1),
  'fill-rest': (editor, image) => editor.edit(() => image.fillRest(editor.state.value)),
  'snap-borders': snapBorders,
  'fill-holes': classEdit(filledHoles),
  'remove-islands': classEdit(removedIslands),
  grow: classEdit(grown),
  shrink: classEdit(shrunk),
  smooth: classEdit(smoothed),
  submit: handIn,
  skip: (editor) => editor.session.skip(),
  'copy-previous': (editor) => editor.session.wholeMaps.previous(editor.state.over()),
  revisions: (editor, image) => editor.revisions.toggle(image),
  truth: (editor) => editor.session.wholeMaps.truth(editor.state.over()),
  'truth-submit': answerAndHandIn,
  download: (editor, image) => downloadLabel(image),
};

/** @param {Editor} editor @param {1 | -1} direction */
function stepSize(editor, direction) {
  editor.state.stepSize(direction);
  editor.prefer({});
}

/**
 * An edit of the class under the cursor, or of the chosen class while the cursor is elsewhere.
 * @param {(image: import('./open_image.js').OpenImage, value: number, pixel: {x: number, y: number} | null) =>
 *   import('./region.js').Change | null} changeOf
 * @returns {(typeof ON_IMAGE)[string]}
 */
function classEdit(changeOf) {
  return (editor, image, { at = editor.pointer.hover }) => {
    const pixel = pixelOf(image, at);
    const under = pixel ? image.pixels[pixel.y * image.width + pixel.x] : NOT_LABELLED;
    const isOnClass = under !== NOT_LABELLED;
    const value = isOnClass ? under : editor.state.value;
    applied(editor, image, () => changeOf(image, value, isOnClass ? pixel : null));
  };
}

/** @param {Editor} editor @param {import('./open_image.js').OpenImage} image */
function snapBorders(editor, image) {
  const picture = editor.desk.pixels.read();
  if (!picture) return;
  if (picture.width !== image.width || picture.height !== image.height) {
    editor.notices.add('In an image this large only its overview is at hand, which is too coarse for borders.', 'warning');
    return;
  }
  applied(editor, image, () => {
    const change = snappedBorders(image, picture);
    if (!change) editor.notices.add('No border between two classes moves.');
    return change;
  });
}

/**
 * Make a change one action, or say why it changes nothing.
 * @param {Editor} editor
 * @param {import('./open_image.js').OpenImage} image
 * @param {() => import('./region.js').Change | null} changeOf
 */
function applied(editor, image, changeOf) {
  editor.edit(() => {
    const change = changeOf();
    const isChanged = image.change(change, editor.state.over());
    if (change && !isChanged) {
      const why = whyUnchanged(image, change, editor.state, (one) => nameOf(editor.classes, one));
      if (why) editor.notices.add(why, 'warning');
    }
    return isChanged;
  });
}
