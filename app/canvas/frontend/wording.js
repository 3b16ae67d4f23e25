// Sentences about the state of things. Pure text.

import { NOT_LABELLED } from './label_map.js';

/** @typedef {import('./types.js').Progress} Progress */

export const NOT_KEPT =
  'This browser has no room for a copy of your strokes: keep the page open until they are saved, or download them.';

export const NOT_READ =
  'What this browser keeps of your unsaved strokes cannot be read now. It is still there: reload the page to try again.';

/** What is told of strokes of an earlier visit. @type {Partial<Record<ReturnType<typeof import('./replay.js').replayStrokes>, string>>} */
export const REPLAYED = {
  mine: 'Your last strokes, not saved before the page closed, are back.',
  other: 'This browser keeps strokes on another picture of this number, of another workspace or a backup. They were left out.',
};

/** @param {number} seconds @returns {string} */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} share in [0, 1] @returns {string} */
export function percent(share) {
  if (share > 0 && share < 0.01) return '<1 %';
  if (share < 1 && share > 0.99) return '99 %';
  return `${Math.round(share * 100)} %`;
}

/**
 * The save state of an image.
 * @param {import('./save_task.js').SaveState} state
 * @param {{revision: number, status: string | null}} image
 * @param {number} now milliseconds
 * @returns {{text: string, tone: 'good' | 'busy' | 'bad' | 'quiet', more?: string}} `more` for who wants to know
 */
export function saveState(state, image, now) {
  if (state.isKept === false && state.kind !== 'refused') {
    return { text: 'Not saved, and no room for a copy in this browser', tone: 'bad', more: state.message };
  }
  if (state.kind === 'saving') return { text: 'Saving…', tone: 'busy' };
  if (state.kind === 'unsaved') return { text: 'Saving soon…', tone: 'busy' };
  if (state.kind === 'refused') return { text: 'Not saved: the server refused it', tone: 'bad', more: state.message };
  if (state.kind === 'retrying') {
    const wait = duration(Math.max(0, ((state.retryAt ?? now) - now) / 1000));
    return { text: `Not saved: retrying in ${wait}`, tone: 'bad', more: state.message };
  }
  if (image.revision === 0) return { text: 'Not labelled yet', tone: 'quiet' };
  const revision = `revision ${image.revision}`;
  const word = image.status === 'submitted' || image.status === 'approved' ? 'Submitted' : 'Saved';
  if (state.savedAt === null) return { text: `${word} · ${revision}`, tone: 'good' };
  const ago = (now - state.savedAt) / 1000;
  return { text: `${word} ${ago < 1.5 ? 'just now' : `${duration(ago)} ago`} · ${revision}`, tone: 'good' };
}

/**
 * How other images' label maps fare on their way to the server.
 * @param {{attempts: number, message: string}[]} unsent
 * @returns {{text: string, isBad: boolean, more: string}} `more` for who wants to know
 */
export function unsentState(unsent) {
  // A try that is under way is no news of those that failed before it.
  const failed = unsent.filter((task) => task.attempts > 0);
  if (failed.length === 0) return { text: `${unsent.length} on the way`, isBad: false, more: '' };
  return { text: `${failed.length} not sent: retrying`, isBad: true, more: failed[0].message };
}

/**
 * What is not sent of another project.
 * @param {{name: string, images: number} | null} elsewhere
 * @returns {{text: string, more: string}} `more` for who wants to know
 */
export function elsewhereState(elsewhere) {
  if (!elsewhere) return { text: '', more: '' };
  const { name, images } = elsewhere;
  const [count, them] = images === 1 ? ['1 image', 'it'] : [`${images} images`, 'them'];
  return {
    text: `${images} not sent in ${name}: open it`,
    more: `${count} of ${name} ${images === 1 ? 'is' : 'are'} kept in this browser alone. Open the project to send ${them}.`,
  };
}

/** What the live round does, or why the next one has not started. @param {Progress} progress */
export function roundLine(progress) {
  const live = progress.round;
  if (live && live.state === 'queued') return `${roundName(live.number)} waits for a worker`;
  if (live) {
    const doing = live.number === 0 ? 'looks at the images' : live.state === 'training' ? 'training' : 'scoring';
    const count = live.steps ? ` ${live.step}/${live.steps}` : '';
    const left = live.eta_seconds === null ? '' : ` · ${duration(live.eta_seconds)} left`;
    return `${roundName(live.number)} ${doing}${count}${left}`;
  }
  return progress.next_round.reason;
}

/** Why nothing was accepted. @param {number} confidence from which suggestions were to be, in [0, 1] */
export function nowhereSure(confidence) {
  return `Nothing to accept: where nothing is labelled, the model is nowhere ${Math.round(100 * confidence)} % sure. Lower the slider.`;
}

