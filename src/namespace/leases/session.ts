/**
 * Locks and elections whose request names no lease. etcd would grant one of 60 seconds by itself, but without the tenant's
 * tag, and the tenant's key would hang on a lease that nobody can name. So one with the tag is granted first, and named in
 * the request.
 *
 * When the call then fails, or its client leaves, that lease stays until its time is over, as the one that etcd grants
 * does (v3lock/lock.go and v3election/election.go orphan their session). Revoking it would be wrong where only the answer
 * was lost: the key, and with it the lock, would vanish under a client that may hold it.
 */
import { type Call, type Etcd, type Reply, tenantOf } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import { visibleId } from '../../etcd/lease-id.ts';
import { method } from '../../etcd/methods.ts';
import { requestRewriter } from '../../etcd/rewriters.ts';
import { type Ongoing, settled } from '../../grpc/call.ts';
import { Code, type Status, status } from '../../grpc/status.ts';
import type { WireFault } from '../../rewrite/fault.ts';
import { Reader } from '../../protobuf/reader.ts';
import { replaceVarintField, varintField } from '../../protobuf/varint-field.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { NamespaceOptions, ToUnary } from '../handler.ts';
import { innerCall } from '../inner-call.ts';
import { DrawnGrant } from './lease-grant.ts';
import { faultRefusal, send } from '../unary.ts';

/** As etcd has it, defaultSessionTTL in client/v3/concurrency/session.go. */
export const sessionTtlSeconds = 60;

const leaseGrant = method('etcdserverpb.Lease/LeaseGrant');
const grantRequest = new Writer().varint(1, sessionTtlSeconds).finish();
const grantedIdField = 2;

/** Where a request names the lease of its session. */
interface LeasePlace {
  /** Null: the request has no session, and etcd will say what is missing. */
  read(request: Uint8Array): bigint | null | WireFault;
  write(request: Uint8Array, id: bigint): Uint8Array | WireFault;
}

/** LockRequest and CampaignRequest. */
export const leaseOfRequest: LeasePlace = {
  read: (request) => varintField(request, 2),
  write: (request, id) => replaceVarintField(request, 2, id),
};

/** ProclaimRequest: in its LeaderKey. */
export const leaseOfLeader: LeasePlace = {
  read(request) {
    const leader = leaderOf(request);
    return leader === null ? null : varintField(leader, 4);
  },
  write(request, id) {
    const written = new Writer();
    const reader = new Reader(request);
    while (reader.next()) {
      if (reader.field !== 1) {
        written.raw(reader.raw());
        continue;
      }
      const leader = replaceVarintField(reader.bytes(), 4, id);
      if (typeof leader === 'string') return leader;
      written.message(1, leader);
    }
    return written.finish();
  },
};

function leaderOf(request: Uint8Array): Uint8Array | null {
  const reader = new Reader(request);
  let leader: Uint8Array | null = null;
  while (reader.next()) if (reader.field === 1) leader = reader.bytes();
  return leader;
}

export function withSession(place: LeasePlace): ToUnary {
  return (next, options) => (call, request, reply) => {
    const { keySpace } = tenantOf(call);
    // Before the grant: a request that is refused must have had no effect.
    const stored = requestRewriter(call.method).rewrite(request, keySpace);
    if (typeof stored === 'string') {
      reply.end(faultRefusal(call, stored));
      return settled;
    }
    const named = place.read(stored);
    // The tenant that owns the whole cluster needs no tag.
    if (named !== 0n || keySpace.prefix.length === 0) {
      return send(next, options.hooks, call, stored, reply);
    }
    const session = new GrantedSession(next, options, place, call, stored, reply);
    session.grant();
    return session;
  };
}

/** The grant, and after it the call: to the layer above they are one. Is itself the reply of the grant. */
class GrantedSession implements Ongoing, Reply<'store'> {
  readonly #next: Etcd<'store'>;
  readonly #options: NamespaceOptions;
  readonly #place: LeasePlace;
  readonly #call: Call;
  readonly #request: Uint8Array;
  readonly #above: Reply<'tenant'>;
  #lease: bigint | WireFault = 0n;
  /** The grant, then the call. */
  #below: Ongoing = settled;

  constructor(
    next: Etcd<'store'>,
    options: NamespaceOptions,
    place: LeasePlace,
    call: Call,
    request: Uint8Array,
    above: Reply<'tenant'>,
  ) {
    this.#next = next;
    this.#options = options;
    this.#place = place;
    this.#call = call;
    this.#request = request;
    this.#above = above;
  }

  grant(): void {
    const { leaseTag } = tenantOf(this.#call).keySpace;
    const drawing = { next: this.#next, random: this.#options.random, leaseTag };
    const grant = new DrawnGrant(drawing, innerCall(this.#call, leaseGrant), grantRequest, this);
    this.#below = grant;
    grant.draw();
  }

  message(bytes: Uint8Array): void {
    this.#lease = varintField(bytes, grantedIdField);
  }

  end(status: Status): void {
    if (status.code === Code.OK) this.#proceed();
    else this.#above.end(asSessionFailure(status));
  }

  cancel(): void {
    this.#below.cancel();
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }

  #proceed(): void {
    const { hooks } = this.#options;
    const lease = this.#lease;
    const { leaseTag } = tenantOf(this.#call).keySpace;
    if (typeof lease === 'string' || !(visibleId(leaseTag, lease) ?? 0)) {
      hooks.violation(this.#call, 'namespace-violation');
      this.#above.end(refusal('namespace-violation'));
      return;
    }
    const request = this.#place.write(this.#request, lease);
    if (typeof request === 'string') this.#above.end(refusal(request));
    else this.#below = send(this.#next, hooks, this.#call, request, this.#above);
  }
}

/** etcd's lock and election services report whatever a peer of theirs says as Unknown. */
function asSessionFailure(of: Status): Status {
  return of.origin === 'peer' ? status(Code.UNKNOWN, of.text, 'peer', of.trailers) : of;
}
