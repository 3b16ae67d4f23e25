// What lies over each other on the canvas: image, label map with suggestion, uncertainty, preview of a region.
// A view of the label map only: nothing is ever read back from here.

import { AdjustedPieces } from './adjusted_pieces.js';
import { PLAIN, isAdjusted } from './display.js';
import { FirstFrame } from './first_frame.js';
import { heatOf } from './heat.js';
import { LabelTiles } from './label_tiles.js';
import { lookOf } from './palette.js';
import { overlap, pixelsAround, union } from './rectangle.js';
import { RegionPreview } from './region_preview.js';

/** @typedef {import('./rectangle.js').Rectangle} Rectangle */
/** @typedef {import('./open_image.js').OpenImage} OpenImage */
/** @typedef {import('./pieces.js').Place} Place */
/** @typedef {import('./label_map.js').UncertaintyMap} UncertaintyMap */
/** @typedef {import('./editor_state.js').Opacity} Opacity */

/** How long one frame may colour; what is left comes in the next. The first frame of an image may take longer. */
const FRAME_MS = 12;
const FIRST_FRAME_MS = 24;
const IDLE_MS = 8;
/** How far a changed pixel may show beyond its own place: smoothing and outlines, in pixels of the canvas. */
const SPREAD = 6;

/** @typedef {import('./types.js').AnyPicture} AnyPicture */

/**
 * What the label tiles show; its uncertainty is that of the image on the screen unless it has one of its own.
 * @typedef {{width: number, height: number, pixels: Uint8Array, suggestion: Uint8Array | null,
 *   uncertainty?: UncertaintyMap | null}} Shown
 */

/**
 * What is drawn of one image.
 * @typedef {object} Scene
 * @property {Shown | null} image
 * @property {AnyPicture | null} picture
 * @property {UncertaintyMap | null} uncertainty
 * @property {LabelTiles | null} tiles made when they are drawn
 * @property {HTMLCanvasElement | null} heat made when it is drawn
 */

/**
 * What is ready of an image before it is shown.
 * @typedef {Scene & {image: Shown, tiles: LabelTiles, frame: FirstFrame | null}} Prepared
 */

/** How a view lies on a canvas. @typedef {{viewport: import('./viewport.js').Viewport, ratio: number, width: number, height: number}} Sight */

export class Layers {
  constructor() {
    /** @type {OpenImage | null} */
    this.image = null;
    /** @type {AnyPicture | null} */
    this.picture = null;
    /** @type {UncertaintyMap | null} */
    this.uncertainty = null;
    /** @type {import('./palette.js').LabelClass[]} */
    this.classes = [];
    this.display = PLAIN;
    this.shown = labelsOf(PLAIN);
    /** @type {LabelTiles | null} */
    this.tiles = null;
    /** @type {AdjustedPieces | null} */
    this.adjusted = null;
    /** @type {RegionPreview | null} */
    this.preview = null;
    /** @type {HTMLCanvasElement | null} */
    this.heat = null;
    /** @type {import('./colouring.js').Look | null} */
    this.look = null;
    this.lookedAt = '';
    this.isFirstFrame = false;
    /** Drawn ahead for the first frame. @type {FirstFrame | null} */
    this.frame = null;
    /** By the label map. @type {WeakMap<Uint8Array, Prepared>} */
    this.prepared = new WeakMap();
    this.ratio = 1;
    /** Called when there is more to draw than the last frame could. */
    this.onMore = () => {};
  }

  /** @param {import('./palette.js').LabelClass[]} classes */
  setClasses(classes) {
    this.classes = classes;
    this.look = null;
  }

  /**
   * Show label map and image in another way from the next frame on.
   * @param {import('./display.js').Display} display
   */
  setDisplay(display) {
    const shown = labelsOf(display);
    if (shown !== this.shown || display.difference !== this.display.difference) this.look = null;
    this.shown = shown;
    this.display = display;
    if (this.tiles) this.tiles.source = this.#sourceOf(this.tiles.source);
    if (isAdjusted(display.adjustment)) {
      this.adjusted ??= new AdjustedPieces();
      this.adjusted.set(display.adjustment);
    } else {
      this.adjusted?.release();
      this.adjusted = null;
    }
  }

  /**
   * Show a region that a click would change.
   * @param {import('./region_preview.js').Region | null} region null shows none
   * @param {string} colour `#rrggbb`
   */
  setPreview(region, colour) {
    this.preview = region && new RegionPreview(region, colour);
  }

