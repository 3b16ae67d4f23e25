const ICONS = {
  pin: '<path d="M9.5 3h5l-.6 6.2 3.1 3.3v1.5H7v-1.5l3.1-3.3zM12 14v7"/>',
  unpin: '<path d="M9.5 3h5l-.6 6.2 3.1 3.3v1.5H7v-1.5l3.1-3.3zM12 14v7M4 4l16 16"/>',
  alike: '<rect x="4" y="8" width="12" height="12" rx="2"/><path d="M8 4h10a2 2 0 0 1 2 2v10"/>',
  exclude: '<circle cx="12" cy="12" r="8.5"/><path d="M6 6l12 12"/>',
  restore: '<path d="M5 12a7.5 7.5 0 1 0 2.4-5.5M5 4v4h4"/>',
};
const ACTIONS = {
  pin: { text: 'Put in front', title: 'Put in front of the queue (P)', fits: (card) => card.can_pin && !card.pinned },
  unpin: { text: 'Take from the front', title: 'Take from the front of the queue (P)', fits: (card) => card.pinned },
  alike: { text: 'More like this', title: 'More like this (M)', fits: (card) => card.has_alike },
  exclude: { text: 'Exclude', title: 'Exclude: neither label nor train on it (E)', fits: (card) => card.split !== 'excluded' },
  restore: { text: 'Bring back', title: 'Bring back (E)', fits: (card) => card.split === 'excluded' },
};
/** What the server has not answered yet, to go again with the next; also when the page was left meanwhile. */
let unanswered = [];
/** Of the last act; the server does none twice. */
let number = 0;
/** Of messages that come quickly even the newest may get lost, so what is not answered goes again by itself: after
 * this many milliseconds, then after twice as many, since a message ends the run that would have answered. */
const AGAIN_MS = 2000;
const FOR_MANY = ['pin', 'unpin', 'exclude', 'restore'];
const ON_KEY = { p: ['pin', 'unpin'], e: ['exclude', 'restore'], m: ['alike'] };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function actionButton(kind, withText) {
  const made = element('button', 'q-card-action');
  made.type = 'button';
  made.dataset.action = kind;
  made.title = ACTIONS[kind].title;
  made.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${ICONS[kind]}</svg>`;
  if (withText) made.append(element('span', '', ACTIONS[kind].text));
  else made.setAttribute('aria-label', ACTIONS[kind].text);
  return made;
}

function pictureOf(card) {
  const picture = element('div', 'q-card-picture');
  for (const [address, className] of [[card.thumbnail, ''], [card.heat, 'q-card-heat']]) {
    if (!address) continue;
    const image = element('img', className);
    image.src = address;
    image.alt = className ? '' : card.name;
    image.loading = 'lazy';
    image.decoding = 'async';
    picture.append(image);
  }
  const marks = element('div', 'q-card-marks');
  if (card.rank !== null) marks.append(element('span', 'q-card-rank', `#${card.rank}`));
  if (card.pinned) marks.append(element('span', 'q-card-rank q-card-pinned', 'in front'));
  else if (card.moved_back) marks.append(element('span', 'q-card-rank', 'moved back'));
  picture.append(marks);
  return picture;
}

function textOf(card) {
  const text = element('div', 'q-card-text');
  text.append(element('div', 'q-card-name', card.name));
  const score = element('div', 'q-card-score');
  if (card.score === null) {
    score.append(element('span', 'q-muted', card.no_score));
  } else {
    const bar = element('span', 'q-card-bar');
    const fill = element('i');
    fill.style.width = `${Math.round(100 * card.score_share)}%`;
    bar.append(fill);
    score.append(bar, element('span', '', card.score.toFixed(3)));
    score.title = card.score_name;
  }
  const badges = element('div', 'q-card-badges');
  // Most images wait in the pool; only what is otherwise is worth a word.
  if (card.split !== 'pool') badges.append(element('span', `q-badge q-badge-${card.split}`, card.split));
  if (card.state !== 'unlabelled') badges.append(element('span', `q-badge q-badge-${card.state_kind}`, card.state));
  text.append(score);
  if (badges.childElementCount) text.append(badges);
  text.append(element('div', 'q-card-why', card.why));
  return text;
}

