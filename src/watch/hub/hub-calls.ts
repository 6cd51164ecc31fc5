/**
 * The calls that the hub of a tenant makes at etcd. They run under the proxy's own identity: no listener passes credentials for
 * them.
 */
import { Call, type Etcd, type Requests, type Responses } from '../../call/call.ts';
import { ownPeer } from '../../call/own-call.ts';
import { type Method, method } from '../../etcd/methods.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import type { HubContext } from './hub-context.ts';

const watchMethod = method('etcdserverpb.Watch/Watch');

export interface HubCallsOptions {
  readonly context: HubContext;
  readonly next: Etcd<'tenant'>;
  /** Streams that require a leader end while etcd has none, so they have feeds of their own. */
  readonly requiresLeader: boolean;
}

export class HubCalls {
  /** The tenant of the newest join: a reload replaces the object, but never the keys. */
  tenant: Tenant;
  readonly #options: HubCallsOptions;

  constructor(options: HubCallsOptions, tenant: Tenant) {
    this.#options = options;
    this.tenant = tenant;
  }

  /** The read of a fence. */
  fence(fenceMethod: Method): Call {
    const { clock, limits, stats } = this.#options.context;
    stats.fences += 1;
    return this.#newCall(fenceMethod, clock.nowMs() + limits.fenceTimeoutMs);
  }

  /** A read of the current state of a range. */
  read(readMethod: Method, deadlineMs: number): Call {
    return this.#newCall(readMethod, deadlineMs);
  }

  /** Feeds resume after their last revision, so the upstream may move their streams to another member. */
  openFeeds(responses: Responses<'tenant'>): Requests<'tenant'> {
    const call = this.#newCall(watchMethod);
    call.isMovable = true;
    return this.#options.next.stream(call, responses);
  }

  /** A catch-up is short, and would repeat its work on another member. */
  openCatchUps(responses: Responses<'tenant'>): Requests<'tenant'> {
    return this.#options.next.stream(this.#newCall(watchMethod), responses);
  }

  #newCall(ofMethod: Method, deadlineMs = Number.POSITIVE_INFINITY): Call {
    const metadata = this.#options.requiresLeader ? ['hasleader', 'true'] : [];
    const call = new Call({ method: ofMethod, metadata, deadlineMs, peer: ownPeer });
    call.tenant = this.tenant;
    call.faultHandler = this.#options.context;
    return call;
  }
}
