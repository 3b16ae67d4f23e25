// The scale of the uncertainty's colours, in the corner of the stage while they are shown.

import { h } from './elements.js';
import { HEAT_STOPS } from './palette.js';

export function heatScale() {
  const stops = HEAT_STOPS.map(([share, red, green, blue, alpha]) => `rgb(${red} ${green} ${blue} / ${alpha / 255}) ${100 * share}%`);
  return h(
    'div',
    { class: 'heat-scale', hidden: true, role: 'img', 'aria-label': 'Chance that the suggestion is wrong: clear is none, red a half, yellow all' },
    h('span', {}, 'right'),
    h('i', { style: `background: linear-gradient(90deg, ${stops.join(', ')})` }),
    h('span', {}, 'wrong'),
  );
}
