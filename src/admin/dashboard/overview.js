/** The tiles at the top: the whole process at a glance. */
import { byId, el, setText } from './elements.js';
import { bytes, count, rate, span } from './format.js';
import { emptyHistory, historyLength } from './rates.js';
import { draw, sparkline } from './sparkline.js';

/** @typedef {import('./rates.js').Row} Row */

/** Null if one is not known yet. @param {Row[]} rows @param {(row: Row) => number | null} value */
function total(rows, value) {
  let sum = 0;
  for (const row of rows) {
    const each = value(row);
    if (each === null) return null;
    sum += each;
  }
  return sum;
}

class Tile {
  #value = el('strong');
  #detail = el('span', { class: 'muted' });
  /** @type {SVGSVGElement | null} */
  #chart = null;
  #history = emptyHistory();
  #element;

  /** @param {string} label @param {boolean} hasChart */
  constructor(label, hasChart) {
    this.#element = el('li', {}, el('span', { class: 'label' }, label), this.#value, this.#detail);
    if (hasChart) {
      this.#chart = sparkline();
      this.#element.append(this.#chart);
    }
    this.#element.hidden = true;
    byId('tiles').append(this.#element);
  }

  /** @param {string} value @param {string} detail @param {string} [kind] */
  show(value, detail, kind = '') {
    setText(this.#value, value);
    setText(this.#detail, detail);
    this.#element.className = kind;
    this.#element.hidden = false;
  }

  hide() {
    this.#element.hidden = true;
  }

  /** @param {number | null} value */
  record(value) {
    if (this.#chart === null || value === null) return;
    this.#history.copyWithin(0, 1);
    this.#history[historyLength - 1] = value;
    draw(this.#chart, this.#history);
  }
}

export class Overview {
  #calls = new Tile('Calls/s', true);
  #errors = new Tile('Errors/s', true);
  #traffic = new Tile('Traffic', true);
  #watches = new Tile('Watches', false);
  #breakers = new Tile('Breakers', false);
  #endpoints = new Tile('Endpoints', false);
  #certificates = new Tile('Certificates', false);

  /** @param {Row[]} rows */
  showTenants(rows) {
    const calls = total(rows, (row) => row.calls);
    const active = rows.filter((row) => (row.calls ?? 0) > 0).length;
    this.#calls.show(rate(calls), `${count(active)} of ${count(rows.length)} tenants active`);
    this.#calls.record(calls);
    const errors = total(rows, (row) => row.errors);
    const refused = total(rows, (row) => row.refused);
    this.#errors.show(rate(errors), `${rate(refused)} refused by the proxy`, errors ? 'warn' : '');
    this.#errors.record(errors);
    const [requests, responses] = [
      total(rows, (row) => row.requestBytes),
      total(rows, (row) => row.responseBytes),
    ];
    const both = requests === null || responses === null ? null : requests + responses;
    this.#traffic.show(`${bytes(both)}/s`, `${bytes(requests)} in, ${bytes(responses)} out`);
    this.#traffic.record(both);
    const feeds = total(rows, ({ report }) => report.feeds);
    const open = total(rows, ({ report }) => report.openCalls);
    this.#watches.show(
      count(total(rows, ({ report }) => report.watches)),
      `${count(feeds)} at etcd; ${count(open)} open calls`,
    );
    this.#showBreakers(rows);
  }

  /** @param {Row[]} rows */
  #showBreakers(rows) {
    const noted = rows.flatMap(({ report }) => report.breakers);
    const open = noted.filter(({ state }) => state === 'open').length;
    const forced = noted.filter((each) => each.forced).length;
    const half = noted.filter(({ state }) => state === 'half-open').length;
    const kind = open > 0 ? 'bad' : noted.length > 0 ? 'warn' : 'ok';
    const detail = `${count(half)} half-open, ${count(forced)} forced`;
    this.#breakers.show(open === 0 ? 'none open' : `${count(open)} open`, detail, kind);
  }

  /** @param {import('./cluster.js').Endpoint[]} endpoints */
  showEndpoints(endpoints) {
    const names = new Set(endpoints.map(({ name }) => name));
    const unready = new Set(
      endpoints
        .filter(({ state }) => state !== 'ready' && state !== 'learner')
        .map(({ name }) => name),
    );
    const ready = names.size - unready.size;
    const leaders = endpoints.filter(({ role }) => role === 'leader');
    const kind = ready === names.size ? 'ok' : ready === 0 ? 'bad' : 'warn';
    const version = endpoints.find((each) => each.version !== '')?.version ?? 'unknown version';
    const leader = leaders.length > 0 ? 'leader known' : 'leader not among them';
    this.#endpoints.show(`${ready} of ${names.size} ready`, `etcd ${version}, ${leader}`, kind);
  }

  /** @param {{ leftMs: number, kind: string } | null} first that expires first; null without certificates */
  showCertificates(first) {
    if (first === null) this.#certificates.hide();
    else if (first.leftMs <= 0) this.#certificates.show('expired', 'see Cluster', 'bad');
    else this.#certificates.show(span(first.leftMs), 'until the first one expires', first.kind);
  }
}