/**
 * What is under the cursor: the label or, where there is none, the suggestion, and what the model thinks of it.
 * @param {import('./open_image.js').OpenImage} image
 * @param {{x: number, y: number}} pixel
 * @param {import('./label_map.js').UncertaintyMap | null} uncertainty
 * @param {(value: number) => string} nameOf
 */
export function hoverWords({ pixels, suggestion, width, height }, { x, y }, uncertainty, nameOf) {
  const at = y * width + x;
  const words = [nameOf(pixels[at])];
  const suggested = suggestion ? suggestion[at] : NOT_LABELLED;
  if (suggested !== NOT_LABELLED) {
    const isLabelled = pixels[at] !== NOT_LABELLED;
    words.push(`${isLabelled ? 'the model says' : 'suggested'} ${nameOf(suggested)}`);
    if (uncertainty) {
      const row = Math.floor((y * uncertainty.height) / height);
      const value = uncertainty.values[row * uncertainty.width + Math.floor((x * uncertainty.width) / width)];
      words[1] += `, ${Math.round(100 * (1 - value / 255))} % sure`;
    }
  }
  return words.join(' · ');
}

/** What a round is called. @param {number} number */
function roundName(number) {
  return number === 0 ? 'The cold start' : `Round ${number}`;
}

/** Which round has put the image in its order. @param {import('./types.js').Item} item */
export function originLine({ is_audit: isAudit, ranking_round_number: number }) {
  if (isAudit || number === null) return '';
  return number === 0 ? 'Cold start' : `Round ${number}`;
}

/** What is to be said of a suggestion that another round made. @param {import('./types.js').Item} item */
export function originHint({ ranking_round_number: ranking, suggestion_round_number: suggestion }) {
  return suggestion === ranking ? '' : `The suggestion is newer: it is of round ${suggestion}`;
}

/**
 * A sentence in pieces, those that name a class with its colour.
 * @param {string} sentence
 * @param {{name: string, colour: string}[]} classes
 * @returns {{text: string, colour: string | null}[]}
 */
export function reasonPieces(sentence, classes) {
  if (classes.length === 0) return [{ text: sentence, colour: null }];
  const names = classes.map((one) => one.name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).sort((a, b) => b.length - a.length);
  // A name is one only where no other letter touches it: "car" is not in "scarce".
  const found = new RegExp(`(?<![\\p{L}\\p{N}])(${names.join('|')})(?![\\p{L}\\p{N}])`, 'u');
  const pieces = sentence.split(found).map((text, index) => ({
    text,
    colour: index % 2 ? (classes.find((one) => one.name === text)?.colour ?? null) : null,
  }));
  return pieces.filter((piece) => piece.text !== '');
}

/**
 * What the empty canvas says.
 * @param {{phase: string, failure: string, progress: Progress | null, hasClasses: boolean}} state
 * @returns {{title: string, text: string, retry?: boolean, page?: 'Project' | 'Queue'}} `page` is the way out
 */
export function emptyState({ phase, failure, progress, hasClasses }) {
  if (phase === 'signed-out') {
    return {
      title: 'You are signed out',
      text: `${failure || 'Sign in again.'} What you painted is kept in this browser. Reload the page.`,
      retry: true,
    };
  }
  if (!hasClasses) {
    return { title: 'No classes yet', text: 'Add classes on the Project page: a name, a colour and a key each.', page: 'Project' };
  }
  if (phase === 'unreachable') return { title: 'No answer', text: `${failure} Trying again…`, retry: true };
  if (phase === 'refused') return { title: 'No image is handed out', text: failure, page: 'Project' };
  if (phase === 'loading') return { title: '', text: 'Loading the next image…' };
  if (!progress || progress.images === 0) {
    return { title: 'No images yet', text: 'Import a folder or a zip of images on the Project page.', page: 'Project' };
  }
  if (progress.excluded === progress.images) {
    return {
      title: 'All images are excluded',
      text: 'Bring some back on the Queue page, or import more on the Project page.',
      page: 'Queue',
    };
  }
  if (progress.labelled >= progress.images - progress.excluded) {
    return {
      title: 'All images are labelled',
      text: 'Export the label maps or import more on the Project page, or look labels over on the Queue page.',
      page: 'Project',
    };
  }
  return {
    title: 'Nothing left for you now',
    text: 'Other people hold the remaining images. Images that nobody finishes come back within minutes.',
  };
}

/** What went wrong, in its own words. @param {unknown} error */
export function reasonOf(error) {
  return error instanceof Error ? error.message : String(error);
}
