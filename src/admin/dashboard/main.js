/** The dashboard: reads the pages of the admin address and shows them. It keeps nothing but the last minute. */
import { enableActions } from './actions.js';
import { Cluster, firstExpiry } from './cluster.js';
import { Configuration } from './configuration.js';
import { byId, setClass, setText } from './elements.js';
import { followAdvice } from './findings.js';
import { visible } from './format.js';
import { Overview } from './overview.js';
import { Poll, pauseAll, read } from './poll.js';
import { Rates } from './rates.js';
import { isShown, whenShown } from './sections.js';
import { TenantDialog } from './tenant-dialog.js';
import { Tenants } from './tenants.js';

/** Ten thousand tenants are read every five seconds, so that a reading stays cheap for the proxy. */
const tenantsPerSecond = 2_000;
const tenantIntervalMs = 1_000;
/** Other dashboards may have requested the same just before. Shorter than the interval, so that each reading is a new one. */
const sharedMs = 900;
const endpointIntervalMs = 2_000;
const configurationIntervalMs = 30_000;

const rates = new Rates();
const overview = new Overview();
const cluster = new Cluster();
const configuration = new Configuration();
/** @type {import('./rates.js').Row[]} */
let rows = [];

const tenants = new Tenants((tenant) => {
  const row = rates.of(tenant);
  if (row !== null) dialog.open(row);
});

const tenantPoll = new Poll(
  `tenantz?max-age=${sharedMs}`,
  tenantIntervalMs,
  (reading) => {
    rows = rates.update(reading);
    const seconds = Math.max(Math.ceil(rows.length / tenantsPerSecond), 1);
    tenantPoll.intervalMs = seconds * tenantIntervalMs;
    overview.showTenants(rows);
    if (isShown('tenants')) tenants.show(rows);
    if (dialog.tenant !== '') dialog.show(rates.of(dialog.tenant));
    showLive(seconds === 1 ? 'live' : `live, every ${seconds} s`, 'ok');
  },
  () => showLive('not reachable', 'bad'),
);
const dialog = new TenantDialog(() => tenantPoll.now());
whenShown('tenants', () => tenants.show(rows));

new Poll('upstreamz', endpointIntervalMs, ({ endpoints }) => {
  overview.showEndpoints(endpoints);
  cluster.showEndpoints(endpoints);
});

new Poll('drainz', endpointIntervalMs, ({ phase }) => {
  const element = byId('phase');
  element.hidden = false;
  setText(element, phase);
  setClass(element, `badge ${phase === 'serving' ? 'ok' : 'warn'}`);
});

const configurationPoll = new Poll(
  'configz',
  configurationIntervalMs,
  (/** @type {import('./configuration.js').Report} */ report) => {
    const { certificates, workers, settings } = report;
    enableActions(settings.some(({ name, value }) => name === 'admin-actions' && value === true));
    overview.showCertificates(certificates.length === 0 ? null : firstExpiry(certificates));
    cluster.showProcess(certificates, workers);
    configuration.show(report);
  },
);
whenShown('configuration', () => configurationPoll.now());

followAdvice();

read('version').then(
  (versions) => setText(byId('version'), visible(versions['etcd-bulkhead'])),
  () => {},
);

/** Announced only when it changes. @param {string} text @param {string} kind */
function showLive(text, kind) {
  setText(byId('live'), text);
  setClass(byId('live'), `live ${kind}`);
}

const pause = byId('pause');
pause.addEventListener('click', () => {
  const isPaused = pause.getAttribute('aria-pressed') !== 'true';
  pause.setAttribute('aria-pressed', `${isPaused}`);
  if (isPaused) showLive('paused', 'warn');
  pauseAll(isPaused);
});

const theme = /** @type {HTMLSelectElement} */ (byId('theme'));
theme.value = document.documentElement.dataset.theme ?? '';
theme.addEventListener('change', () => {
  if (theme.value === '') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem('theme', theme.value);
  } catch {}
});
