/**
 * All shared keepalives of the process. Clients that require a leader have upstream streams of their own, because etcd ends
 * those streams while a member has no leader.
 */
import { Call, type Etcd, type Responses } from '../call/call.ts';
import { ownPeer } from '../call/own-call.ts';
import { method } from '../etcd/methods.ts';
import { metadataValue } from '../grpc/metadata.ts';
import { ClientStream } from './client-stream.ts';
import { type KeepAliveContext, type KeepAliveOptions, KeepAliveStats } from './context.ts';
import { Renewer } from './renewer.ts';
import type { OpenStream } from './stream-pool.ts';

const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

export class KeepAlives {
  readonly stats = new KeepAliveStats();
  readonly #context: KeepAliveContext;
  readonly #ordinary: Renewer;
  readonly #requiringLeader: Renewer;
  #next: Etcd<'store'> | null = null;

  constructor(options: KeepAliveOptions) {
    this.#context = { ...options, stats: this.stats };
    this.#ordinary = new Renewer(this.#context, false, this.#opener([]));
    this.#requiringLeader = new Renewer(this.#context, true, this.#opener(['hasleader', 'true']));
  }

  /** Sets the layer below. Once, when the pipeline is composed. */
  connect(next: Etcd<'store'>): void {
    this.#next = next;
  }

  stream(call: Call, responses: Responses<'store'>): ClientStream {
    const requiresLeader = metadataValue(call.metadata, 'hasleader') === 'true';
    const renewer = requiresLeader ? this.#requiringLeader : this.#ordinary;
    const client = new ClientStream(this.#context, renewer, call, responses);
    client.begin();
    return client;
  }

  close(): void {
    this.#ordinary.close();
    this.#requiringLeader.close();
  }

  #opener(metadata: readonly string[]): OpenStream {
    return (stream) => {
      if (this.#next === null) throw new Error('the layer below is not connected');
      const deadlineMs = Number.POSITIVE_INFINITY;
      const call = new Call({ method: keepAlive, metadata, deadlineMs, peer: ownPeer });
      call.faultHandler = stream;
      return this.#next.stream(call, stream);
    };
  }
}
