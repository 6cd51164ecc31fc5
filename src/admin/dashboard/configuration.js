/** The configuration in effect, from /configz. Secrets are not in it. */
import { byId, el, setChildren, setText } from './elements.js';
import { count, span, visible } from './format.js';
import { Table } from './table.js';

/**
 * @typedef {{ name: string, value: unknown, origin: string }} Setting
 * @typedef {object} Report
 * @property {string} hash
 * @property {string} since
 * @property {string[]} problems
 * @property {string[]} needRestart
 * @property {import('./cluster.js').Certificate[]} certificates
 * @property {Setting[]} settings
 * @property {import('./cluster.js').Worker[]} [workers]
 */

/** Longer values, such as ten thousand tenants, are cut off here. /configz has them whole. */
const shownCharactersMax = 4_000;

/** @param {string} text */
function shortened(text) {
  if (text.length <= shownCharactersMax) return text;
  return `${text.slice(0, shownCharactersMax)} … (the rest is in /configz)`;
}

/** @param {unknown} value */
function textOf(value) {
  if (typeof value === 'string') return value;
  // A list of plain values fits into one line. Of a list of tenants or listeners, each gets a line.
  if (!Array.isArray(value)) return JSON.stringify(value);
  if (!isList(value)) return value.join(', ');
  return value.map((each) => JSON.stringify(each)).join('\n');
}

/** Whether the value is a list of objects. @param {unknown} value @returns {value is object[]} */
function isList(value) {
  return Array.isArray(value) && value.some((each) => typeof each === 'object');
}

/** @type {import('./table.js').Column<Setting>[]} */
const columns = [
  {
    ...{ label: 'Setting', isRowHead: true, sortBy: ({ name }) => name },
    render: (cell, { name }) => setText(cell, name),
  },
  {
    label: 'Value',
    render: (cell, { value }) => {
      const text = shortened(textOf(value));
      setChildren(cell, text, () => {
        const code = el('code', { class: 'value' }, visibleLines(text));
        if (!isList(value)) return [code];
        return [el('details', {}, el('summary', {}, `${count(value.length)} entries`), code)];
      });
    },
  },
  {
    ...{ label: 'Origin', sortBy: ({ origin }) => (origin === 'default' ? 1 : 0) },
    render: (cell, { origin }) => {
      setText(cell, visible(origin));
      cell.classList.toggle('zero', origin === 'default');
    },
  },
];

/** Line ends are part of how JSON is laid out, not of a name. @param {string} text */
function visibleLines(text) {
  return text.split('\n').map(visible).join('\n');
}

/** @param {string} title @param {string[]} items @param {string} kind */
function notice(title, items, kind) {
  return el(
    'div',
    { class: `notice ${kind}` },
    el('p', {}, title),
    el('ul', {}, ...items.map((each) => el('li', {}, visible(each)))),
  );
}

export class Configuration {
  /** @type {Table<Setting>} */
  #table = new Table('setting-table', columns, {
    keyOf: ({ name }) => name,
    empty: 'No setting matches.',
    sort: 2,
    pageSize: 500,
  });
  #filter = /** @type {HTMLInputElement} */ (byId('setting-filter'));
  /** @type {Setting[]} */
  #settings = [];

  constructor() {
    this.#filter.addEventListener('input', () => this.#table.restart(this.#matching()));
  }

  /** @param {Report} report */
  show({ hash, since, problems, needRestart, settings }) {
    this.#settings = settings;
    const ageMs = Date.now() - Date.parse(since);
    setText(byId('configuration-since'), `${hash}, applied ${span(ageMs)} ago`);
    setChildren(byId('configuration-notices'), JSON.stringify([problems, needRestart]), () => [
      ...(problems.length === 0
        ? []
        : [notice('A later configuration was rejected. This one stays active.', problems, 'bad')]),
      ...(needRestart.length === 0
        ? []
        : [notice('These changes take effect with a restart:', needRestart, 'warn')]),
    ]);
    this.#table.show(this.#matching());
  }

  #matching() {
    const text = this.#filter.value.toLowerCase();
    return this.#settings.filter(({ name }) => name.includes(text));
  }
}
