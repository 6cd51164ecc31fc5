/** The details of one tenant, while the dialog is open. */
import { breakerList } from './actions.js';
import { byId, el, meter, setChildren, setText } from './elements.js';
import { findingsOf } from './findings.js';
import { bytes, count, ms, rate, visible } from './format.js';
import { draw, sparkline } from './sparkline.js';

/** @typedef {import('./rates.js').Row} Row */

/** @type {[string, (row: Row) => string][]} */
const figures = [
  ['Calls/s', (row) => rate(row.calls)],
  ['Errors/s', (row) => rate(row.errors)],
  ['Refused/s', (row) => rate(row.refused)],
  ['p50', ({ report }) => ms(report.p50Ms)],
  ['p99', ({ report }) => ms(report.p99Ms)],
  ['Requests', (row) => `${bytes(row.requestBytes)}/s`],
  ['Responses', (row) => `${bytes(row.responseBytes)}/s`],
  ['Open calls', ({ report }) => count(report.openCalls)],
  ['Open streams', ({ report }) => count(report.streams)],
  ['Watches', ({ report }) => count(report.watches)],
  ['Feeds', ({ report }) => count(report.feeds)],
  ['Leases', ({ report }) => count(report.leases)],
  ['Calls so far', ({ report }) => count(report.calls)],
  ['Errors so far', ({ report }) => count(report.errors)],
  ['Refused so far', ({ report }) => count(report.refused)],
];

export class TenantDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId('tenant-dialog'));
  #onAction;
  /** @type {((row: Row) => void) | null} */
  #update = null;
  #tenant = '';

  /** @param {() => void} onAction called after the operator has acted */
  constructor(onAction) {
    this.#onAction = onAction;
    this.#dialog.addEventListener('close', () => {
      this.#update = null;
      this.#dialog.replaceChildren();
    });
    // A click on the backdrop is a click on the dialog itself.
    this.#dialog.addEventListener('click', ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
  }

  /** The tenant that is shown, or empty. */
  get tenant() {
    return this.#dialog.open ? this.#tenant : '';
  }

  /** @param {Row} row */
  open(row) {
    const { tenant, namespace } = row.report;
    this.#tenant = tenant;
    const close = el('button', { type: 'button', 'aria-label': 'Close' }, '✕');
    close.addEventListener('click', () => this.#dialog.close());
    const chart = sparkline();
    const values = figures.map(([label]) => /** @type {const} */ ([label, el('dd')]));
    const breakers = breakerList(tenant, this.#onAction);
    const limits = el('div');
    const findings = el('div');
    this.#dialog.replaceChildren(
      el(
        'article',
        {},
        el(
          'header',
          {},
          el('h2', { id: 'dialog-title' }, el('bdi', {}, visible(tenant))),
          el('bdi', { class: 'muted namespace' }, visible(namespace)),
          close,
        ),
        chart,
        el('dl', {}, ...values.map(([label, value]) => el('div', {}, el('dt', {}, label), value))),
        breakers.element,
        limits,
        findings,
      ),
    );
    this.#update = (current) => {
      for (const [index, [, format]] of figures.entries()) {
        const value = values[index]?.[1];
        if (value) setText(value, format(current));
      }
      draw(chart, current.history);
      breakers.update(current.report.breakers);
      showLimits(limits, current.report.limits);
      showFindings(findings, tenant);
    };
    this.#update(row);
    this.#dialog.showModal();
  }

  /** @param {Row | null} row of the tenant that is shown; null if it does not exist any more */
  show(row) {
    if (row === null) this.#dialog.close();
    else this.#update?.(row);
  }
}

/** @param {HTMLElement} element @param {import('./rates.js').Limit[]} limits */
function showLimits(element, limits) {
  setChildren(element, JSON.stringify(limits), () => {
    if (limits.length === 0) return [];
    const rows = limits.map(({ name, used, limit, refused }) =>
      el(
        'tr',
        {},
        el('th', { scope: 'row' }, name),
        el('td', { class: 'number' }, `${count(used)} of ${count(limit)}`),
        el('td', {}, meter(used, limit)),
        el('td', { class: 'number' }, count(refused)),
      ),
    );
    const head = el(
      'tr',
      {},
      el('th', { scope: 'col' }, 'Limit'),
      el('th', { scope: 'col', class: 'number' }, 'Used'),
      el('th', { scope: 'col' }, 'Share'),
      el('th', { scope: 'col', class: 'number' }, 'Refused so far'),
    );
    const caption = el('caption', {}, 'Limits in use');
    return [el('table', {}, caption, el('thead', {}, head), el('tbody', {}, ...rows))];
  });
}

/** @param {HTMLElement} element @param {string} tenant */
function showFindings(element, tenant) {
  const { key, nodes } = findingsOf(tenant);
  setChildren(element, key, nodes);
}
