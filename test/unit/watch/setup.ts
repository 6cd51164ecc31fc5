/** A client's watch stream over a fake etcd that responds when the test says so. Keys are visible ones. */
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { type WatchLimits, watchLimits } from '../../../src/watch/stream/watch-limits.ts';
import { Caller } from '../../support/caller.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../support/codec.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import type { WatchCreateRequest, WatchRequest, WatchResponse } from '../../support/messages.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';
import { unsharedWatch } from '../../support/watch-hub.ts';

export const watchMethod = 'etcdserverpb.Watch/Watch';

export const header = { cluster_id: '7', member_id: '8', revision: '100', raft_term: '3' };

export const encodedHeader = (revision: string) =>
  // The header of every response is its first field.
  encodeResponse('etcdserverpb.KV/Compact', { header: { ...header, revision } }).subarray(2);

export const duplicate = 'mvcc: duplicate watch ID provided on the WatchStream';

export class WatchSetup {
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly tenant: Tenant = testTenant();
  readonly heard = new Caller();
  readonly requests;
  readonly below;

  constructor(limits: WatchLimits = watchLimits) {
    const layer = onBytes(unsharedWatch(limits)(this.etcd));
    this.requests = layer.stream(callOf(watchMethod, { tenant: this.tenant }), this.heard);
    this.below = this.etcd.last;
  }

  /** The tenant has compacted at this revision. */
  compact(revision: number): void {
    this.tenant.state.floor.raise(revision, encodedHeader('90'));
  }

  create(create: WatchCreateRequest = {}): void {
    this.send({ create_request: { key: Buffer.from('k'), ...create } });
  }

  cancel(watchId: number): void {
    this.send({ cancel_request: { watch_id: watchId } });
  }

  send(request: WatchRequest): void {
    this.requests.send(encodeRequest(watchMethod, request));
  }

  /** What etcd sends. */
  respond(response: object): void {
    this.below.deliver(encodeResponse(watchMethod, { header, ...response }));
  }

  created(watchId: number): void {
    this.respond({ watch_id: watchId, created: true });
  }

  refused(
    reason = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
  ): void {
    this.respond({ watch_id: -1, created: true, canceled: true, cancel_reason: reason });
  }

  /** What reached etcd, newest last. */
  get sent(): readonly WatchRequest[] {
    return this.below.requests.map((bytes) => decodeRequest(watchMethod, bytes));
  }

  /** The watch IDs of the creates that reached etcd. */
  get sentIds(): readonly string[] {
    return this.sent.flatMap(({ create_request: create }) =>
      create ? [String(create.watch_id)] : [],
    );
  }

  get answers(): readonly WatchResponse[] {
    return this.heard.messages.map((bytes) => decodeResponse(watchMethod, bytes));
  }

  /** The responses in short: `created 0`, `canceled 3`, `compacted 3 at 50`, `refused: why`, `events of 0`. */
  get told(): readonly string[] {
    return this.answers.map(inShort);
  }
}

export function inShort(answer: WatchResponse): string {
  const { watch_id: id, created, canceled } = answer;
  if (created && canceled) return `refused: ${answer.cancel_reason}`;
  if (created) return `created ${id}`;
  if (answer.compact_revision !== '0') return `compacted ${id} at ${answer.compact_revision}`;
  if (canceled) return `canceled ${id}`;
  return answer.events.length > 0 ? `events of ${id}` : `progress of ${id}`;
}
