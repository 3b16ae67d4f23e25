const SPLIT_COLOURS = { pool: '#8a93a8', train: '#2e9e6b', audit: '#9063d8', excluded: '#c9654f' };
const SPLIT_NAMES = { pool: 'not labelled', train: 'labelled', audit: 'audit', excluded: 'excluded' };
/** From the sure to the unsure; each shade stands out from a light and from a dark page. */
const SCORE_SCALE = [[0, '#5469c9'], [0.4, '#a04fb5'], [0.7, '#e0605f'], [1, '#f2b02e']];
const HOVER_WAIT_MS = 70;
const MOST_REMEMBERED = 400;

let plotly = null;

/** Load Plotly once a page. */
function loadPlotly(address) {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      plotly = null;
      script.remove();
      reject(new Error('The server did not answer.'));
    };
    document.head.append(script);
  });
  return plotly;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function decoded(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function markerSize(count) {
  if (count < 400) return 11;
  if (count < 2500) return 8;
  return count < 15000 ? 5.5 : 3.8;
}

/** What the drawn points are, as groups of places in the arrays: one trace each. */
function groupsOf(points, colour) {
  const groups = points.splits.map((split) => ({ split, scored: false, at: [] }));
  const scored = { split: 'pool', scored: true, at: [] };
  for (let i = 0; i < points.ids.length; i++) {
    const isScored = colour === 'score' && points.splits[points.split[i]] === 'pool' && !Number.isNaN(points.score[i]);
    (isScored ? scored : groups[points.split[i]]).at.push(i);
  }
  // The few that are labelled are drawn last, over the many that are not.
  const order = ['excluded', 'pool', 'train', 'audit'];
  groups.sort((a, b) => order.indexOf(a.split) - order.indexOf(b.split));
  return [...groups.slice(0, 2), scored, ...groups.slice(2)].filter((group) => group.at.length > 0);
}

class EmbeddingMap {
  constructor(parent) {
    this.map = element('div', 'q-map');
    this.plot = element('div', 'q-map-plot');
    this.words = element('span');
    this.clear = element('button', 'q-card-action', 'Clear the lasso');
    this.clear.type = 'button';
    this.clear.hidden = true;
    this.clear.onclick = () => this.forget();
    const line = element('div', 'q-map-words');
    line.append(this.words, this.clear);
    this.hover = element('div', 'q-map-hover');
    this.hover.hidden = true;
    this.map.append(this.plot, line, this.hover);
    parent.append(this.map);
    this.remembered = new Map();
    /** Counts up whenever points lie elsewhere than they did; not from 0, with which Plotly keeps nothing. */
    this.layouts = 1;
    this.words.textContent = 'Loading the map…';
    // A page that is left for another keeps its map for a moment, without a size.
    const fit = () => this.drawn && this.map.offsetWidth > 0 && this.library.Plots.resize(this.plot);
    new ResizeObserver(fit).observe(this.map);
  }

  async show(data, { setStateValue, setTriggerValue }) {
    this.setState = setStateValue;
    this.send = setTriggerValue;
    this.mostChosen = data.most_chosen;
    const wanted = JSON.stringify([data.version, data.colour, data.points_url, this.theme()]);
    if (this.wanted === wanted) return;
    this.wanted = wanted;
    try {
      this.library = await loadPlotly(data.plotly_url);
      if (this.version !== `${data.points_url} ${data.version}`) {
        const answer = await fetch(data.points_url);
        const body = await answer.json();
        if (!answer.ok) throw new Error(body.error);
        // Other points were asked for meanwhile, and those may be on the screen.
        if (this.wanted !== wanted) return;
        this.take(body);
        this.version = `${data.points_url} ${data.version}`;
      }
      if (this.wanted === wanted) await this.draw(data.colour);
    } catch (error) {
      if (this.wanted !== wanted) return;
      this.wanted = null;
      this.words.textContent = `The map could not be drawn: ${error.message} Reload the page.`;
    }
  }

  theme() {
    const style = getComputedStyle(this.map);
    return [style.getPropertyValue('--st-text-color'), style.getPropertyValue('--st-background-color')];
  }

  take(body) {
    const before = this.points;
    this.points = {
      ...body,
      ids: decoded(body.ids, Int32Array),
      x: decoded(body.x, Float32Array),
      y: decoded(body.y, Float32Array),
      score: decoded(body.score, Float32Array),
      split: decoded(body.split, Uint8Array),
    };
    this.remembered.clear();
    if (before && haveMoved(before, this.points)) this.layouts += 1;
  }

  async draw(colour) {
    const { points } = this;
    const [ink, paper] = this.theme();
    const size = markerSize(points.shown);
    this.groups = groupsOf(points, colour);
    const traces = this.groups.map(({ split, scored, at }) => ({
      type: 'scattergl',
      mode: 'markers',
      name: scored ? 'not labelled' : SPLIT_NAMES[split] + (split === 'pool' && colour === 'score' ? ', no score' : ''),
      x: Float32Array.from(at, (i) => points.x[i]),
      y: Float32Array.from(at, (i) => points.y[i]),
      hoverinfo: 'none',
      marker: {
        size: split === 'pool' || split === 'excluded' ? size : size + 2,
        opacity: split === 'excluded' ? 0.55 : 0.9,
        color: scored ? Float32Array.from(at, (i) => points.score[i]) : SPLIT_COLOURS[split],
        line: { width: points.shown < 5000 ? 1 : 0, color: paper },
        ...(scored && {
          colorscale: SCORE_SCALE,
          showscale: true,
          colorbar: { title: { text: 'score' }, thickness: 12, len: 0.6, y: 0.5, outlinewidth: 0 },
        }),
      },
      selected: { marker: { opacity: 1 } },
      unselected: { marker: { opacity: 0.18 } },
      selectedpoints: this.chosen ? indexesOf(at, points.ids, this.chosen) : undefined,
    }));
    const axis = { visible: false, range: [-0.04, 1.04], zeroline: false };
    const layout = {
      margin: { l: 0, r: this.groups.some((group) => group.scored) ? 74 : 0, t: 38, b: 36 },
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      font: { color: ink, size: 13, family: 'Source Sans, system-ui, sans-serif' },
      xaxis: axis,
      yaxis: { ...axis },
      dragmode: this.plot.layout?.dragmode ?? 'lasso',
      hovermode: 'closest',
      hoverdistance: 12,
      showlegend: true,
      legend: { x: 0.006, y: 1, yanchor: 'bottom', orientation: 'h', bgcolor: 'rgba(0,0,0,0)', itemsizing: 'constant' },
      modebar: { bgcolor: 'rgba(0,0,0,0)', color: '#8a93a8', activecolor: ink, orientation: 'h' },
      uirevision: this.version,
      // What is chosen stays chosen; only the line around it goes with the places it was drawn around.
      selectionrevision: this.layouts,
      newselection: { line: { color: ink, width: 1.5, dash: 'dot' } },
    };
    const config = {
      displaylogo: false,
      displayModeBar: true,
      scrollZoom: true,
      doubleClick: 'reset',
      modeBarButtons: [['lasso2d', 'select2d', 'pan2d'], ['zoomIn2d', 'zoomOut2d', 'resetScale2d']],
    };
    await this.library.react(this.plot, traces, layout, config);
    if (!this.drawn) this.listen();
    this.drawn = true;
    this.say();
  }

  listen() {
    this.plot.on('plotly_hover', ({ points: [point], event }) => this.hovered(this.idOf(point), event));
    this.plot.on('plotly_unhover', () => this.unhovered());
    this.plot.on('plotly_click', ({ points: [point] }) => this.send('opened', this.idOf(point)));
    this.plot.on('plotly_selecting', () => this.unhovered());
    this.plot.on('plotly_selected', (event) => {
      if (event?.points?.length) this.choose(event.points.map((point) => this.groups[point.curveNumber].at[point.pointNumber]));
    });
    this.plot.on('plotly_deselect', () => this.forget());
  }

  idOf(point) {
    return this.points.ids[this.groups[point.curveNumber].at[point.pointNumber]];
  }

  /** @param at places in the arrays, which are in the order of the queue */
  choose(at) {
    const ids = at.sort((a, b) => a - b).map((i) => this.points.ids[i]);
    this.chosen = new Set(ids);
    this.say();
    this.setState('chosen', { ids: ids.slice(0, this.mostChosen), count: ids.length });
  }

  forget() {
    if (!this.chosen) return;
    this.chosen = null;
    this.library.update(this.plot, { selectedpoints: [null] }, { selections: [] });
    this.say();
    this.setState('chosen', null);
  }

  say() {
    const { count, shown } = this.points;
    const thin = shown < count
      ? ` ${shown.toLocaleString('en')} of ${count.toLocaleString('en')} images are drawn: the labelled, the first of the queue, others at random.`
      : '';
    this.words.textContent = this.chosen
      ? `${this.chosen.size.toLocaleString('en')} ${this.chosen.size === 1 ? 'image' : 'images'} chosen: see below.`
      : `Draw around images to choose them, click one to label it.${thin}`;
    this.clear.hidden = !this.chosen;
  }

  hovered(id, event) {
    clearTimeout(this.waiting);
    const box = this.map.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    this.waiting = setTimeout(async () => {
      this.over = id;
      try {
        const image = await this.summary(id);
        if (this.over === id) this.showHover(image, x, y, box);
      } catch {
        this.unhovered();
      }
    }, HOVER_WAIT_MS);
  }

  unhovered() {
    clearTimeout(this.waiting);
    this.over = null;
    this.hover.hidden = true;
  }

  async summary(id) {
    if (!this.remembered.has(id)) {
      const answer = await fetch(`/api/images/${id}/summary`);
      if (!answer.ok) throw new Error('There is no such image.');
      if (this.remembered.size >= MOST_REMEMBERED) this.remembered.clear();
      this.remembered.set(id, await answer.json());
    }
    return this.remembered.get(id);
  }

  showHover(image, x, y, box) {
    const picture = element('img');
    picture.src = image.thumbnail;
    picture.alt = '';
    const text = element('div');
    const facts = [image.rank === null ? null : `rank ${image.rank.toLocaleString('en')}`];
    facts.push(image.score === null ? null : `score ${image.score.toFixed(3)}`, SPLIT_NAMES[image.split]);
    text.append(element('strong', '', image.name), element('span', '', facts.filter(Boolean).join(' · ')));
    text.append(element('span', 'q-muted', image.why));
    this.hover.replaceChildren(picture, text);
    this.hover.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.hover;
    this.hover.style.left = `${x + width + 24 > box.width ? Math.max(4, x - width - 16) : x + 16}px`;
    this.hover.style.top = `${Math.max(4, Math.min(y - height / 2, box.height - height - 4))}px`;
  }
}

/** Whether any image that both maps show lies elsewhere on the second. */
function haveMoved(before, now) {
  const placeOf = new Map(Array.from(now.ids, (id, i) => [id, i]));
  return before.ids.some((id, i) => {
    const at = placeOf.get(id);
    return at !== undefined && (now.x[at] !== before.x[i] || now.y[at] !== before.y[i]);
  });
}

function indexesOf(at, ids, chosen) {
  const found = [];
  at.forEach((i, index) => {
    if (chosen.has(ids[i])) found.push(index);
  });
  return found;
}

const maps = new WeakMap();

export default function (component) {
  const { data, parentElement } = component;
  if (!maps.has(parentElement)) maps.set(parentElement, new EmbeddingMap(parentElement));
  maps.get(parentElement).show(data, component);
}