function cardElement(card) {
  const link = element('a', 'q-card-link');
  link.href = card.href;
  link.target = '_self';
  link.dataset.imageId = card.image_id;
  link.dataset.rank = card.rank ?? '';
  link.dataset.state = card.state_kind;
  link.dataset.split = card.split;
  link.title = card.why ? `${card.name}\n${card.why}` : card.name;
  link.append(pictureOf(card), textOf(card));

  const corner = element('label', 'q-card-corner');
  const box = element('input');
  box.type = 'checkbox';
  box.setAttribute('aria-label', `Select ${card.name}`);
  corner.append(box);

  const actions = element('div', 'q-card-actions');
  for (const kind of Object.keys(ACTIONS)) if (ACTIONS[kind].fits(card)) actions.append(actionButton(kind, false));
  const made = element('div', 'q-card');
  made.append(link, corner, actions);
  return made;
}

/** The grid of one mounted component: what is shown, what is ticked, and the bar that says so. */
class Grid {
  constructor(parent) {
    this.cards = [];
    this.elements = new Map();
    this.ticked = new Set();
    this.last = null;
    this.bar = element('div', 'q-grid-bar');
    this.count = element('span', 'q-grid-count');
    this.count.setAttribute('aria-live', 'polite');
    this.all = element('button', 'q-card-action', 'Select all shown');
    this.all.type = 'button';
    this.none = element('button', 'q-card-action', 'Clear');
    this.none.type = 'button';
    this.buttons = FOR_MANY.map((kind) => actionButton(kind, true));
    this.bar.append(this.count, ...this.buttons, element('span', 'q-grid-spring'), this.none, this.all);
    this.grid = element('div', 'q-grid');
    parent.append(this.bar, this.grid);
    this.all.onclick = () => this.tick(this.cards.map((card) => card.image_id), true);
    this.none.onclick = () => this.tick([...this.ticked], false);
    this.bar.onclick = (event) => {
      const kind = event.target.closest('[data-action]')?.dataset.action;
      if (kind) this.act(kind, this.chosenCards());
    };
    this.grid.onclick = (event) => this.clicked(event);
    this.grid.onkeydown = (event) => this.pressed(event);
  }

  show({ cards, done }, setTriggerValue) {
    this.send = setTriggerValue;
    number = Math.max(number, done);
    unanswered = unanswered.filter((act) => act.number > done);
    this.sendAgain(AGAIN_MS);
    const focused = this.grid.contains(document.activeElement) ? cardOf(document.activeElement) : null;
    const place = this.cards.findIndex((card) => card.image_id === focused);
    const stays = cards.find((card) => card.image_id === focused)?.split === this.cards[place]?.split;
    const elements = new Map();
    for (const card of cards) {
      const written = JSON.stringify(card);
      const before = this.elements.get(card.image_id);
      elements.set(card.image_id, before?.written === written ? before : { written, node: cardElement(card) });
    }
    this.cards = cards;
    this.elements = elements;
    const nodes = [...elements.values()].map((one) => one.node);
    const same = nodes.length === this.grid.children.length && nodes.every((node, i) => node === this.grid.children[i]);
    if (!same) this.grid.replaceChildren(...nodes);
    if (!same && focused !== null) {
      // Where the card was excluded or has gone, the one that took its place goes on, or the last.
      const next = stays ? focused : cards[Math.min(place, cards.length - 1)]?.image_id;
      elements.get(next)?.node.querySelector('a').focus();
    }
    this.ticked = new Set([...this.ticked].filter((id) => elements.has(id)));
    this.drawTicks();
  }

  chosenCards() {
    return this.cards.filter((card) => this.ticked.has(card.image_id));
  }

  tick(ids, on) {
    for (const id of ids) {
      if (on) this.ticked.add(id);
      else this.ticked.delete(id);
    }
    this.drawTicks();
  }

