/** The statuses of calls that a limit refuses. All but one are built once, because shedding must cost less than serving. */
import {
  hintTrailer,
  type RefusalName,
  reasonTrailer,
  refusals,
  refusalWith,
} from '../call/refusals.ts';
import { type Status, status } from '../grpc/status.ts';
import { type LimitName, limitNames, type Usage } from '../tenant/usage.ts';

const reasons: Readonly<Record<LimitName, RefusalName>> = {
  'max-calls-per-second': 'call-rate-limit',
  'max-open-calls': 'open-calls-limit',
  'max-open-streams': 'open-streams-limit',
  'max-open-watches': 'watch-limit',
  'max-leases-per-minute': 'lease-rate-limit',
  'max-request-bytes': 'message-too-large',
  'max-total-calls-per-second': 'call-rate-limit',
  'max-total-open-calls': 'open-calls-limit',
  'max-total-open-streams': 'open-streams-limit',
  'max-total-open-watches': 'watch-limit',
};

/** The refusals of a rate. Clients with a retry policy wait for as long as the bucket of a second takes to fill. */
const rates: readonly RefusalName[] = ['call-rate-limit', 'lease-rate-limit'];
const pushback = ['grpc-retry-pushback-ms', '1000'] as const;

const statuses = new Map<LimitName, Status>(
  limitNames.map((limit) => {
    const reason = reasons[limit];
    const isRate = rates.includes(reason);
    return [limit, refusalWith(reason, [...hintOf(limit), ...(isRate ? pushback : [])])];
  }),
);

/** Always the same object for a limit. */
export function limitStatus(limit: LimitName): Status {
  return statuses.get(limit) as Status;
}

/** Counts the refusal. The text is that of grpc-go for a message above the limit of a server. */
export function messageTooLarge(usage: Usage, message: Uint8Array): Status {
  usage.refused('max-request-bytes');
  const { code, text } = refusals['message-too-large'];
  const sizes = `(${message.length} vs. ${usage.limits.messageBytesMax})`;
  const trailers = [reasonTrailer, 'message-too-large', ...hintOf('max-request-bytes')];
  return status(code, `${text} ${sizes}`, 'proxy', trailers);
}

function hintOf(limit: LimitName): readonly [string, string] {
  return [hintTrailer, `the limit ${limit} is reached`];
}
