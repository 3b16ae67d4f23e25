// Colours of label maps, as tables that turn one byte into one RGBA pixel.

import { KEYS, LABELLED, REMOVED, SUGGESTED, UNCHANGED } from './colouring.js';
import { NOT_LABELLED, VOID } from './label_map.js';
import { CROSSED, HATCH, classPattern } from './patterns.js';

/**
 * @typedef {{index: number, name: string, colour: string, hotkey: string | null, archived: boolean}} LabelClass
 */

const UNKNOWN = '#8a8f98';
const VOID_DARK = '#15181d';
const VOID_LIGHT = '#5b616b';
const GREY = '#8a8f98';
const REMOVED_BACK = '#15181d';
/** Strength of a suggestion between the lines of its hatch, and of what did not change in the difference view. */
const GAP = 0.45;
const DIM = 0.3;
const OUTLINE_GAIN = 1.8;

/** @param {LabelClass[]} classes @returns {number[]} indices of those that nobody labels any more */
export function archivedOf(classes) {
  return classes.filter((one) => one.archived).map((one) => one.index);
}

/** @param {LabelClass[]} classes @param {number} value of a label map @returns {string} `#rrggbb` */
export function colourOf(classes, value) {
  return classes.find((one) => one.index === value)?.colour ?? UNKNOWN;
}

/** @param {LabelClass[]} classes @param {number} value of a label map */
export function nameOf(classes, value) {
  if (value === NOT_LABELLED) return 'not labelled';
  if (value === VOID) return 'void';
  return classes.find((one) => one.index === value)?.name ?? `class ${value}`;
}

/**
 * The red, green and blue of `#rrggbb`, 0…255 each; grey for anything else.
 * @param {string} colour
 */
export function channels(colour) {
  const known = /^#[0-9a-f]{6}$/i.test(colour) ? colour : UNKNOWN;
  return [1, 3, 5].map((start) => Number.parseInt(known.slice(start, start + 2), 16));
}

/** One RGBA pixel as the integer that a Uint32Array over ImageData wants (little-endian). */
export function packed(colour, alpha = 255) {
  const [red, green, blue] = channels(colour);
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * How the keys of the label tiles look.
 * @param {LabelClass[]} classes
 * @param {{label: number, suggestion: number}} opacity 0…1; 0 hides
 * @param {import('./display.js').Display} display
 * @param {number} grain a pattern's dots are 2^grain tile pixels wide
 * @returns {import('./colouring.js').Look}
 */
export function lookOf(classes, opacity, display, grain) {
  const colours = new Uint32Array(2 * KEYS);
  const patterns = new Uint8Array(8 * KEYS);
  const rank = new Uint8Array(KEYS);
  const paint = (key, pattern, between, on) => {
    colours[2 * key] = between;
    colours[2 * key + 1] = on;
    patterns.set(pattern, 8 * key);
    if (between >>> 24 || on >>> 24) rank[key] = key >= SUGGESTED && key < UNCHANGED ? 1 : 2;
  };
  const known = new Map(classes.map((one) => [one.index, one.colour]));
  // A line must be stronger than an area to be seen as well.
  const gain = display.outlines ? OUTLINE_GAIN : 1;
  const strength = (share) => Math.round(255 * Math.min(1, gain * share));
  for (let value = 0; value < 256; value++) {
    if (value === NOT_LABELLED || display.hidden.has(value)) continue;
    const isVoid = value === VOID;
    const colour = isVoid ? VOID_DARK : (known.get(value) ?? UNKNOWN);
    const on = isVoid ? VOID_LIGHT : display.patterns ? contrastOf(colour) : colour;
    const pattern = isVoid ? HATCH : classPattern(value);
    const full = strength(opacity.label);
    paint(LABELLED + value, pattern, packed(colour, full), packed(on, full));
    const dim = packed(mixed(colour, GREY, 0.6), strength(opacity.label * DIM));
    paint(UNCHANGED + value, pattern, dim, display.patterns ? packed(on, strength(opacity.label * DIM)) : dim);
    paint(REMOVED + value, CROSSED, packed(REMOVED_BACK, full), packed(colour, full));
    if (isVoid) continue;
    const step = strength(opacity.suggestion * GAP);
    const faint = packed(colour, step);
    if (display.suggestion === 'hatched') {
      paint(SUGGESTED + value, display.patterns ? pattern : HATCH, faint, packed(colour, strength(opacity.suggestion)));
    } else paint(SUGGESTED + value, pattern, faint, display.patterns ? packed(on, step) : faint);
  }
  return { colours, patterns, rank, outlines: display.outlines, grain };
}

/** A lighter shade of a dark colour and a darker one of a light colour. */
function contrastOf(colour) {
  const [red, green, blue] = channels(colour);
  return 0.3 * red + 0.59 * green + 0.11 * blue > 110 ? mixed(colour, '#000000', 0.62) : mixed(colour, '#ffffff', 0.62);
}

/** Two colours mixed; `share` of the second. */
function mixed(one, other, share) {
  const [a, b] = [channels(one), channels(other)];
  return `#${a.map((value, i) => Math.round(value + share * (b[i] - value)).toString(16).padStart(2, '0')).join('')}`;
}

/** Chance that the suggestion is wrong, then red, green, blue and alpha, 0…255. */
export const HEAT_STOPS = [
  [0, 60, 20, 110, 0],
  [0.25, 110, 30, 140, 90],
  [0.5, 200, 50, 100, 190],
  [0.75, 250, 120, 40, 225],
  [1, 255, 240, 110, 245],
];

/**
 * 256 RGBA pixels for an uncertainty map: clear where the model is sure, then violet, red, yellow.
 * @returns {Uint32Array}
 */
export function heatTable() {
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const share = value / 255;
    const upper = Math.max(1, HEAT_STOPS.findIndex((stop) => stop[0] >= share));
    const [low, high] = [HEAT_STOPS[upper - 1], HEAT_STOPS[upper]];
    const t = (share - low[0]) / (high[0] - low[0]);
    const [red, green, blue, alpha] = [1, 2, 3, 4].map((i) => Math.round(low[i] + t * (high[i] - low[i])));
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
