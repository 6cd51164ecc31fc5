/** How a call of these commands to etcd has failed, as an error, and whether the same call may succeed later. */
import { classifyForBreaker } from '../../etcd/outcomes.ts';
import { Code, type Status } from '../../grpc/status.ts';

const compactedText = 'etcdserver: mvcc: required revision has been compacted';
/** The texts depend on the release of etcd, on the transport, and on the layer that rejects. */
const tooLarge = /request is too large|(?:trying to send|received) message larger/i;

export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly status: Status;

  /** `rpc`: for the message. */
  constructor(rpc: string, status: Status) {
    super(`${rpc}: ${status.text === '' ? `status ${status.code}` : status.text}`);
    this.status = status;
  }

  /** A linearizable read or an idempotent write may be repeated: the cluster, not the request, was at fault. */
  get isTransient(): boolean {
    const { code, origin } = this.status;
    if (this.isTooLarge) return false;
    if (origin === 'unsent' || origin === 'lost' || code === Code.DEADLINE_EXCEEDED) return true;
    const verdict = classifyForBreaker(this.status, Number.POSITIVE_INFINITY);
    return verdict !== 'success' && verdict !== 'neutral';
  }

  /** The revision that was to be read is gone. */
  get isCompacted(): boolean {
    return this.status.text === compactedText;
  }

  /**
   * The request exceeds what the cluster accepts (--max-request-bytes), or the response what this process accepts. The texts
   * are the same, so the caller knows which: fewer keys at a time may fit.
   */
  get isTooLarge(): boolean {
    const { origin, code, text } = this.status;
    return tooLarge.test(text) || (origin === 'proxy' && code === Code.RESOURCE_EXHAUSTED);
  }

  /** The transaction has more operations than the cluster accepts (--max-txn-ops). */
  get hasTooManyOperations(): boolean {
    return this.status.text === 'etcdserver: too many operations in txn request';
  }

  get isLeaseExists(): boolean {
    return this.status.text === 'etcdserver: lease already exists';
  }
}
