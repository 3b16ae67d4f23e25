// Requests to the server's routes. Every answer is data; a request that got none says `unreachable`.

import { ArrivingBytes } from './arriving_bytes.js';
import { decodedMap } from './decoded_map.js';
import { given } from './given.js';
import { TiledPicture } from './image_tiles.js';
import { NOT_LABELLED, withoutClasses } from './label_map.js';
import { Picture, decodedLevels } from './picture.js';
import { decode } from './run_length.js';
import { SuperpixelMap } from './superpixel_map.js';
import { reasonOf } from './wording.js';

/** The server has begun to answer by then, or is taken for gone. */
const TIMEOUT_MS = 20000;
/** An answer is here by then: a large picture on a thin line takes its time. */
const WHOLE_ANSWER_MS = 180000;
/** What a request brings has arrived at this pace at the least; the server answers after it. */
const SENT_A_SECOND = 20000;
/** Browsers refuse larger bodies for requests that outlive the page. */
const KEEPALIVE_MOST_BYTES = 60 * 1024;
const AHEAD = 6;

/** @typedef {{width: number, height: number, values: Uint8Array}} Uncertainty 0 for sure … 255, at a resolution of its own */

/** @typedef {import('./types.js').Item} Item */
/** @typedef {import('./types.js').Progress} Progress */
/** @typedef {import('./types.js').Loaded} Loaded */
/** @typedef {import('./types.js').SaveRequest} SaveRequest */

