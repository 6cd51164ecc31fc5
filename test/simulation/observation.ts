/** What clients observed in a scenario. The invariants read this and the store, nothing of the hub. */
import type { Status } from '../../src/grpc/status.ts';
import type { CreateSpec, DecodedResponse } from './wire.ts';

/** The state of the world at one moment. */
export interface Moment {
  readonly turn: number;
  readonly atMs: number;
  /** How often the store was restored. */
  readonly epoch: number;
  /** The newest revision of the store. */
  readonly committed: number;
  /** The newest compaction of the store. */
  readonly compacted: number;
  /** The compaction floor of the tenant. */
  readonly floor: number;
}

export interface ObservedResponse extends DecodedResponse {
  readonly moment: Moment;
  /** The client had applied backpressure. */
  readonly wasPaused: boolean;
  /** Position among all responses of the stream. */
  readonly index: number;
}

export interface ObservedRequest {
  readonly kind: 'create' | 'cancel' | 'progress';
  readonly moment: Moment;
  /** Null for cancel and progress. */
  readonly create: CreateSpec | null;
  /** 0 for create and progress. */
  readonly watchId: number;
}

export type WatchEnd = 'open' | 'canceled' | 'compacted' | 'rejected';

export class ObservedWatch {
  readonly request: ObservedRequest;
  /** The response to the create, null until it has arrived. */
  created: ObservedResponse | null = null;
  /** Responses with events, in order. */
  readonly events: ObservedResponse[] = [];
  /** Progress notifications of this watch, without events. */
  readonly notifications: ObservedResponse[] = [];
  end: WatchEnd = 'open';
  /** The response that ended the watch. */
  ended: ObservedResponse | null = null;

  constructor(request: ObservedRequest) {
    this.request = request;
  }

  get create(): CreateSpec {
    return this.request.create as CreateSpec;
  }

  /** The first revision that the client is entitled to. */
  get firstRevision(): number {
    const { startRevision } = this.create;
    if (startRevision !== 0) return startRevision;
    return (this.created?.headerRevision ?? Number.POSITIVE_INFINITY) + 1;
  }
}

export class ObservedStream {
  readonly name: string;
  readonly tenant: string;
  readonly requiresLeader: boolean;
  readonly requests: ObservedRequest[] = [];
  readonly responses: ObservedResponse[] = [];
  /** In the order of their creates. */
  readonly watches: ObservedWatch[] = [];
  /** Watches whose create has no response yet. */
  readonly creating: ObservedWatch[] = [];
  readonly byId = new Map<number, ObservedWatch>();
  status: Status | null = null;
  isCancelled = false;

  constructor(name: string, tenant: string, requiresLeader: boolean) {
    this.name = name;
    this.tenant = tenant;
    this.requiresLeader = requiresLeader;
  }

  get isOpen(): boolean {
    return this.status === null && !this.isCancelled;
  }

  /** Assigns a response to the watch that it is for. Returns what is wrong with it, null if nothing is. */
  add(response: ObservedResponse): string | null {
    this.responses.push(response);
    if (response.isCreated) return this.#onCreated(response);
    if (response.watchId === -1) {
      return response.isCanceled || response.events.length > 0
        ? 'a response without a watch has events or ends something'
        : null;
    }
    const watch = this.byId.get(response.watchId);
    if (watch === undefined)
      return `a response for watch ID ${response.watchId}, which is not in use`;
    if (watch.end !== 'open' && !response.isCanceled)
      return 'a response after the end of the watch';
    if (response.isCanceled) this.#onCanceled(watch, response);
    else if (response.events.length > 0) watch.events.push(response);
    else watch.notifications.push(response);
    return null;
  }

  #onCreated(response: ObservedResponse): string | null {
    const watch = this.creating.shift();
    if (watch === undefined) return 'a created response without a create';
    watch.created = response;
    if (response.isCanceled) {
      watch.end = 'rejected';
      watch.ended = response;
      return null;
    }
    if (this.byId.has(response.watchId)) return `watch ID ${response.watchId} is in use twice`;
    this.byId.set(response.watchId, watch);
    return null;
  }

  #onCanceled(watch: ObservedWatch, response: ObservedResponse): void {
    // A compacted watch keeps its ID until the client cancels it.
    if (response.compactRevision !== 0 && watch.end === 'open') {
      watch.end = 'compacted';
      watch.ended = response;
      return;
    }
    this.byId.delete(response.watchId);
    if (watch.end !== 'open') return;
    watch.end = 'canceled';
    watch.ended = response;
  }
}
