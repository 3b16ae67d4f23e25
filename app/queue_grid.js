function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function cardElement(card) {
  const link = element('a', 'q-card');
  link.href = card.href;
  link.target = '_self';
  link.dataset.imageId = card.image_id;
  link.dataset.rank = card.rank ?? '';
  link.dataset.state = card.state_kind;
  link.dataset.split = card.split;
  link.title = card.why ? `${card.name}\n${card.why}` : card.name;

  const picture = element('div', 'q-card-picture');
  const image = element('img');
  image.src = card.thumbnail;
  image.alt = card.name;
  image.loading = 'lazy';
  image.decoding = 'async';
  picture.append(image);
  if (card.rank !== null) picture.append(element('span', 'q-card-rank', `#${card.rank}`));

  const text = element('div', 'q-card-text');
  text.append(element('div', 'q-card-name', card.name));
  const score = element('div', 'q-card-score');
  if (card.score === null) {
    score.append(element('span', 'q-muted', 'not scored yet'));
  } else {
    const bar = element('span', 'q-card-bar');
    const fill = element('i');
    fill.style.width = `${Math.round(100 * card.score_share)}%`;
    bar.append(fill);
    score.append(bar, element('span', '', card.score.toFixed(3)));
  }
  const badges = element('div', 'q-card-badges');
  badges.append(element('span', `q-badge q-badge-${card.split}`, card.split));
  badges.append(element('span', `q-badge q-badge-${card.state_kind}`, card.state));
  text.append(score, badges, element('div', 'q-card-why', card.why));
  link.append(picture, text);
  return link;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let grid = parentElement.querySelector('.q-grid');
  if (!grid) {
    grid = element('div', 'q-grid');
    parentElement.append(grid);
  }
  grid.onclick = (event) => {
    const link = event.target.closest('a[data-image-id]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    setTriggerValue('opened', Number(link.dataset.imageId));
  };
  grid.replaceChildren(...data.cards.map(cardElement));
}
