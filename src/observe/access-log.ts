/**
 * The access log, for production: calls that fail and slow calls, and in the mode `sampled` also streams and a random sample of
 * the other calls. Its lines have the field `log: "access"` and do not depend on the log level. Their number per second is
 * limited, for failed and slow calls apart from all others, so that neither can hide the other. Of failed and slow calls each tenant
 * has a share, so that it cannot hide those of the others. Suppressed lines are counted. Loaded only if it is configured.
 */
import { tenantOf } from '../call/call.ts';
import type { AccessLogConfig } from '../config/sections/access-log.ts';
import { Code } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';
import { StatePart } from '../tenant/state.ts';
import { callFields, endFields, isStream } from './call-fields.ts';
import type { CallEvents, CallRecord } from './events.ts';
import type { KeyText } from './key-text.ts';
import { LineRate } from './line-rate.ts';
import type { Fields, Logger } from './logger.ts';
import { describeRequest } from './operation.ts';

export interface AccessLogParts {
  /** The logger of the process. */
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: KeyText;
  readonly config: AccessLogConfig;
  /** Called for each line that is not written, because there are too many. */
  readonly onSuppressed: () => void;
}

/** For the failed and slow calls of a tenant. */
const notableTokens = new StatePart(() => new TokenBucket());

/** Why the log contains a call. */
type Cause = 'error' | 'slow' | 'stream' | 'sample';

export function accessLog(parts: AccessLogParts): CallEvents {
  const log = new AccessLog(parts);
  const { keys, config } = parts;
  return {
    opened: config.mode === 'sampled' ? (record) => log.opened(record) : null,
    // Which calls will be logged is known only at their end, so this costs every call something.
    request: keys === null ? null : (record, message) => noteKeys(record, message, keys),
    response: null,
    ended: (record) => log.ended(record),
    rejected: null,
  };
}

function noteKeys(record: CallRecord, message: Uint8Array, keys: KeyText): void {
  if (record.operation !== null || isStream(record)) return;
  record.operation = { request: describeRequest(record.call.method.request, message, keys) };
}

class AccessLog {
  readonly #logger: Logger;
  readonly #random: Random;
  readonly #config: AccessLogConfig;
  readonly #notable: LineRate;
  readonly #others: LineRate;
  /** How many of the other calls pass until the next one that is logged. */
  #untilSample: number;

  constructor({ logger, clock, random, config, onSuppressed }: AccessLogParts) {
    this.#logger = logger.named('access');
    this.#random = random;
    this.#config = config;
    this.#notable = new LineRate(clock, config.linesPerSecondMax, onSuppressed);
    this.#others = new LineRate(clock, config.linesPerSecondMax, onSuppressed);
    this.#untilSample = this.#nextSample();
  }

  opened(record: CallRecord): void {
    const suppressed = this.#others.pass();
    if (suppressed >= 0) this.#write('stream opened', callFields(record), 'stream', suppressed);
  }

  ended(record: CallRecord): void {
    const cause = this.#causeOf(record);
    if (cause === null) return;
    const isNotable = cause === 'error' || cause === 'slow';
    const suppressed = isNotable
      ? this.#notable.pass(tenantOf(record.call).state.get(notableTokens))
      : this.#others.pass();
    if (suppressed < 0) return;
    this.#write(isStream(record) ? 'stream closed' : 'call', endFields(record), cause, suppressed);
  }

  /** Null for a call that is not logged. */
  #causeOf(record: CallRecord): Cause | null {
    if (record.code !== Code.OK && !record.isCancelled) return 'error';
    const { mode, slowMs } = this.#config;
    if (isStream(record)) return mode === 'sampled' ? 'stream' : null;
    if (record.durationMs >= slowMs && !record.call.method.waits) return 'slow';
    if (mode !== 'sampled') return null;
    this.#untilSample -= 1;
    if (this.#untilSample > 0) return null;
    this.#untilSample = this.#nextSample();
    return 'sample';
  }

  /** At random, because a client may repeat its calls in a pattern. */
  #nextSample(): number {
    return this.#random.integer(1, 2 * this.#config.sampleOneOf);
  }

  #write(
    event: 'call' | 'stream opened' | 'stream closed',
    fields: Fields,
    cause: Cause,
    suppressed: number,
  ): void {
    this.#logger.info(event, { cause, ...fields, ...(suppressed > 0 && { suppressed }) });
  }
}
