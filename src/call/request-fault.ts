/** The status of a request that the rewriters do not pass on. */
import type { Method } from '../etcd/methods.ts';
import { requestRewriter } from '../etcd/rewriters.ts';
import { type Status, status } from '../grpc/status.ts';
import type { RewriteFault } from '../rewrite/fault.ts';
import { reasonTrailer, refusal, refusals } from './refusals.ts';

/** `fault` is that of the last request of `method` that was rewritten. */
export function requestFault(method: Method, fault: RewriteFault): Status {
  if (fault === 'key-empty' && method.failsAsUnknown) return refusal('lock-key-empty');
  if (fault !== 'field-unknown') return refusal(fault);
  const { code, text } = refusals[fault];
  const { unknownField } = requestRewriter(method);
  return status(code, `${text}: ${unknownField}`, 'proxy', [reasonTrailer, fault]);
}
