// Colours of label maps, as tables that turn one byte into one RGBA pixel.

import { NOT_LABELLED, VOID } from './label_map.js';

/**
 * @typedef {{index: number, name: string, colour: string, hotkey: string | null, archived: boolean}} LabelClass
 */

const UNKNOWN = '#8a8f98';
const VOID_DARK = '#15181d';
const VOID_LIGHT = '#5b616b';
const GAP_ALPHA = 115;

/** The red, green and blue of `#rrggbb`, 0…255 each; grey for anything else. */
export function channels(colour) {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour) ?? channels.fallback;
  return [1, 2, 3].map((i) => Number.parseInt(match[i], 16));
}
channels.fallback = /^#(..)(..)(..)$/.exec(UNKNOWN);

/** One RGBA pixel as the integer that a Uint32Array over ImageData wants (little-endian). */
export function packed(colour, alpha = 255) {
  const [red, green, blue] = channels(colour);
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * Tables for label and suggestion: `stripe` where the hatch is strong, `gap` between, and `label` for
 * what a person vouched for. Void has two greys, so that it shows on any picture.
 * @param {LabelClass[]} classes
 */
export function colourTables(classes) {
  const label = new Uint32Array(256).fill(packed(UNKNOWN));
  const stripe = new Uint32Array(256).fill(packed(UNKNOWN));
  const gap = new Uint32Array(256).fill(packed(UNKNOWN, GAP_ALPHA));
  for (const one of classes) {
    label[one.index] = packed(one.colour);
    stripe[one.index] = packed(one.colour);
    gap[one.index] = packed(one.colour, GAP_ALPHA);
  }
  label[NOT_LABELLED] = 0;
  label[VOID] = packed(VOID_DARK);
  for (const table of [stripe, gap]) table.fill(0, NOT_LABELLED);
  return { label, stripe, gap, voidLight: packed(VOID_LIGHT) };
}

/**
 * 256 RGBA pixels for an uncertainty map: clear where the model is sure, then violet, red, yellow.
 * @returns {Uint32Array}
 */
export function heatTable() {
  const stops = [
    [0, 60, 20, 110, 0],
    [0.25, 110, 30, 140, 90],
    [0.5, 200, 50, 100, 190],
    [0.75, 250, 120, 40, 225],
    [1, 255, 240, 110, 245],
  ];
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const share = value / 255;
    const upper = Math.max(1, stops.findIndex((stop) => stop[0] >= share));
    const [low, high] = [stops[upper - 1], stops[upper]];
    const t = (share - low[0]) / (high[0] - low[0]);
    const [red, green, blue, alpha] = [1, 2, 3, 4].map((i) => Math.round(low[i] + t * (high[i] - low[i])));
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** What stands on a keycap for a `KeyboardEvent.code`: `Digit1` → `1`, `KeyQ` → `Q`. */
export function keyName(code) {
  if (!code) return '';
  return code.replace(/^(Digit|Key)/, '').replace(/^Numpad/, 'Num ');
}
