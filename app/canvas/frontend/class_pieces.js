// The connected pieces of one class: its small islands, and the holes it encloses.

import { classMask, trimmedChange } from './class_mask.js';

/** @typedef {import('./label_map.js').LabelMap} LabelMap */
/** @typedef {import('./region.js').Region} Region */
/** @typedef {import('./region.js').Change} Change */

/**
 * Runs of equal members along rows, in order. Runs of one piece lead to one root by `rootOf`.
 * @typedef {{starts: number[], ends: number[], parents: number[]}} Runs
 */

/**
 * What a class encloses, to be filled with it. A ring closes when its pixels touch by sides or corners, so
 * a line one pixel wide closes too; what reaches the border of the image is not enclosed.
 * @param {LabelMap} map
 * @param {number} value the class
 * @param {Region | null} region only this part of the class; null for all of it
 * @returns {Change | null}
 */
export function holesOf(map, value, region = null) {
  const box = classMask(map, value, region);
  if (!box) return null;
  const { width, height, members } = box;
  const runs = runsOf(members, width, 0);
  const isOpen = new Uint8Array(runs.starts.length);
  for (let run = 0; run < isOpen.length; run++) {
    const start = runs.starts[run];
    const end = runs.ends[run];
    const isAtBorder = start < width || end > (height - 1) * width || start % width === 0 || end % width === 0;
    if (isAtBorder) isOpen[rootOf(runs.parents, run)] = 1;
  }
  const mask = new Uint8Array(members.length);
  for (let run = 0; run < isOpen.length; run++) {
    if (isOpen[rootOf(runs.parents, run)]) continue;
    const row = Math.floor(runs.starts[run] / width);
    const shift = (box.y0 + row) * map.width + box.x0 - row * width;
    // A separate part of the same class may lie in the hole.
    for (let i = runs.starts[run]; i < runs.ends[run]; i++) mask[i] = map.pixels[i + shift] === value ? 0 : 1;
  }
  return trimmedChange(box, mask, new Uint8Array(mask.length).fill(value));
}

/**
 * The 4-connected pieces of a class with fewer pixels than a limit. Each takes the value it shares the most
 * border with, not labelled and void included; of equals the smallest.
 * @param {LabelMap} map
 * @param {number} value the class
 * @param {number} smallest pieces of this many pixels stay
 * @param {Region | null} region only pieces of this part of the class; null for all of it
 * @returns {Change | null}
 */
export function islandsOf(map, value, smallest, region = null) {
  const box = classMask(map, value, region);
  if (!box) return null;
  const { width, members } = box;
  const { starts, ends, parents } = runsOf(members, width, 1);
  const sizes = new Uint32Array(starts.length);
  for (let run = 0; run < sizes.length; run++) sizes[rootOf(parents, run)] += ends[run] - starts[run];
  /** @type {Map<number, {runs: number[], border: Map<number, number>}>} */
  const islands = new Map();
  for (let run = 0; run < sizes.length; run++) {
    const root = rootOf(parents, run);
    if (sizes[root] >= smallest) continue;
    let island = islands.get(root);
    if (!island) {
      island = { runs: [], border: new Map() };
      islands.set(root, island);
    }
    island.runs.push(run);
    const row = Math.floor(starts[run] / width);
    const shift = (box.y0 + row) * map.width + box.x0 - row * width;
    addBorder(map, value, starts[run] + shift, ends[run] + shift, island.border);
  }
  const mask = new Uint8Array(members.length);
  const values = new Uint8Array(members.length);
  for (const { runs, border } of islands.values()) {
    if (border.size === 0) continue;
    const around = longestBorder(border);
    for (const run of runs) {
      mask.fill(1, starts[run], ends[run]);
      values.fill(around, starts[run], ends[run]);
    }
  }
  return trimmedChange(box, mask, values);
}

/**
 * @param {Uint8Array} members rows of `width`
 * @param {number} wanted runs of which member, 0 or 1
 * @returns {Runs}
 */
function runsOf(members, width, wanted) {
  const starts = [];
  const ends = [];
  const parents = [];
  let above = 0;
  for (let rowStart = 0; rowStart < members.length; rowStart += width) {
    const first = starts.length;
    const rowEnd = rowStart + width;
    for (let at = rowStart; at < rowEnd; at++) {
      if (members[at] !== wanted) continue;
      const start = at;
      while (at < rowEnd && members[at] === wanted) at++;
      const run = starts.length;
      starts.push(start);
      ends.push(at);
      parents.push(run);
      while (above < first && ends[above] + width <= start) above++;
      for (let other = above; other < first && starts[other] + width < at; other++) {
        parents[rootOf(parents, other)] = rootOf(parents, run);
      }
    }
    above = first;
  }
  return { starts, ends, parents };
}

function rootOf(parents, run) {
  while (parents[run] !== run) {
    parents[run] = parents[parents[run]];
    run = parents[run];
  }
  return run;
}

/** Count the sides that a run of pixels shares with each other value. */
function addBorder({ pixels, width }, value, start, end, border) {
  const add = (at) => {
    const other = pixels[at];
    if (at >= 0 && at < pixels.length && other !== value) border.set(other, (border.get(other) ?? 0) + 1);
  };
  if (start % width > 0) add(start - 1);
  if (end % width > 0) add(end);
  for (let at = start; at < end; at++) {
    add(at - width);
    add(at + width);
  }
}

function longestBorder(border) {
  let longest = 256;
  for (const [value, sides] of border) {
    const most = border.get(longest) ?? 0;
    if (sides > most || (sides === most && value < longest)) longest = value;
  }
  return longest;
}
