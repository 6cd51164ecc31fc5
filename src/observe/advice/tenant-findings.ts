/** The findings of one tenant: which rules hold for its traffic, and since when. */
import { printable } from '../../etcd/printable.ts';
import { type Figures, type FindingName, findingNames, ruleOf } from './findings.ts';
import { busiestMax, type TenantAdvice } from './report.ts';
import type { Counter } from './space-saving.ts';
import { TenantTraffic } from './tenant-traffic.ts';

export interface Finding {
  readonly name: FindingName;
  /** One character per byte if it is a key or a prefix. */
  readonly subject: string;
  readonly concernsKey: boolean;
  readonly sinceEpochMs: number;
  readonly figures: Figures;
  readonly text: string;
}

/** A rate over a shorter time could be a burst at the start of a client. */
const secondsMin = 60;
/** A finding ends at this share of its threshold. */
const endFactor = 0.5;
/** A key with a smaller share of the calls is not among the busiest: its counter may be an artefact of the sketch. */
const shareMin = 0.01;

export class TenantFindings {
  readonly tenantName: string;
  readonly traffic = new TenantTraffic();
  current: readonly Finding[] = [];
  /** When each finding was logged last, on the monotonic scale. */
  readonly loggedMs = new Map<FindingName, number>();

  constructor(tenantName: string) {
    this.tenantName = tenantName;
  }

  /** Lets old traffic fade, and evaluates the rules. */
  update(passedMs: number, epochMs: number): void {
    this.traffic.decay(passedMs);
    if (this.traffic.seconds < secondsMin) return;
    this.current = findingNames.flatMap((name) => {
      const before = this.current.find((each) => each.name === name);
      const { match, concernsKey, text } = ruleOf(name);
      const found = match(this.traffic, before === undefined ? 1 : endFactor);
      if (found === null) return [];
      const isSame = before?.subject === found.subject;
      const sinceEpochMs = isSame ? before.sinceEpochMs : epochMs;
      return [{ name, concernsKey, text, ...found, sinceEpochMs }];
    });
  }

  get report(): TenantAdvice {
    const { keys, prefixes, seconds } = this.traffic;
    return {
      tenant: this.tenantName,
      seconds: Math.round(seconds),
      keys: this.#busiest(keys.counters).map(({ key, ...rest }) => ({ key, ...rest })),
      prefixes: this.#busiest(prefixes.counters).map(({ key, ...rest }) => ({
        prefix: key,
        ...rest,
      })),
      findings: this.current.map((finding) => ({
        name: finding.name,
        subject: subjectText(finding, shown),
        since: new Date(finding.sinceEpochMs).toISOString(),
        figures: finding.figures,
        text: finding.text,
      })),
    };
  }

  #busiest(counters: readonly Counter[]) {
    const least = this.traffic.calls * shareMin;
    return counters
      .filter(({ count, error }) => count - error >= least)
      .slice(0, busiestMax)
      .map(({ key, count, bytes }) => ({
        key: shown(bytesOf(key)),
        calls: Math.round(count),
        bytes: Math.round(bytes),
      }));
  }
}

/** The subject of a finding, in which `show` formats a key. An address has no bytes that need it. */
export function subjectText(
  { subject, concernsKey }: Finding,
  show: (key: Uint8Array) => string,
): string {
  return concernsKey ? show(bytesOf(subject)) : subject;
}

function shown(key: Uint8Array): string {
  return printable(key);
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
