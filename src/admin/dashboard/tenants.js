/** The table of tenants. */
import { kindOf } from './actions.js';
import { badge, byId, el, setChildren, setText } from './elements.js';
import { bytes, count, ms, rate, visible } from './format.js';
import { fullestLimit, hasProblem, nearLimit, recentMean } from './rates.js';
import { draw, sparkline } from './sparkline.js';
import { Table } from './table.js';

/** @typedef {import('./rates.js').Row} Row */

/**
 * @param {string} label
 * @param {string} hint
 * @param {(row: Row) => number | null} value
 * @param {(value: number | null) => string} format
 * @returns {import('./table.js').Column<Row>}
 */
function number(label, hint, value, format) {
  return {
    ...{ label, hint, isNumber: true, sortBy: value },
    render: (cell, row) => {
      const current = value(row);
      setText(cell, format(current));
      cell.classList.toggle('zero', current === 0 || current === null);
    },
  };
}

/** @param {(tenant: string) => void} onOpen */
function columnsOf(onOpen) {
  /** @type {import('./table.js').Column<Row>[]} */
  const columns = [
    {
      label: 'Tenant',
      isRowHead: true,
      sortBy: ({ report }) => report.tenant,
      render: (cell, row) => renderName(cell, row, onOpen),
    },
    // The mean of the last readings, so that rows do not change places every second.
    number(
      'Calls/s',
      'calls that were started, streams included: mean of the last ten readings',
      ({ history }) => recentMean(history),
      rate,
    ),
    { label: 'Last minute', hint: 'calls per second', render: renderHistory },
    {
      ...number(
        'Errors/s',
        'calls that have ended with another code than OK',
        (row) => row.errors,
        rate,
      ),
      render: (cell, { errors }) => {
        setText(cell, rate(errors));
        cell.className = `number ${errors === null || errors === 0 ? 'zero' : 'bad'}`;
      },
    },
    number('p50', 'of unary calls of the last 30 to 60 seconds', ({ report }) => report.p50Ms, ms),
    number('p99', 'of unary calls of the last 30 to 60 seconds', ({ report }) => report.p99Ms, ms),
    number('In/s', 'bytes of requests per second', (row) => row.requestBytes, bytes),
    number('Out/s', 'bytes of responses per second', (row) => row.responseBytes, bytes),
    number('Open', 'unary calls that have not ended', ({ report }) => report.openCalls, count),
    number('Watches', 'open watches', ({ report }) => report.watches, count),
    number('Feeds', 'shared watches at etcd', ({ report }) => report.feeds, count),
    number(
      'Leases',
      'leases that clients keep alive, estimated',
      ({ report }) => report.leases,
      count,
    ),
    {
      label: 'Breakers and limits',
      hint: 'breakers that are not closed or are forced, and the limit of which the largest share is used',
      isDescending: true,
      sortBy: severity,
      render: renderProtection,
    },
  ];
  return columns;
}

/** @param {HTMLElement} cell @param {Row} row @param {(tenant: string) => void} onOpen */
function renderName(cell, { report: { tenant, namespace } }, onOpen) {
  setChildren(cell, `${tenant}\n${namespace}`, () => {
    const button = el('button', { type: 'button', class: 'name' }, el('bdi', {}, visible(tenant)));
    button.addEventListener('click', () => onOpen(tenant));
    return [button, el('bdi', { class: 'muted namespace' }, visible(namespace))];
  });
}

/** @param {HTMLElement} cell @param {Row} row */
function renderHistory(cell, { history }) {
  if (cell.firstElementChild === null) cell.append(sparkline());
  draw(/** @type {SVGSVGElement} */ (cell.firstElementChild), history);
}

/** @param {HTMLElement} cell @param {Row} row */
function renderProtection(cell, { report, refusing }) {
  const limit = fullestLimit(report);
  const share = Math.round(100 * shareOf(report));
  setChildren(cell, JSON.stringify([report.breakers, refusing, limit?.name, share]), () => {
    const badges = report.breakers.map((each) =>
      badge(`${each.class} ${each.state}${each.forced ? ', forced' : ''}`, kindOf(each)),
    );
    badges.push(...refusing.map((name) => badge(`refusing: ${shortName(name)}`, 'bad')));
    // A share below 1 % is nothing that an operator has to see.
    if (limit !== null && share > 0 && !refusing.includes(limit.name)) {
      badges.push(
        badge(`${shortName(limit.name)} ${share} %`, share < 100 * nearLimit ? '' : 'warn'),
      );
    }
    return badges;
  });
}

/** @param {string} limit */
function shortName(limit) {
  return limit.replace(/^max-/, '');
}

/** The worst first: open breakers and limits that refuse, other states, and then the share of a limit. @param {Row} row */
function severity({ report, refusing }) {
  const open = report.breakers.filter(({ state }) => state === 'open').length;
  const other = report.breakers.length - open;
  return 100 * (open + refusing.length) + 10 * other + Math.min(shareOf(report), 9);
}

/** @param {import('./rates.js').Report} report */
function shareOf(report) {
  const limit = fullestLimit(report);
  return limit === null || limit.limit === 0 ? 0 : limit.used / limit.limit;
}

export class Tenants {
  /** @type {Table<Row>} */
  #table;
  #filter = /** @type {HTMLInputElement} */ (byId('tenant-filter'));
  #kind = /** @type {HTMLSelectElement} */ (byId('tenant-kind'));
  /** @type {Row[]} */
  #rows = [];

  /** @param {(tenant: string) => void} onOpen called with the tenant that is selected */
  constructor(onOpen) {
    this.#table = new Table('tenant-table', columnsOf(onOpen), {
      keyOf: ({ report }) => report.tenant,
      empty: 'No tenant matches.',
      sort: 1,
      pager: 'tenant-pager',
    });
    for (const input of [this.#filter, this.#kind]) {
      input.addEventListener('input', () => this.#table.restart(this.#matching()));
    }
  }

  /** @param {Row[]} rows */
  show(rows) {
    this.#rows = rows;
    this.#table.show(this.#matching());
  }

  #matching() {
    const text = this.#filter.value.toLowerCase();
    const kind = this.#kind.value;
    const matching = this.#rows.filter((row) => {
      const { tenant, namespace, calls } = row.report;
      if (kind === 'problems' && !hasProblem(row)) return false;
      if (kind === 'active' && calls === 0) return false;
      return `${tenant}\n${namespace}`.toLowerCase().includes(text);
    });
    setText(byId('tenant-count'), `${count(matching.length)} of ${count(this.#rows.length)}`);
    return matching;
  }
}
