/**
 * A table that is sorted by a column, shows a page of its rows and updates cells in place. The number of elements is bounded by
 * the page, however many rows there are. While the pointer or the keyboard focus is in it, rows keep their places: otherwise a
 * row could move away under a click.
 */

import { byId, el, setText } from './elements.js';
import { count } from './format.js';

/**
 * @template T
 * @typedef {object} Column
 * @property {string} label
 * @property {string} [hint] the tooltip of the head
 * @property {boolean} [isNumber] right-aligned
 * @property {boolean} [isDescending] whether the first click sorts the largest first; numbers always do
 * @property {boolean} [isRowHead]
 * @property {(row: T) => string | number | null} [sortBy] without it the column cannot be sorted by
 * @property {(cell: HTMLElement, row: T) => void} render called at each update
 */

/** @template T */
export class Table {
  #columns;
  #keyOf;
  #empty;
  #pageSize;
  #body = el('tbody');
  /** @type {HTMLElement[]} */
  #heads = [];
  /** @type {HTMLElement | null} */
  #pager = null;
  #sortColumn = -1;
  #isDescending = false;
  /** @type {T[]} */
  #rows = [];
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();
  #page = 0;

  /**
   * @param {string} id of the table element
   * @param {Column<T>[]} columns
   * @param {{ keyOf: (row: T) => string, empty: string, sort?: number, pageSize?: number, pager?: string }} options
   */
  constructor(id, columns, { keyOf, empty, sort = -1, pageSize = 100, pager }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    this.#empty = empty;
    this.#pageSize = pageSize;
    this.#pager = pager === undefined ? null : byId(pager);
    const head = el('tr');
    for (const [index, column] of columns.entries()) head.append(this.#headOf(column, index));
    byId(id).append(el('thead', {}, head), this.#body);
    if (sort >= 0) this.#sortBy(sort, false);
  }

  /** @param {T[]} rows */
  show(rows) {
    this.#rows = rows;
    this.#update(false);
  }

  /** Shows the first page, in its order: after a change of the filter. @param {T[]} rows */
  restart(rows) {
    this.#rows = rows;
    this.#page = 0;
    this.#update(true);
  }

  /** @param {Column<T>} column @param {number} index */
  #headOf({ label, hint, isNumber, sortBy }, index) {
    const cell = el('th', { scope: 'col', ...(isNumber && { class: 'number' }) });
    if (sortBy === undefined) cell.append(label);
    else {
      const button = el('button', { type: 'button' }, label);
      button.addEventListener('click', () => this.#sortBy(index, true));
      cell.append(button);
    }
    if (hint !== undefined) cell.title = hint;
    this.#heads.push(cell);
    return cell;
  }

  /** Numbers begin with the largest one. @param {number} index @param {boolean} isClick */
  #sortBy(index, isClick) {
    const isSame = index === this.#sortColumn;
    this.#sortColumn = index;
    const { isNumber = false, isDescending = isNumber } = this.#columns[index] ?? {};
    this.#isDescending = isSame ? !this.#isDescending : isDescending;
    for (const [each, head] of this.#heads.entries()) {
      if (each !== index) head.removeAttribute('aria-sort');
      else head.setAttribute('aria-sort', this.#isDescending ? 'descending' : 'ascending');
    }
    if (isClick) this.restart(this.#rows);
  }

  get #isFrozen() {
    return this.#body.matches(':hover') || this.#body.contains(document.activeElement);
  }

  /** @param {boolean} isForced whether rows move even if the table is in use */
  #update(isForced) {
    const pages = Math.max(Math.ceil(this.#rows.length / this.#pageSize), 1);
    this.#page = Math.min(this.#page, pages - 1);
    const first = this.#page * this.#pageSize;
    const sorted = this.#sorted().slice(first, first + this.#pageSize);
    const page = !isForced && this.#isFrozen ? this.#inPlace(sorted) : sorted;
    const before = this.#shown;
    this.#shown = new Map();
    const elements = page.map((row) => {
      const key = this.#keyOf(row);
      const element = before.get(key) ?? this.#newRow();
      this.#shown.set(key, element);
      this.#render(element, row);
      return element;
    });
    this.#place(elements.length > 0 ? elements : [this.#emptyRow()]);
    this.#showPager(pages);
  }

  /** The rows that are shown already, in their places, with their current content. @param {T[]} page */
  #inPlace(page) {
    const byKey = new Map(this.#rows.map((row) => [this.#keyOf(row), row]));
    const shown = [...this.#shown.keys()].flatMap((key) => byKey.get(key) ?? []);
    return shown.length > 0 ? shown : page;
  }

  #sorted() {
    const sortBy = this.#columns[this.#sortColumn]?.sortBy;
    if (sortBy === undefined) return this.#rows;
    const sign = this.#isDescending ? -1 : 1;
    const keyed = this.#rows.map((row, index) => ({ row, index, value: sortBy(row) }));
    keyed.sort((a, b) => {
      // What is not known is last in either direction.
      if (a.value === null || b.value === null) {
        return Number(a.value === null) - Number(b.value === null) || a.index - b.index;
      }
      if (a.value === b.value) return a.index - b.index;
      return a.value < b.value ? -sign : sign;
    });
    return keyed.map(({ row }) => row);
  }

  #newRow() {
    const cells = this.#columns.map(({ isNumber, isRowHead }) =>
      isRowHead ? el('th', { scope: 'row' }) : el('td', isNumber ? { class: 'number' } : {}),
    );
    return el('tr', {}, ...cells);
  }

  #emptyRow() {
    return el(
      'tr',
      {},
      el('td', { colspan: `${this.#columns.length}`, class: 'empty' }, this.#empty),
    );
  }

  /** @param {HTMLElement} element @param {T} row */
  #render(element, row) {
    for (const [index, column] of this.#columns.entries()) {
      column.render(/** @type {HTMLElement} */ (element.children[index]), row);
    }
  }

  /** Moves only what is not in its place. @param {HTMLElement[]} elements */
  #place(elements) {
    for (const [index, element] of elements.entries()) {
      const current = this.#body.children[index];
      if (current !== element) this.#body.insertBefore(element, current ?? null);
    }
    while (this.#body.children.length > elements.length) this.#body.lastElementChild?.remove();
  }

  /** @param {number} pages */
  #showPager(pages) {
    const pager = this.#pager;
    if (pager === null) return;
    pager.hidden = pages === 1;
    if (pager.children.length === 0) {
      const previous = el('button', { type: 'button' }, 'Previous');
      const next = el('button', { type: 'button' }, 'Next');
      previous.addEventListener('click', () => this.#turn(-1));
      next.addEventListener('click', () => this.#turn(1));
      pager.append(previous, el('span'), next);
    }
    const [previous, position, next] = /** @type {HTMLElement[]} */ ([...pager.children]);
    if (!previous || !position || !next) return;
    previous.toggleAttribute('disabled', this.#page === 0);
    next.toggleAttribute('disabled', this.#page === pages - 1);
    const first = this.#page * this.#pageSize;
    const last = Math.min(first + this.#pageSize, this.#rows.length);
    setText(position, `${count(first + 1)} to ${count(last)} of ${count(this.#rows.length)}`);
  }

  /** @param {number} by */
  #turn(by) {
    this.#page += by;
    this.#update(true);
  }
}
