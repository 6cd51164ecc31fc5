/** Logs each finding when it is first seen, and again at most once per hour. */
import type { Clock } from '../../runtime/clock.ts';
import type { KeyText } from '../key-text.ts';
import type { Logger } from '../logger.ts';
import { type Finding, subjectText, type TenantFindings } from './tenant-findings.ts';

const intervalMs = 3_600_000;

export class FindingLog {
  readonly #logger: Logger;
  readonly #keys: KeyText;
  readonly #clock: Clock;

  constructor(logger: Logger, clock: Clock, keys: KeyText) {
    this.#logger = logger;
    this.#keys = keys;
    this.#clock = clock;
  }

  write({ tenantName: tenant, loggedMs }: TenantFindings, finding: Finding): void {
    const { name, concernsKey, sinceEpochMs, figures, text } = finding;
    const nowMs = this.#clock.nowMs();
    if (nowMs - (loggedMs.get(name) ?? Number.NEGATIVE_INFINITY) < intervalMs) return;
    loggedMs.set(name, nowMs);
    const mayShow = !concernsKey || this.#keys !== null;
    const subject = mayShow ? subjectText(finding, this.#keys ?? (() => '')) : '';
    this.#logger.warn('finding', {
      tenant,
      finding: name,
      ...(subject !== '' && { subject }),
      since: new Date(sinceEpochMs).toISOString(),
      figures,
      text,
    });
  }
}
