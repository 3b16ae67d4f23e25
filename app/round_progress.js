const EVERY_MS = 1000;
/** A run that Streamlit was asked for can be lost, as when its connection breaks. */
const ASK_AGAIN_MS = 5000;

function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

/** The bar of one mounted component, and the timer that keeps it true. */
class RoundProgress {
  constructor(parent) {
    this.text = element('div', 'q-progress-text');
    this.bar = element('div', 'q-progress-bar');
    this.bar.setAttribute('role', 'progressbar');
    this.bar.setAttribute('aria-label', 'Progress of the round');
    this.fill = this.bar.appendChild(document.createElement('i'));
    const host = element('div', 'q-progress');
    host.append(this.text, this.bar);
    parent.append(host);
    this.host = host;
    this.looking = false;
    this.askedAt = -Infinity;
    this.onVisible = () => this.look();
    document.addEventListener('visibilitychange', this.onVisible);
    this.timer = setInterval(this.onVisible, EVERY_MS);
  }

  /** Take what the page's script knows. */
  show({ url, mark, ...seen }, setTriggerValue) {
    if (mark !== this.mark) this.askedAt = -Infinity;
    Object.assign(this, { url, mark, send: setTriggerValue });
    this.draw(seen);
  }

  draw({ text, share }) {
    if (this.text.textContent !== text) this.text.textContent = text;
    this.bar.hidden = share === null;
    if (share === null) return;
    this.fill.style.transform = `scaleX(${share})`;
    this.bar.setAttribute('aria-valuenow', String(Math.round(100 * share)));
  }

  /** Ask the server what is done by now; not while nobody can see it. */
  async look() {
    if (document.hidden || this.looking) return;
    this.looking = true;
    const { url } = this;
    try {
      const answer = await fetch(url);
      if (!answer.ok || url !== this.url) return;
      const { mark, ...seen } = await answer.json();
      // What stands around the bar belongs to what the script saw: both change together.
      if (mark === this.mark) this.draw(seen);
      else this.ask(mark);
    } catch {
      // Streamlit says it when the server is gone; the next look comes by itself.
    } finally {
      this.looking = false;
    }
  }

  /** Have the page's script draw the card anew. */
  ask(mark) {
    const now = performance.now();
    if (now - this.askedAt < ASK_AGAIN_MS) return;
    this.askedAt = now;
    this.send('changed', mark);
  }

  leave() {
    clearInterval(this.timer);
    document.removeEventListener('visibilitychange', this.onVisible);
    this.host.remove();
  }
}

const mounts = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  if (!mounts.has(parentElement)) mounts.set(parentElement, new RoundProgress(parentElement));
  const mount = mounts.get(parentElement);
  mount.show(data, setTriggerValue);
  return () => {
    mounts.delete(parentElement);
    mount.leave();
  };
}
