/** The endpoints of the cluster, the certificates that the proxy presents, and its workers. */
import { badge, byId, setChildren, setText } from './elements.js';
import { bytes, count, span, time, unknown, visible } from './format.js';
import { Table } from './table.js';

/**
 * @typedef {{ unary: number, watch: number, lease: number }} ByClass
 * @typedef {object} Endpoint
 * @property {string} name
 * @property {string} state
 * @property {string} lastError
 * @property {string} version
 * @property {string} role
 * @property {number} dbBytes
 * @property {ByClass} connections
 * @property {ByClass} openStreams
 * @property {number[]} [workers]
 * @typedef {{ use: string, listener: string, expires: string }} Certificate
 * @typedef {{ worker: number, pid: number | null, state: string, restarts: number, hash: string }} Worker
 */

const dayMs = 86_400_000;
const soonMs = 14 * dayMs;

/** @param {string} label @param {'connections' | 'openStreams'} field @param {string} hint */
function byClass(label, field, hint) {
  /** @type {import('./table.js').Column<Endpoint>} */
  const column = {
    ...{ label, hint, isNumber: true },
    sortBy: (row) => row[field].unary + row[field].watch + row[field].lease,
    render: (cell, row) => {
      const { unary, watch, lease } = row[field];
      setText(cell, `${count(unary)} / ${count(watch)} / ${count(lease)}`);
    },
  };
  return column;
}

/** @param {string} state */
function kindOfState(state) {
  if (state === 'ready') return 'ok';
  return state === 'connecting' || state === 'learner' ? 'info' : 'bad';
}

/** @type {import('./table.js').Column<Endpoint>[]} */
const endpointColumns = [
  {
    ...{ label: 'Endpoint', isRowHead: true, sortBy: ({ name }) => name },
    render: (cell, { name }) => setText(cell, visible(name)),
  },
  {
    ...{ label: 'State', sortBy: ({ state }) => state },
    render: (cell, { state }) =>
      setChildren(cell, state, () => [badge(visible(state), kindOfState(state))]),
  },
  {
    ...{ label: 'Role', sortBy: ({ role }) => role },
    render: (cell, { role }) => setText(cell, role || unknown),
  },
  {
    ...{ label: 'Version', sortBy: ({ version }) => version },
    render: (cell, { version }) => setText(cell, visible(version) || unknown),
  },
  {
    ...{ label: 'Database', isNumber: true, sortBy: ({ dbBytes }) => dbBytes },
    render: (cell, { dbBytes }) => setText(cell, bytes(dbBytes === 0 ? null : dbBytes)),
  },
  byClass('Connections', 'connections', 'for unary calls / watches / keepalives'),
  byClass('Open calls', 'openStreams', 'unary calls / watch streams / keepalive streams'),
  {
    label: 'Last error',
    render: (cell, { lastError }) => setText(cell, visible(lastError)),
  },
  {
    ...{ label: 'Workers', hint: 'the workers that report this state' },
    render: (cell, { workers }) => setText(cell, workers?.join(', ') ?? ''),
  },
];

/** @type {import('./table.js').Column<Certificate>[]} */
const certificateColumns = [
  {
    ...{ label: 'Presented to', isRowHead: true, sortBy: ({ use }) => use },
    render: (cell, { use }) => setText(cell, use === 'server' ? 'clients' : 'etcd'),
  },
  {
    ...{ label: 'Listener', sortBy: ({ listener }) => listener },
    render: (cell, { listener }) => setText(cell, visible(listener) || unknown),
  },
  {
    ...{ label: 'Expires', sortBy: ({ expires }) => expires },
    render: (cell, { expires }) => setText(cell, time(expires)),
  },
  {
    ...{ label: 'Left', sortBy: ({ expires }) => expires },
    render: (cell, { expires }) => {
      const leftMs = Date.parse(expires) - Date.now();
      const text = leftMs <= 0 ? 'expired' : span(leftMs);
      const kind = leftMs <= 0 ? 'bad' : leftMs < soonMs ? 'warn' : 'ok';
      setChildren(cell, text, () => [badge(text, kind)]);
    },
  },
];

/** @type {import('./table.js').Column<Worker>[]} */
const workerColumns = [
  {
    ...{ label: 'Worker', isRowHead: true, sortBy: ({ worker }) => worker },
    render: (cell, { worker }) => setText(cell, `${worker}`),
  },
  {
    ...{ label: 'State', sortBy: ({ state }) => state },
    render: (cell, { state }) =>
      setChildren(cell, state, () => [badge(state, state === 'serving' ? 'ok' : 'bad')]),
  },
  {
    ...{ label: 'Process', isNumber: true },
    render: (cell, { pid }) => setText(cell, pid === null ? unknown : `${pid}`),
  },
  {
    ...{ label: 'Restarts', isNumber: true, sortBy: ({ restarts }) => restarts },
    render: (cell, { restarts }) => setText(cell, count(restarts)),
  },
  { label: 'Configuration', render: (cell, { hash }) => setText(cell, hash || unknown) },
];

export class Cluster {
  /** @type {Table<Endpoint>} */
  #endpoints = new Table('endpoint-table', endpointColumns, {
    keyOf: ({ name, workers = [] }) => `${name} ${workers}`,
    empty: 'No endpoints.',
  });
  /** @type {Table<Certificate>} */
  #certificates = new Table('certificate-table', certificateColumns, {
    keyOf: ({ use, listener }) => `${use} ${listener}`,
    empty: 'The proxy presents no certificates.',
    sort: 2,
  });
  /** @type {Table<Worker>} */
  #workers = new Table('worker-table', workerColumns, {
    keyOf: ({ worker }) => `${worker}`,
    empty: '',
  });

  /** @param {Endpoint[]} endpoints */
  showEndpoints(endpoints) {
    this.#endpoints.show(endpoints);
    const hasWorkers = endpoints.some(({ workers }) => workers !== undefined);
    byId('endpoint-table').classList.toggle('without-workers', !hasWorkers);
  }

  /** @param {Certificate[]} certificates @param {Worker[] | undefined} workers */
  showProcess(certificates, workers) {
    this.#certificates.show(certificates);
    byId('workers').hidden = workers === undefined;
    this.#workers.show(workers ?? []);
  }
}

/** The certificate that expires first, for the overview. @param {Certificate[]} certificates */
export function firstExpiry(certificates) {
  const times = certificates.map(({ expires }) => Date.parse(expires));
  const leftMs = Math.min(...times) - Date.now();
  return { leftMs, kind: leftMs <= 0 ? 'bad' : leftMs < soonMs ? 'warn' : 'ok' };
}
