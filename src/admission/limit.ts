/**
 * The layer that sheds load: it refuses a call at once if the tenant, or all tenants together, have as many calls or streams
 * open as they may, or start them faster than they may. It never queues. Its refusals come from above the guard, so no breaker
 * counts them.
 *
 * Lease keepalives and revokes pass: leases of living clients must survive an overload, and a revoke frees what a lease costs.
 * So do health checks: a busy tenant is not unhealthy.
 */
import {
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type Requests,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { grantsLease } from '../etcd/lease-place.ts';
import { type Method, method, methods } from '../etcd/methods.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { LimitName, Usage } from '../tenant/usage.ts';
import { limitStatus, messageTooLarge } from './limit-status.ts';
import { LimitedCall } from './limited-call.ts';

export interface LimitOptions {
  readonly clock: Clock;
  /** What all tenants of the process together use. */
  readonly total: Usage;
}

export function limit(options: LimitOptions): Layer<'tenant'> {
  return (next) => new Limit(options, next);
}

const exempt: readonly Method[] = [
  method('etcdserverpb.Lease/LeaseKeepAlive'),
  method('etcdserverpb.Lease/LeaseRevoke'),
];
const isExemptMethod: readonly boolean[] = methods.map((each) => exempt.includes(each));

function isExempt({ method: { index }, isProbe }: Call): boolean {
  return isProbe || isExemptMethod[index] === true;
}

class Limit implements Etcd<'tenant'> {
  readonly #clock: Clock;
  readonly #total: Usage;
  readonly #next: Etcd<'tenant'>;

  constructor({ clock, total }: LimitOptions, next: Etcd<'tenant'>) {
    this.#clock = clock;
    this.#total = total;
    this.#next = next;
  }

  unary(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    if (isExempt(call)) return this.#next.unary(call, request, responses);
    const { usage } = tenantOf(call).state;
    const status = this.#refusalOfUnary(usage, call.method, request);
    if (status !== null) {
      responses.end(status);
      return endedCall;
    }
    const limited = new LimitedCall(responses, usage, this.#total, call.method.waits);
    try {
      limited.attach(this.#next.unary(call, request, limited));
    } catch (error) {
      limited.cancel();
      throw error;
    }
    return limited;
  }

  stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    if (isExempt(call)) return this.#next.stream(call, responses);
    const { usage } = tenantOf(call).state;
    const reached = this.#fullStreams(usage) ?? this.#exceededRate(usage, false);
    if (reached !== null) {
      usage.refused(reached);
      responses.end(limitStatus(reached));
      return endedCall;
    }
    const limited = new LimitedCall(responses, usage, this.#total, true);
    try {
      limited.attachStream(this.#next.stream(call, limited));
    } catch (error) {
      limited.cancel();
      throw error;
    }
    return limited;
  }

  #refusalOfUnary(usage: Usage, of: Method, request: Message<'tenant'>): Status | null {
    if (request.length > usage.limits.messageBytesMax) return messageTooLarge(usage, request);
    const reached =
      (of.waits ? this.#fullStreams(usage) : this.#fullCalls(usage)) ??
      this.#exceededRate(usage, grantsLease(of, request));
    if (reached === null) return null;
    usage.refused(reached);
    return limitStatus(reached);
  }

  #fullCalls(usage: Usage): LimitName | null {
    if (usage.openCalls >= usage.limits.openCallsMax) return 'max-open-calls';
    const { openCalls, limits } = this.#total;
    return openCalls >= limits.openCallsMax ? 'max-total-open-calls' : null;
  }

  #fullStreams(usage: Usage): LimitName | null {
    if (usage.openStreams >= usage.limits.openStreamsMax) return 'max-open-streams';
    const { openStreams, limits } = this.#total;
    return openStreams >= limits.openStreamsMax ? 'max-total-open-streams' : null;
  }

  /** Takes tokens only if there is one in every bucket, so that a refused call uses up none. */
  #exceededRate(usage: Usage, isGrant: boolean): LimitName | null {
    const total = this.#total;
    const { callsPerSecond, callBurst, leasesPerMinute } = usage.limits;
    const nowMs = this.#clock.nowMs();
    if (!usage.callTokens.has(callsPerSecond, callBurst, nowMs)) return 'max-calls-per-second';
    if (isGrant && !usage.leaseTokens.has(leasesPerMinute / 60, leasesPerMinute, nowMs)) {
      return 'max-leases-per-minute';
    }
    if (!total.callTokens.has(total.limits.callsPerSecond, total.limits.callBurst, nowMs)) {
      return 'max-total-calls-per-second';
    }
    usage.callTokens.take();
    total.callTokens.take();
    if (isGrant) usage.leaseTokens.take();
    return null;
  }
}
