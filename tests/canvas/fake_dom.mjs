// As much of the DOM as windows need: elements with children, listeners, and the focus, which nothing inert can have.

class FakeElement {
  constructor(tag) {
    this.tag = tag;
    this.children = [];
    this.parentElement = null;
    this.attributes = new Map();
    this.listeners = new Map();
    this.hidden = false;
    this.inert = false;
    this.textContent = '';
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
  }

  addEventListener(type, listener) {
    this.listeners.set(type, listener);
  }

  append(...children) {
    for (const child of children) {
      this.children.push(child);
      if (child instanceof FakeElement) child.parentElement = this;
    }
  }

  replaceChildren(...children) {
    for (const child of [...this.children]) child.remove?.();
    this.children = [];
    this.append(...children);
  }

  remove() {
    if (this.parentElement) this.parentElement.children = this.parentElement.children.filter((one) => one !== this);
    this.parentElement = null;
    if (this.contains(document.activeElement)) document.activeElement = document.body;
  }

  contains(other) {
    for (let one = other; one; one = one.parentElement) if (one === this) return true;
    return false;
  }

  get isConnected() {
    return document.body.contains(this);
  }

  getRootNode() {
    return document;
  }

  /** All inside it that are of a tag or have a `data-testid`. */
  found(wanted) {
    return this.children.flatMap((child) => {
      if (!(child instanceof FakeElement)) return [];
      const fits = child.tag === wanted || child.attributes.get('data-testid') === wanted;
      return [...(fits ? [child] : []), ...child.found(wanted)];
    });
  }

  querySelector(selector) {
    if (selector === ':focus') return this.contains(document.activeElement) ? document.activeElement : null;
    return this.found(/^\[data-testid="(.*)"\]$/.exec(selector)?.[1] ?? selector)[0] ?? null;
  }

  focus() {
    for (let one = this; one; one = one.parentElement) if (one.inert || one.hidden) return;
    if (this.isConnected) document.activeElement = this;
  }

  click() {
    this.listeners.get('click')?.({});
  }
}

/** Put it in the place of the browser's. @returns {FakeElement} the body */
export function installDom() {
  const createElement = (tag) => new FakeElement(tag);
  const body = createElement('body');
  globalThis.HTMLElement = FakeElement;
  globalThis.document = { body, activeElement: body, createElement };
  return body;
}
