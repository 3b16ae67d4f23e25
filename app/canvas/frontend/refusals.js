// What happens when the server does not take a label map: the person decides, and nothing is lost.

import { merged, same } from './label_map.js';

/**
 * @typedef {Pick<import('./session.js').LabelSession, 'autosave' | 'screen' | 'transport' | 'annotator'>} Asking
 */

export class Refusals {
  /** @param {import('./session.js').LabelSession} session */
  constructor(session) {
    this.session = session;
    /** Images that the person is being asked about. @type {Set<import('./open_image.js').OpenImage>} */
    this.asked = new Set();
  }

  /**
   * @param {import('./open_image.js').OpenImage} image
   * @param {import('./autosave.js').Refused} answer
   * @param {boolean} wasSubmit
   */
  async settle(image, answer, wasSubmit) {
    const { session, asked } = this;
    // The answer that is awaited has the image saved again; what is refused then is asked then.
    if (asked.has(image)) return;
    asked.add(image);
    try {
      const isGivenUp = await settleRefusal(session, image, answer).finally(() => asked.delete(image));
      if (isGivenUp) {
        session.queue.leave(image.id);
        session.queue.acknowledge(image.id, Date.now());
        if (session.image === image) await session.advance();
      } else if (wasSubmit) session.screen.notice('Look it over, then submit again.');
    } catch (error) {
      session.autosave.resume(image);
      session.failed(error);
    }
  }

  /**
   * The server has another picture under the number of the image. The journal keeps what was painted until the server
   * has this one again.
   * @param {import('./open_image.js').OpenImage} image
   * @param {import('./autosave.js').Refused} answer
   */
  async setAside(image, { message }) {
    const { autosave, journal, queue, screen } = this.session;
    // The one on the screen stays, and says that it is not saved.
    if (this.session.image === image) {
      autosave.settle(image);
      screen.notice(message ?? '', 'warning');
      return;
    }
    queue.acknowledge(image.id, Date.now());
    if ((await screen.ask({ kind: 'other-picture', image })) === 'forget') {
      await autosave.forget(image);
      return;
    }
    autosave.drop(image);
    journal.setAside(image.id);
  }

  /**
   * Somebody else has the image now.
   * @param {import('./open_image.js').OpenImage} image
   * @param {import('./transport.js').RequestFailed} refusal
   */
  async lost(image, { body, message }) {
    if (this.session.image === image) await this.settle(image, { kind: 'held', body, message }, false);
  }
}

/**
 * The save that was refused may be an earlier one of this person, whose answer was lost with the page: when the
 * server has the very same pixels, there is nothing to ask.
 * @param {{autosave: import('./autosave.js').Autosave, transport: import('./transport.js').Transport}} parts
 * @param {import('./open_image.js').OpenImage} image
 * @param {import('./autosave.js').Refused} answer
 * @param {boolean} wasSubmit
 * @returns {Promise<boolean>} whether that was so; a submission then goes on by itself, a draft has arrived
 */
export async function adoptEqual({ autosave, transport }, image, answer, wasSubmit) {
  if (answer.kind !== 'conflict') return false;
  try {
    const theirs = await transport.label(image.item);
    if (!same(theirs.pixels, image.pixels)) return false;
    image.revision = theirs.revision;
    image.status = theirs.status;
    if (wasSubmit) autosave.resume(image);
    else await autosave.forget(image);
    return true;
  } catch {
    return false;
  }
}

/**
 * Ask what to do with a label map that the server refused, and do it.
 * @param {Asking} asking
 * @param {import('./open_image.js').OpenImage} image
 * @param {import('./autosave.js').Refused} answer
 * @returns {Promise<boolean>} whether the person gave the image up
 */
async function settleRefusal(asking, image, answer) {
  if (answer.kind === 'conflict') {
    await settleConflict(asking, image, answer);
    return false;
  }
  const { autosave, screen } = asking;
  const choice = await screen.ask({
    kind: answer.kind === 'held' ? 'held' : 'refused',
    image,
    heldBy: answer.body?.held_by ?? null,
    message: answer.message,
  });
  if (choice === 'retry') autosave.resume(image);
  else autosave.settle(image);
  if (choice !== 'next') return false;
  await autosave.forget(image);
  return true;
}

/**
 * Somebody saved a newer revision, perhaps this person elsewhere: theirs, mine, or both. Theirs and the merge can be
 * undone.
 * @param {Asking} asking
 * @param {import('./open_image.js').OpenImage} image
 * @param {import('./autosave.js').Refused} answer
 */
async function settleConflict({ autosave, screen, transport, annotator }, image, answer) {
  const choice = await screen.ask({
    kind: 'conflict',
    image,
    author: answer.body?.author ?? null,
    isOwn: answer.body?.author === annotator,
    revision: answer.body?.revision ?? null,
  });
  const theirs = await transport.label(image.item);
  if (choice === 'theirs') image.replace(theirs.pixels);
  if (choice === 'merge') image.replace(merged(theirs.pixels, image.pixels));
  image.revision = theirs.revision;
  image.status = theirs.status;
  if (choice === 'theirs') await autosave.forget(image);
  else {
    // Theirs is the newest on the server now, so this is not saved, though a draft before theirs may hold it.
    image.edits++;
    autosave.resume(image);
  }
}
