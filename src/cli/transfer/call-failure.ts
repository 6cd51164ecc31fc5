/** How a call of these commands to etcd has failed, as an error, and whether the same call may succeed later. */
import { classifyForBreaker } from '../../etcd/outcomes.ts';
import { Code, type Status } from '../../grpc/status.ts';

const compactedText = 'etcdserver: mvcc: required revision has been compacted';
/** The texts of etcd for a request that exceeds a limit of the cluster. They depend on the release and on the layer that rejects. */
const tooLarge = /request is too large|trying to send message larger|received message larger/;

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
    if (this.isTooLargeForMemory) return false;
    if (origin === 'unsent' || origin === 'lost' || code === Code.DEADLINE_EXCEEDED) return true;
    const verdict = classifyForBreaker(this.status, Number.POSITIVE_INFINITY);
    return verdict !== 'success' && verdict !== 'neutral';
  }

  /** The revision that was to be read is gone. */
  get isCompacted(): boolean {
    return this.status.text === compactedText;
  }

  /** The response exceeds what this process accepts. Fewer keys at a time may fit. */
  get isTooLargeForMemory(): boolean {
    return this.status.origin === 'proxy' && this.status.code === Code.RESOURCE_EXHAUSTED;
  }

  /** The transaction has more operations than the cluster accepts (--max-txn-ops). */
  get hasTooManyOperations(): boolean {
    return this.status.text === 'etcdserver: too many operations in txn request';
  }

  /** The request has more bytes than the cluster accepts (--max-request-bytes). */
  get isTooLargeForCluster(): boolean {
    return this.status.origin === 'peer' && tooLarge.test(this.status.text);
  }

  get isLeaseExists(): boolean {
    return this.status.text === 'etcdserver: lease already exists';
  }
}
