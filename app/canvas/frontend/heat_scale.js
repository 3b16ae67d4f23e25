// The scale of the uncertainty's colours, in the corner of the stage while they are shown.

import { h } from './elements.js';
import { HEAT_STOPS } from './palette.js';

export function heatScale() {
  const changing = HEAT_STOPS.slice(0, -1);
  const most = changing[changing.length - 1][0];
  const stops = changing.map(([chance, red, green, blue, alpha]) => `rgb(${red} ${green} ${blue} / ${alpha / 255}) ${(100 * chance) / most}%`);
  return h(
    'div',
    { class: 'heat-scale', hidden: true, role: 'img', 'aria-label': `Chance that the suggestion is wrong: clear is none, yellow is ${100 * most} % and more` },
    h('span', {}, 'wrong: 0 %'),
    h('i', { style: `background: linear-gradient(90deg, ${stops.join(', ')})` }),
    h('span', {}, `${100 * most} %`),
  );
}
