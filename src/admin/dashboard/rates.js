/**
 * Rates per tenant, from two readings of /tenantz. A count that has fallen is a new beginning: its tenant was changed, or the
 * process started again. No DOM.
 *
 * @typedef {{ name: string, used: number, limit: number, refused: number }} Limit
 * @typedef {{ class: string, state: string, forced: boolean }} Breaker
 * @typedef {object} Report
 * @property {string} tenant
 * @property {string} namespace
 * @property {number} calls
 * @property {number} errors
 * @property {number} refused
 * @property {number} requestBytes
 * @property {number} responseBytes
 * @property {number} openCalls
 * @property {number} streams
 * @property {number} watches
 * @property {number} feeds
 * @property {number} leases
 * @property {Breaker[]} breakers
 * @property {Limit[]} limits
 * @property {number | null} p50Ms
 * @property {number | null} p99Ms
 *
 * @typedef {object} Row
 * @property {Report} report
 * @property {number | null} calls per second, as all of these; null with the first reading
 * @property {number | null} errors
 * @property {number | null} refused
 * @property {number | null} requestBytes
 * @property {number | null} responseBytes
 * @property {Float32Array} history calls per second, oldest first; NaN before the first reading
 * @property {string[]} refusing the limits that have refused something since the reading before
 */

/** Readings that a history has. */
export const historyLength = 60;
const recentReadings = 10;

export class Rates {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #nowMs = 0;

  /**
   * @param {{ now: string, tenants: Report[] }} reading
   * @returns {Row[]} in the order of the reading
   */
  update({ now, tenants }) {
    const nowMs = Date.parse(now);
    const seconds = (nowMs - this.#nowMs) / 1000;
    // The clock of the server can be set back.
    const isFirst = this.#nowMs === 0 || seconds <= 0;
    const before = this.#rows;
    this.#nowMs = nowMs;
    this.#rows = new Map(
      tenants.map((report) => {
        const row = before.get(report.tenant);
        return [
          report.tenant,
          isFirst || !row ? firstRow(report, row) : nextRow(row, report, seconds),
        ];
      }),
    );
    return [...this.#rows.values()];
  }

  /** @param {string} tenant */
  of(tenant) {
    return this.#rows.get(tenant) ?? null;
  }
}

/** @returns {Float32Array} */
export function emptyHistory() {
  return new Float32Array(historyLength).fill(Number.NaN);
}

/** Of the last few readings. Null without any. @param {Float32Array} history */
export function recentMean(history) {
  let sum = 0;
  let readings = 0;
  for (const value of history.subarray(-recentReadings)) {
    if (Number.isNaN(value)) continue;
    sum += value;
    readings += 1;
  }
  return readings === 0 ? null : sum / readings;
}

/** @param {Report} report @param {Row | undefined} before @returns {Row} */
function firstRow(report, before) {
  const none = {
    calls: null,
    errors: null,
    refused: null,
    requestBytes: null,
    responseBytes: null,
  };
  const history = before?.history ?? emptyHistory();
  return { report, ...none, history, refusing: [] };
}

/** @param {Row} before @param {Report} report @param {number} seconds @returns {Row} */
function nextRow(before, report, seconds) {
  const { report: old, history } = before;
  const isNew = report.calls < old.calls;
  /** @param {'calls' | 'errors' | 'refused' | 'requestBytes' | 'responseBytes'} name */
  const rate = (name) => Math.max(report[name] - (isNew ? 0 : old[name]), 0) / seconds;
  const calls = rate('calls');
  history.copyWithin(0, 1);
  history[historyLength - 1] = calls;
  return {
    report,
    calls,
    errors: rate('errors'),
    refused: rate('refused'),
    requestBytes: rate('requestBytes'),
    responseBytes: rate('responseBytes'),
    history,
    refusing: refusingLimits(report.limits, isNew ? [] : old.limits),
  };
}

/** @param {Limit[]} limits @param {Limit[]} before */
function refusingLimits(limits, before) {
  return limits
    .filter(({ name, refused }) => {
      const old = before.find((each) => each.name === name);
      return refused > (old?.refused ?? 0);
    })
    .map(({ name }) => name);
}

/** The limit of which the largest share is used, or null. @param {Report} report */
export function fullestLimit({ limits }) {
  /** @type {Limit | null} */
  let fullest = null;
  for (const each of limits) {
    if (fullest === null || each.used * fullest.limit > fullest.used * each.limit) fullest = each;
  }
  return fullest;
}

/** From this share on, the use of a limit is a problem. */
export const nearLimit = 0.8;

/** @param {Row} row */
export function hasProblem(row) {
  const fullest = fullestLimit(row.report);
  return (
    (row.errors ?? 0) > 0 ||
    row.report.breakers.length > 0 ||
    row.refusing.length > 0 ||
    (fullest !== null && fullest.used >= nearLimit * fullest.limit)
  );
}
