// What is to be done to bring one image's label map to the server.

import { EncodedBands } from './encoded_bands.js';

/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./types.js').SaveRequest} SaveRequest */
/** @typedef {Pick<SaveRequest, 'seconds' | 'round' | 'blind'>} Context what goes with every save */

/**
 * What is to be done for one image.
 * @typedef {object} SaveTask
 * @property {OpenImage} image
 * @property {EncodedBands} bands
 * @property {string | null} submission its id while the image is being submitted
 * @property {Context | null} context of the submission
 * @property {boolean} sending
 * @property {boolean} refused not sent again until the person has decided
 * @property {boolean} isSettled refused, and the person knows
 * @property {boolean} isCutOff the last try got no answer at all
 * @property {boolean} dropped
 * @property {boolean} isLeft off the screen
 * @property {number} attempts
 * @property {number} timer which of the scheduled times holds
 * @property {number | null} retryAt milliseconds
 * @property {number | null} unsavedSince milliseconds
 * @property {number | null} savedAt milliseconds
 * @property {string} message why the last try failed
 * @property {boolean} isKept
 * @property {boolean} mustKeep
 * @property {boolean} isDue
 * @property {boolean} isWorking a slice of encoding is to come
 * @property {SaveRequest | null} request that got no answer yet
 */

/** @param {OpenImage} image @returns {SaveTask} with nothing to do yet */
export function newTask(image) {
  return {
    image,
    bands: new EncodedBands(image),
    submission: null,
    context: null,
    sending: false,
    refused: false,
    isSettled: false,
    isCutOff: false,
    dropped: false,
    isLeft: false,
    attempts: 0,
    timer: 0,
    retryAt: null,
    unsavedSince: null,
    savedAt: null,
    message: '',
    isKept: true,
    mustKeep: false,
    isDue: false,
    isWorking: false,
    request: null,
  };
}
