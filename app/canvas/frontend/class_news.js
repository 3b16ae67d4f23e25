// Classes that somebody adds, renames, recolours or archives while the page is open. They come with a run of the page's
// script, which is asked for once the server tells of others than those that are here.

import { archivedOf, nameOf } from './palette.js';

export class ClassNews {
  /**
   * @param {import('./editor.js').Editor} editor
   * @param {(news: {classes: string}) => void} nudge has the page's script run soon
   */
  constructor(editor, nudge) {
    this.editor = editor;
    this.nudge = nudge;
    /** @type {string | null} of the classes that Python handed over */
    this.version = null;
    /** Which version the script was asked to bring: once, though it bring another. @type {string | null} */
    this.asked = null;
  }

  /** What Python says now. @param {import('./types.js').ComponentData} data */
  brought({ classes, class_version: version }) {
    this.version = version;
    this.editor.rest.do(() => this.#take(classes));
  }

  /** The server said how far the project is. */
  look() {
    const { session, rest } = this.editor;
    const told = session.progress?.class_version;
    if (told === this.version) this.asked = null;
    // The script would take time from who waits for an image; the server is asked again soon.
    if (!told || [this.version, this.asked].includes(told) || session.phase === 'loading' || rest.isPressed()) return;
    this.asked = told;
    this.nudge({ classes: told });
  }

  /** @param {import('./palette.js').LabelClass[]} classes */
  #take(classes) {
    const { editor } = this;
    if (JSON.stringify(classes) === JSON.stringify(editor.classes)) return;
    const archived = archivedOf(classes);
    const isOther = `${archived}` !== `${archivedOf(editor.classes)}`;
    const wasHere = editor.classes.some((one) => one.index === editor.state.value);
    editor.classes = classes;
    if (isOther) editor.session.suggestWithout(archived);
    editor.layers.setClasses(classes);
    editor.panel.setClasses(classes);
    const { value } = editor.state;
    editor.state.keepTo(classes);
    if (wasHere && editor.state.value !== value) {
      const [gone, now] = [value, editor.state.value].map((one) => nameOf(classes, one));
      editor.notices.add(`${gone} was archived. You paint ${now} now.`, 'warning');
    }
    editor.displayChanged();
  }
}