  /**
   * Show another image.
   * @param {OpenImage | null} image
   * @param {AnyPicture | null} picture
   * @param {UncertaintyMap | null} uncertainty
   */
  show(image, picture, uncertainty) {
    this.tiles?.release();
    this.adjusted?.release();
    this.#dropFrame();
    this.image = image;
    this.picture = picture;
    this.uncertainty = uncertainty;
    this.heat = null;
    this.preview = null;
    this.tiles = null;
    this.isFirstFrame = true;
    if (picture) picture.onArrival = () => this.onMore();
    if (!image) return;
    const prepared = this.prepared.get(image.pixels);
    this.prepared.delete(image.pixels);
    if (prepared && isOf(prepared, image, picture, uncertainty)) {
      ({ tiles: this.tiles, heat: this.heat, frame: this.frame } = prepared);
    } else prepared?.frame?.close();
    this.tiles ??= new LabelTiles(this.#sourceOf(image));
    this.tiles.source = this.#sourceOf(image);
  }

  /** Show the same image in another view of its values. @param {AnyPicture} picture */
  showPicture(picture) {
    this.#dropFrame();
    this.adjusted?.release();
    this.picture = picture;
    picture.onArrival = () => this.onMore();
  }

  /**
   * Colour what an image will show when it is opened, and draw its first frame, in pieces while the browser is idle.
   * @param {Shown & {uncertainty: UncertaintyMap | null, picture?: AnyPicture}} image of which the picture may be
   *   still under way
   * @param {() => Sight} sightNow how it would lie on the canvas
   * @param {Opacity} opacity
   * @param {boolean} isAwaited somebody waits for it: in pieces all the same, but without waiting for the browser
   */
  async prepare(image, sightNow, opacity, isAwaited = false) {
    const { pixels, uncertainty, picture = null } = image;
    const before = this.prepared.get(pixels);
    if (before && isOf(before, image, picture, uncertainty)) return;
    before?.frame?.close();
    const tiles = new LabelTiles(this.#sourceOf(image));
    /** @type {Prepared} */
    const prepared = { image, picture, uncertainty, tiles, heat: null, frame: null };
    this.prepared.set(pixels, prepared);
    const everything = { x0: 0, y0: 0, x1: image.width, y1: image.height };
    // What is on the screen keeps its look; an image that needs another one is coloured when it is shown.
    if (this.look && this.lookedAt !== this.#nameOfLook(opacity)) return;
    const look = this.#lookFor(opacity);
    const isWanted = () => this.look === look && this.prepared.get(pixels) === prepared;
    let isDone = false;
    while (!isDone) {
      const until = await (isAwaited ? soon() : idle());
      if (!isWanted()) return;
      const { viewport, ratio } = sightNow();
      isDone = tiles.prepare(look, viewport.scale * ratio, everything, until) === null;
    }
    // Of a picture in tiles the overview would do, and its tiles would not be asked for.
    if (!picture || picture.overview !== picture || this.adjusted || this.display.difference) return;
    await picture.overview.whole;
    await idle();
    // A queue in a new order lets go of what was loaded ahead, whatever is still under way with it.
    if (!isWanted() || picture.overview.isClosed) return;
    const sight = sightNow();
    const place = placeOf(sight);
    const setting = { width: sight.width, height: sight.height, place, opacity, look };
    prepared.frame = new FirstFrame(setting, (context) => {
      this.#drawLayers(context, place, prepared, everything, opacity, Infinity);
    });
  }

  /** The label map or the suggestion changed inside a rectangle. @param {Rectangle} rectangle */
  changed(rectangle) {
    this.#dropFrame();
    this.tiles?.changed(rectangle);
  }

  /**
   * Draw all visible layers.
   * @param {CanvasRenderingContext2D} context of the visible canvas
   * @param {import('./viewport.js').Viewport} viewport
   * @param {number} ratio pixels of the canvas per CSS pixel
   * @param {Opacity} opacity 0 hides a layer
   * @param {Rectangle | null} only image pixels to draw again; null for all
   * @returns {Rectangle | null} image pixels that need another frame
   */
  draw(context, viewport, ratio, opacity, only = null) {
    const { width, height } = context.canvas;
    const place = placeOf({ viewport, ratio });
    this.ratio = ratio;
    if (!only && !this.adjusted && this.frame?.fits({ width, height, place, opacity, look: this.#lookFor(opacity) })) {
      this.frame.draw(context);
      this.preview?.draw(context, place);
      this.#dropFrame();
      this.isFirstFrame = false;
      return null;
    }
    const whole = { x0: 0, y0: 0, x1: width, y1: height };
    const part = only ? overlap(whole, onCanvas(only, place)) : whole;
    if (!part) return null;
    context.save();
    if (only) {
      context.beginPath();
      context.rect(part.x0, part.y0, part.x1 - part.x0, part.y1 - part.y0);
      context.clip();
    }
    context.clearRect(part.x0, part.y0, part.x1 - part.x0, part.y1 - part.y0);
    const { image } = this;
    const visible = image && seenThrough(part, place, image);
    const until = performance.now() + (this.isFirstFrame ? FIRST_FRAME_MS : FRAME_MS);
    this.isFirstFrame = false;
    const left = visible && this.#drawLayers(context, place, this, visible, opacity, until);
    this.preview?.draw(context, place);
    if (visible && !only) this.picture?.want(place.scale, visible);
    context.restore();
    return left;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Place} place
   * @param {Scene} scene
   * @param {Rectangle} visible image pixels
   * @param {Opacity} opacity
   * @param {number} until as `performance.now()` counts
   */
  #drawLayers(context, place, scene, visible, opacity, until) {
    const { image, uncertainty } = scene;
    if (!image) return null;
    let left = scene.picture?.draw(context, place, visible, this.adjusted, until) ?? null;
    if (opacity.label > 0 || (opacity.suggestion > 0 && image.suggestion)) {
      scene.tiles ??= new LabelTiles(this.#sourceOf(image));
      left = union(left, scene.tiles.draw(context, this.#lookFor(opacity), place, visible, until));
    }
    if (uncertainty && opacity.uncertainty > 0) {
      scene.heat ??= heatOf(uncertainty);
      context.imageSmoothingEnabled = true;
      context.globalAlpha = opacity.uncertainty;
      context.drawImage(scene.heat, place.x, place.y, image.width * place.scale, image.height * place.scale);
      context.globalAlpha = 1;
    }
    return left;
  }

  #dropFrame() {
    this.frame?.close();
    this.frame = null;
  }

  /** @param {Opacity} opacity */
  #lookFor(opacity) {
    const wanted = this.#nameOfLook(opacity);
    if (!this.look || this.lookedAt !== wanted) {
      this.look = lookOf(this.classes, opacity, this.display, this.#grain);
      this.lookedAt = wanted;
    }
    return this.look;
  }

  /** @param {Opacity} opacity */
  #nameOfLook({ label, suggestion }) {
    return `${label} ${suggestion} ${this.#grain}`;
  }

  /** Dots of a pattern stay about one CSS pixel wide. */
  get #grain() {
    return this.ratio >= 1.5 ? 1 : 0;
  }

  /** @param {Shown} image @returns {import('./colouring.js').Source} */
  #sourceOf({ width, height, pixels, suggestion, uncertainty = this.uncertainty }) {
    const { difference, acceptAbove } = this.display;
    return {
      width,
      height,
      pixels,
      suggestion,
      uncertainty,
      base: difference?.length === pixels.length ? difference : null,
      mostUncertain: acceptAbove === null ? -1 : 255 * (1 - acceptAbove),
    };
  }
}

/**
 * What of a display changes label tiles, all but the map of the difference view; equal when it is the same.
 * @param {import('./display.js').Display} display
 */
function labelsOf({ hidden, outlines, patterns, suggestion, acceptAbove }) {
  return [[...hidden].sort(), outlines, patterns, suggestion, acceptAbove].join(' ');
}

/** The pixels of the canvas that image pixels may show in. @param {Rectangle} pixels @param {Place} place */
function onCanvas({ x0, y0, x1, y1 }, { scale, x, y }) {
  const around = Math.ceil(scale) + SPREAD;
  return {
    x0: Math.floor(x0 * scale + x) - around,
    y0: Math.floor(y0 * scale + y) - around,
    x1: Math.ceil(x1 * scale + x) + around,
    y1: Math.ceil(y1 * scale + y) + around,
  };
}

/**
 * @param {Rectangle} part of the canvas
 * @param {Place} place
 * @param {{width: number, height: number}} image
 * @returns {Rectangle | null} the image pixels that show in it
 */
function seenThrough(part, { scale, x, y }, { width, height }) {
  const [left, right] = [(part.x0 - x) / scale, (part.x1 - x) / scale];
  return pixelsAround(left, (part.y0 - y) / scale, right, (part.y1 - y) / scale, width, height);
}

/**
 * Whether what was made ready, perhaps before the picture was here, is of these maps and this picture.
 * @param {Prepared} prepared
 * @param {Shown} image
 * @param {AnyPicture | null} picture
 * @param {UncertaintyMap | null} uncertainty
 */
function isOf(prepared, { suggestion }, picture, uncertainty) {
  const isSamePicture = prepared.picture === null || prepared.picture === picture;
  return isSamePicture && prepared.image.suggestion === suggestion && prepared.uncertainty === uncertainty;
}

/** @param {{viewport: import('./viewport.js').Viewport, ratio: number}} sight @returns {Place} */
function placeOf({ viewport, ratio }) {
  return { scale: viewport.scale * ratio, x: viewport.x * ratio, y: viewport.y * ratio };
}

/** @returns {Promise<number>} until when to work before the browser gets its turn again, as `performance.now()` counts */
function soon() {
  return new Promise((resolve) => setTimeout(() => resolve(performance.now() + IDLE_MS)));
}

/** @returns {Promise<number>} until when the browser has nothing else to do, as `performance.now()` counts */
function idle() {
  return new Promise((resolve) => {
    const begin = (/** @type {number} */ free) => resolve(performance.now() + Math.min(IDLE_MS, free));
    if (typeof requestIdleCallback !== 'function') setTimeout(() => begin(IDLE_MS), 4);
    else requestIdleCallback((deadline) => begin(deadline.didTimeout ? IDLE_MS : deadline.timeRemaining()), { timeout: 500 });
  });
}
