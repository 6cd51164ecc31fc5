/** Advice from /advicez: findings, the busiest keys and prefixes. A proxy without it responds with 404; then nothing is shown. */
import { badge, byId, el, setChildren, setText } from './elements.js';
import { bytes, count, time, visible } from './format.js';
import { HttpError, Poll } from './poll.js';
import { isShown, offer, whenShown } from './sections.js';
import { Table } from './table.js';

/**
 * @typedef {{ name: string, subject: string, since: string, text: string }} Finding
 * @typedef {{ calls: number, bytes: number }} Use
 * @typedef {Use & { key: string }} KeyUse
 * @typedef {Use & { prefix: string }} PrefixUse
 * @typedef {object} TenantAdvice
 * @property {string} tenant
 * @property {KeyUse[]} [keys]
 * @property {PrefixUse[]} [prefixes]
 * @property {Finding[]} [findings]
 * @typedef {Use & { tenant: string, name: string }} BusyRow
 */

/** Much data with many tenants, so it is read rarely while it is not shown. */
const shownIntervalMs = 10_000;
const hiddenIntervalMs = 60_000;
/** Further findings are in /advicez. */
const shownMax = 200;
const shownOfTenantMax = 10;

/** @type {Map<string, TenantAdvice>} */
let byTenant = new Map();

/** @param {string} label */
function busyColumns(label) {
  /** @type {import('./table.js').Column<BusyRow>[]} */
  const columns = [
    {
      ...{ label, isRowHead: true, sortBy: ({ name }) => name },
      render: (cell, { name }) => setChildren(cell, name, () => [el('bdi', {}, visible(name))]),
    },
    {
      ...{ label: 'Tenant', sortBy: ({ tenant }) => tenant },
      render: (cell, { tenant }) =>
        setChildren(cell, tenant, () => [el('bdi', {}, visible(tenant))]),
    },
    {
      ...{ label: 'Calls', isNumber: true, sortBy: ({ calls }) => calls },
      render: (cell, { calls }) => setText(cell, count(calls)),
    },
    {
      ...{ label: 'Bytes', isNumber: true, sortBy: (row) => row.bytes },
      render: (cell, row) => setText(cell, bytes(row.bytes)),
    },
  ];
  return columns;
}

/** @param {string} id @param {string} label */
function busyTable(id, label) {
  return new Table(id, busyColumns(label), {
    keyOf: ({ tenant, name }) => `${tenant}\n${name}`,
    empty: 'Nothing yet.',
    sort: 2,
    pageSize: 50,
  });
}

/** Follows /advicez, if the proxy has it. */
export function followAdvice() {
  const keys = busyTable('key-table', 'Key');
  const prefixes = busyTable('prefix-table', 'Prefix');
  const poll = new Poll(
    'advicez',
    hiddenIntervalMs,
    (/** @type {{ tenants: TenantAdvice[] }} */ { tenants }) => {
      byTenant = new Map(tenants.map((advice) => [advice.tenant, advice]));
      offer('findings', true);
      poll.intervalMs = isShown('findings') ? shownIntervalMs : hiddenIntervalMs;
      showFindings(tenants);
      keys.show(tenants.flatMap((each) => busyRows(each.tenant, each.keys ?? [], 'key')));
      prefixes.show(
        tenants.flatMap((each) => busyRows(each.tenant, each.prefixes ?? [], 'prefix')),
      );
    },
    (error) => {
      if (error instanceof HttpError && error.code === 404) poll.stop();
    },
  );
  whenShown('findings', () => poll.now());
}

/** @param {string} tenant @param {(Partial<KeyUse & PrefixUse> & Use)[]} uses @param {'key' | 'prefix'} field */
function busyRows(tenant, uses, field) {
  return uses.map((use) => ({
    tenant,
    name: use[field] ?? '',
    calls: use.calls,
    bytes: use.bytes,
  }));
}

/** @param {TenantAdvice[]} tenants */
function showFindings(tenants) {
  const all = tenants.flatMap(({ tenant, findings = [] }) =>
    findings.map((each) => ({ tenant, ...each })),
  );
  const shown = all.slice(0, shownMax);
  const link = document.querySelector('nav a[href="#findings"]');
  if (link !== null) setText(link, all.length === 0 ? 'Advice' : `Advice (${count(all.length)})`);
  setChildren(byId('finding-list'), JSON.stringify(shown), () =>
    shown.length === 0
      ? [el('li', { class: 'muted' }, 'No findings.')]
      : shown.map((each) => findingItem(each, each.tenant)),
  );
}

/** @param {Finding} finding @param {string} tenant empty if it is known from the context */
function findingItem({ name, subject, since, text }, tenant) {
  const parts = [badge(name, 'warn')];
  if (tenant !== '') parts.push(el('strong', {}, el('bdi', {}, visible(tenant))));
  if (subject) parts.push(el('bdi', { class: 'subject' }, visible(subject)));
  parts.push(el('span', { class: 'muted' }, `since ${time(since)}`));
  return el('li', {}, el('p', { class: 'line' }, ...parts), el('p', {}, visible(text)));
}

/**
 * What is known about one tenant.
 * @param {string} tenant
 * @returns {{ key: string, nodes: () => Node[] }}
 */
export function findingsOf(tenant) {
  const { keys = [], findings = [] } = byTenant.get(tenant) ?? {};
  const busy = busyRows(tenant, keys.slice(0, shownOfTenantMax), 'key');
  return {
    key: JSON.stringify([busy, findings]),
    nodes: () => [
      ...(findings.length === 0
        ? []
        : [
            el('h3', {}, 'Advice'),
            el(
              'ul',
              { class: 'findings' },
              ...findings.slice(0, shownOfTenantMax).map((each) => findingItem(each, '')),
            ),
          ]),
      ...(busy.length === 0 ? [] : [keyTable(busy)]),
    ],
  };
}

/** @param {BusyRow[]} rows */
function keyTable(rows) {
  const heads = ['Key', 'Calls', 'Bytes'].map((label) => el('th', { scope: 'col' }, label));
  const cells = rows.map((row) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, el('bdi', {}, visible(row.name))),
      el('td', { class: 'number' }, count(row.calls)),
      el('td', { class: 'number' }, bytes(row.bytes)),
    ),
  );
  const head = el('thead', {}, el('tr', {}, ...heads));
  return el('table', {}, el('caption', {}, 'Busiest keys'), head, el('tbody', {}, ...cells));
}