  /** Tick or untick a card, and with Shift all between it and the one before. */
  toggle(id, withRange) {
    const order = this.cards.map((card) => card.image_id);
    const on = !this.ticked.has(id);
    const [from, to] = [order.indexOf(this.last), order.indexOf(id)];
    const range = withRange && from >= 0 ? order.slice(Math.min(from, to), Math.max(from, to) + 1) : [id];
    this.last = id;
    this.tick(range, on);
  }

  drawTicks() {
    for (const [id, { node }] of this.elements) {
      const on = this.ticked.has(id);
      node.classList.toggle('q-ticked', on);
      node.querySelector('input').checked = on;
    }
    const chosen = this.chosenCards();
    const many = chosen.length > 0;
    this.bar.classList.toggle('q-active', many);
    this.count.textContent = many
      ? `${chosen.length} selected`
      : 'Click an image to label it. Tick corners to act on several; Shift ticks a range.';
    for (const button of this.buttons) {
      const fitting = chosen.filter(ACTIONS[button.dataset.action].fits);
      button.hidden = fitting.length === 0;
    }
    this.none.hidden = !many;
  }

  act(kind, cards) {
    const ids = cards.filter(ACTIONS[kind].fits).map((card) => card.image_id);
    if (ids.length === 0) return;
    if (kind === 'alike') {
      this.send('alike', ids[0]);
      return;
    }
    number++;
    unanswered.push({ number, kind, ids });
    this.send('acted', unanswered);
    this.sendAgain(AGAIN_MS);
    // Those that a card's own button has nothing to do with stay ticked.
    this.tick(cards.map((card) => card.image_id), false);
  }

  sendAgain(afterMs) {
    this.leave();
    if (unanswered.length === 0) return;
    this.again = setTimeout(() => {
      this.send('acted', unanswered);
      this.sendAgain(2 * afterMs);
    }, afterMs);
  }

  /** The grid goes off the page: Streamlit takes nothing from it any more, and the next one sends what is left. */
  leave() {
    clearTimeout(this.again);
  }

  clicked(event) {
    const id = cardOf(event.target);
    if (id === null) return;
    if (event.target.closest('.q-card-corner')) {
      // The browser would click the box a second time for its label.
      event.preventDefault();
      this.toggle(id, event.shiftKey);
      // The box shows what was clicked until the event is over.
      setTimeout(() => this.drawTicks());
      return;
    }
    const kind = event.target.closest('[data-action]')?.dataset.action;
    if (kind) {
      this.act(kind, this.cards.filter((card) => card.image_id === id));
      return;
    }
    if (!event.target.closest('a') || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (event.shiftKey) this.toggle(id, true);
    else this.send('opened', id);
  }

  pressed(event) {
    const link = event.target.closest('.q-card')?.querySelector('a');
    const kinds = ON_KEY[event.key.toLowerCase()];
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    // On a button or a box of the card only the keys that its tooltips name are ours.
    if (!kinds && !event.target.closest('a')) return;
    const id = cardOf(link);
    const links = [...this.grid.querySelectorAll('a')];
    const columns = links.filter((one) => one.offsetParent && top(one) === top(links[0])).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (step !== undefined) links[links.indexOf(link) + step]?.focus();
    else if (event.key === ' ') this.toggle(id, event.shiftKey);
    else if (event.key === 'Escape') this.tick([...this.ticked], false);
    else if (kinds) {
      const chosen = this.ticked.size ? this.chosenCards() : this.cards.filter((card) => card.image_id === id);
      const kind = kinds.find((one) => chosen.some(ACTIONS[one].fits));
      if (kind === 'alike') this.act(kind, this.cards.filter((card) => card.image_id === id));
      else if (kind) this.act(kind, chosen);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function top(link) {
  return link.getBoundingClientRect().top;
}

function cardOf(node) {
  const link = node.closest('.q-card')?.querySelector('a');
  return link ? Number(link.dataset.imageId) : null;
}

const grids = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  if (!grids.has(parentElement)) grids.set(parentElement, new Grid(parentElement));
  const grid = grids.get(parentElement);
  grid.show(data, setTriggerValue);
  return () => grid.leave();
}
