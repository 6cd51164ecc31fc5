/** Logs each finding when it is first seen, and again at most once per hour. */
import type { Clock } from '../../runtime/clock.ts';
import type { KeyText } from '../key-text.ts';
import type { Logger } from '../logger.ts';
import { Throttle } from '../throttle.ts';
import { type Finding, subjectText } from './tenant-findings.ts';

const intervalMs = 3_600_000;

export class FindingLog {
  readonly #logger: Logger;
  readonly #keys: KeyText;
  readonly #throttle: Throttle;

  constructor(logger: Logger, clock: Clock, keys: KeyText) {
    this.#logger = logger;
    this.#keys = keys;
    this.#throttle = new Throttle(clock, intervalMs);
  }

  write(tenant: string, finding: Finding): void {
    const { name, concernsKey, sinceEpochMs, figures, text } = finding;
    if (this.#throttle.pass(`${tenant} ${name}`) < 0) return;
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