/** A request that failed in a way the person must hear of. */
export class RequestFailed extends Error {
  /**
   * @param {number} status HTTP status, 0 when the server could not be reached
   * @param {string} message a sentence for the person
   * @param {import('./types.js').Refusal} body the server's JSON
   */
  constructor(status, message, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

export class Transport {
  /**
   * @param {number} projectId
   * @param {() => number[]} archived classes that are not suggested any more
   * @param {string} annotator
   */
  constructor(projectId, archived, annotator) {
    this.projectId = projectId;
    this.archived = archived;
    /** Somebody else may have signed in in this browser since; the server then takes nothing under their name. */
    this.sender = { 'X-Qualm': '1', 'X-Annotator': encodeURIComponent(annotator) };
    /** The view in which images of many bits or channels are wanted. @type {(item: Item) => string} */
    this.viewQuery = () => '';
    /**
     * What comes with the items, by address, until it is asked for; null when it did not come after all.
     * @type {Map<string, Promise<Uint8Array<ArrayBuffer> | null>>}
     */
    this.brought = new Map();
  }

  /**
   * @param {number | null} holding the image on the screen
   * @param {number[]} displaced images that were on it before, and of which nothing was handed in
   * @returns {Promise<{items: Item[]}>}
   */
  next(holding = null, displaced = []) {
    return this.#json(this.#next(holding, displaced.length > 0 ? `&displaced=${displaced.join(',')}` : ''));
  }

  /**
   * The next items for somebody who waits: what lies at addresses of the first one comes behind them in the same
   * answer, one after the other.
   * @param {number | null} left the image that was on the screen
   * @returns {Promise<{items: Item[]}>}
   */
  async nextAwaited(left = null) {
    const response = await this.#get(this.#next(left, '&contents=1'), { cache: 'no-store' });
    const length = Number(response.headers.get('X-JSON-Bytes'));
    if (!length || !response.body) return arrived(response.json());
    const arriving = new ArrivingBytes(response.body);
    const { items, contents } = JSON.parse(new TextDecoder().decode(await arrived(arriving.take(length))));
    this.brought.clear();
    /** @type {Promise<unknown>} */
    let before = Promise.resolve();
    for (const address of contents) {
      const content = before.then(() => arriving.takeCounted());
      before = content;
      this.brought.set(address, content.then((bytes) => (bytes.length > 0 ? bytes : null), () => null));
    }
    return { items };
  }

  /** @param {number | null} holding @param {string} more */
  #next(holding, more = '') {
    const held = holding === null ? '' : `&holding=${holding}`;
    return `/api/projects/${this.projectId}/next?count=${AHEAD}${held}${more}`;
  }

  /** @param {number} imageId @returns {Promise<{item: Item, held_by: string | null}>} */
  item(imageId) {
    return this.#json(`/api/images/${imageId}/item`);
  }

  /** @returns {Promise<Progress>} */
  progress() {
    return this.#json(`/api/projects/${this.projectId}/progress`);
  }

  /**
   * @param {number} imageId
   * @param {number | null} holding the image on the screen
   * @returns {Promise<{items: Item[], progress: Progress}>}
   */
  skip(imageId, holding = null) {
    const held = holding === null ? '' : `&holding=${holding}`;
    return this.#json(`/api/images/${imageId}/skip?next=${AHEAD}${held}`, { method: 'POST' });
  }

  /** @param {number} imageId */
  renewLease(imageId) {
    return this.#json(`/api/images/${imageId}/lease`, { method: 'POST' });
  }

  /** @param {Item} item @returns {Promise<Uint8Array>} the known true label map */
  async truth(item) {
    return this.#runLengths(`/api/images/${item.image_id}/truth`, item);
  }

  /** @param {Item} item @returns {Promise<{revisions: import('./revisions.js').Revision[]}>} newest first */
  revisions(item) {
    return this.#json(`/api/images/${item.image_id}/revisions`);
  }

  /** @param {Item} item @param {number} revision @returns {Promise<Uint8Array>} */
  async revision(item, revision) {
    const url = `/api/images/${item.image_id}/label/${revision}`;
    const response = await this.#get(url, { cache: 'no-store' });
    return decodedMap(await arrived(response.arrayBuffer()), item.width * item.height);
  }

  /**
   * @param {Item} item
   * @returns {Promise<{pixels: Uint8Array, name: string}>} of the image before this one in its group
   */
  async previousLabel(item) {
    const response = await this.#get(`/api/images/${item.image_id}/previous-label`, { cache: 'no-store' });
    const pixels = await decodedMap(await arrived(response.arrayBuffer()), item.width * item.height);
    return { pixels, name: decodeURIComponent(response.headers.get('X-Image-Name') ?? '') };
  }

  /** @param {Item} item @param {number} count about how many superpixels the image is to have */
  async superpixels(item, count) {
    const response = await this.#get(`${item.superpixels_url}?segments=${count}`);
    return new SuperpixelMap(new Uint8Array(await arrived(response.arrayBuffer())), item.width, item.height);
  }

  /** The label map as the server has it now. @param {Item} item */
  async label(item) {
    const response = await this.#get(item.label_url ?? `/api/images/${item.image_id}/label`, { cache: 'no-store' });
    return {
      pixels: await decodedMap(await arrived(response.arrayBuffer()), item.width * item.height),
      revision: Number.parseInt((response.headers.get('ETag') ?? '0').replace(/^W\/|"/g, ''), 10) || 0,
      status: response.headers.get('X-Label-Status') || null,
      request: response.headers.get('X-Submission-Id') || null,
    };
  }

  /**
   * Everything that the editor needs of one item, decoded.
   * @param {Item} item
   * @param {Promise<Loaded> | null} earlier what was loaded for it before; what did not change since is taken over
   * @param {(arriving: import('./types.js').Arriving) => void} onMaps hears of label map and suggestion, for whose
   *   colours there is time while the picture is decoded
   * @returns {Promise<Loaded>}
   */
  async load(item, earlier = null, onMaps = () => {}) {
    const before = await earlier?.catch(() => null);
    const query = this.viewQuery(item);
    const same = (/** @type {(keyof Item)[]} */ ...names) =>
      before && names.every((name) => before.item[name] === item[name]) ? before : null;
    const shown = same('image_url');
    const labelled = same('revision');
    const suggested = same('suggestion_url', 'uncertainty_url');
    const pictureFirst = shown?.query === query ? shown.picture : this.picture(item, query);
    const maps = Promise.all([
      labelled ? labelOf(labelled) : item.revision ? this.label(item) : blankLabel(item),
      suggested ? mapsOf(suggested) : this.#modelMaps(item),
    ]).then(([label, model]) => {
      onMaps({ item, ...label, ...model });
      return { ...label, ...model };
    });
    const [picture, rest] = await Promise.all([pictureFirst, maps]);
    if (before && before.picture !== picture) before.picture.close();
    return { item, picture, query, ...rest };
  }

  /**
   * The model's newest view of an image; without maps when they are the ones that are shown.
   * @param {{id: number, item: Item}} image
   * @returns {Promise<{item: Item, suggestion?: Uint8Array | null, uncertainty?: Loaded['uncertainty']}>}
   */
  async newerView({ id, item: shown }) {
    const { item } = await this.item(id);
    const isSame = item.suggestion_url === shown.suggestion_url && item.uncertainty_url === shown.uncertainty_url;
    return { item, ...(isSame ? {} : await this.#modelMaps(item)) };
  }

  /** What the model suggests of an item, without the classes that are archived by now. @param {Item} item */
  async suggestion(item) {
    const url = item.suggestion_url;
    return url ? withoutClasses(await this.#runLengths(url, item), this.archived()) : null;
  }

  /** @param {Item} item */
  async #modelMaps(item) {
    const [suggestion, uncertainty] = await Promise.all([
      item.suggestion_url ? this.#runLengths(item.suggestion_url, item) : null,
      item.uncertainty_url ? this.#uncertainty(item.uncertainty_url) : null,
    ]);
    return { suggestion: suggestion && withoutClasses(suggestion, this.archived()), uncertainty };
  }

  /**
   * Bring a label map to the server.
   * @param {SaveRequest & {holding?: number | null}} request as {@link Autosave} makes it; `holding` is the image on
   *   the screen
   * @returns {Promise<import('./autosave.js').Answer>}
   */
  async save(request) {
    const held = request.holding ? `&holding=${request.holding}` : '';
    const next = request.status === 'submitted' ? `?next=${AHEAD}${held}` : '';
    try {
      const within = TIMEOUT_MS + (1000 * request.bytes.length) / SENT_A_SECOND;
      const response = await this.#send(`/api/images/${request.imageId}/label${next}`, this.#put(request), within);
      return { kind: 'saved', body: await arrived(response.json()) };
    } catch (error) {
      if (!(error instanceof RequestFailed)) return { kind: 'unreachable', message: reasonOf(error) };
      return { kind: kindOf(error.status), status: error.status, body: error.body, message: error.message };
    }
  }

  /** Bring a label map to the server while the page goes away. Nobody hears the answer. @param {SaveRequest} request */
  saveOnTheWayOut(request) {
    const keepalive = request.bytes.length < KEEPALIVE_MOST_BYTES;
    fetch(`/api/images/${request.imageId}/label`, { ...this.#put(request), keepalive }).catch(() => {});
  }

  /** @param {SaveRequest} request @returns {RequestInit} */
  #put(request) {
    return {
      method: 'PUT',
      headers: {
        'Content-Type': 'application/octet-stream',
        'If-Match': `"${request.revision}"`,
        'X-Picture': request.picture,
        'X-Submission-Id': request.submission,
        'X-Status': request.status,
        'X-Seconds': request.seconds.toFixed(1),
        'X-Round': request.round === null ? '' : String(request.round),
        'X-Blind': request.blind ? '1' : '0',
        ...this.sender,
      },
      body: request.bytes,
    };
  }

  /** @param {string} url @param {RequestInit} options */
  async #json(url, options = {}) {
    return arrived((await this.#get(url, { cache: 'no-store', ...options })).json());
  }

  /** @param {string} url @param {RequestInit} options */
  async #get(url, options = {}) {
    return this.#send(url, { ...options, headers: { ...this.sender, ...options.headers } });
  }

  /** @param {string} url @param {RequestInit} options @param {number} within milliseconds */
  async #send(url, options, within = TIMEOUT_MS) {
    const answer = new AbortController();
    const timer = setTimeout(() => answer.abort(), within);
    let response;
    try {
      response = await fetch(url, { credentials: 'same-origin', signal: answer.signal, ...options });
    } catch {
      throw new RequestFailed(0, 'The server cannot be reached.');
    } finally {
      clearTimeout(timer);
    }
    setTimeout(() => answer.abort(), WHOLE_ANSWER_MS);
    if (response.ok) return response;
    const body = await response.json().catch(() => ({}));
    throw new RequestFailed(response.status, body.error ?? `The server answered ${response.status}.`, body);
  }

  /** The file of an address, as it came with the items or else asked for. @param {string} url @param {RequestInit} options */
  async #blob(url, options = {}) {
    const bytes = await this.#broughtFrom(url);
    return bytes ? new Blob([bytes]) : arrived((await this.#get(url, options)).blob());
  }

  /** @param {string} url */
  #broughtFrom(url) {
    const bytes = this.brought.get(url);
    this.brought.delete(url);
    return bytes;
  }

  /** @param {string} url @param {Item} item */
  async #runLengths(url, item) {
    const size = item.width * item.height;
    const brought = await this.#broughtFrom(url);
    // Of what is waited for, here: nothing else is done on this thread then, and it spares a copy.
    return brought ? decode(brought, size) : decodedMap(await arrived((await this.#get(url)).arrayBuffer()), size);
  }

  /**
   * The picture of an item; of one of many bits or channels the view that is asked for.
   * @param {Item} item
   * @param {string} query of the view, empty for the picture as it was imported
   */
  async picture(item, query) {
    const url = query && item.source_url ? item.source_url + query : item.image_url;
    const picture = new Picture(await decodedLevels(await this.#blob(url)), item.width, item.height);
    const { width, height, tiles_url: plain, tile_side, tile_levels } = item;
    if (!plain || !tile_side || !tile_levels) return picture;
    const view = query ? item.source_tiles_url : null;
    const tiling = { width, height, tile_side, tile_levels, tiles_url: view ?? plain, tiles_query: view ? query : '' };
    return new TiledPicture(picture, tiling, (address, signal) => this.#bitmap(address, signal));
  }

  /**
   * @param {string} url of an item of many bits or channels
   * @returns {Promise<import('./source_view.js').ChannelFigures>}
   */
  channels(url) {
    return this.#json(url, { cache: 'default' });
  }

  /** @param {string} url @param {AbortSignal} signal */
  async #bitmap(url, signal = AbortSignal.timeout(TIMEOUT_MS)) {
    return createImageBitmap(await this.#blob(url, { signal }), { imageOrientation: 'none' });
  }

  /** @param {string} url @returns {Promise<Uncertainty>} the grey values of an uncertainty map */
  async #uncertainty(url) {
    const bitmap = await this.#bitmap(url);
    const { width, height } = bitmap;
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = given(canvas.getContext('2d', { willReadFrequently: true }));
    context.drawImage(bitmap, 0, 0);
    bitmap.close();
    const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    return { width, height, values: Uint8Array.from(pixels) };
  }
}

/**
 * The body of an answer, or a part of it. One that breaks off is as good as none.
 * @template T
 * @param {Promise<T>} body
 * @returns {Promise<T>}
 */
async function arrived(body) {
  try {
    return await body;
  } catch {
    throw new RequestFailed(0, 'The connection broke off in the middle of an answer.');
  }
}

/** The label map of an image that nobody has labelled: the queue's item says so, the server need not. @param {Item} item */
function blankLabel({ width, height }) {
  return { pixels: new Uint8Array(width * height).fill(NOT_LABELLED), revision: 0, status: null, request: null };
}

/** @param {Loaded} loaded */
function labelOf({ pixels, revision, status, request }) {
  return { pixels, revision, status, request };
}

/** @param {Loaded} loaded */
function mapsOf({ suggestion, uncertainty }) {
  return { suggestion, uncertainty };
}

/** @param {number} status @returns {import('./autosave.js').Refused['kind']} */
function kindOf(status) {
  if (status === 401) return 'signed-out';
  if (status === 409) return 'conflict';
  if (status === 412) return 'other-picture';
  if (status === 423) return 'held';
  // A full disk or a restarting server may be well again at the next try.
  if (!status || status === 408 || status === 429 || status >= 500) return 'unreachable';
  return 'refused';
}
