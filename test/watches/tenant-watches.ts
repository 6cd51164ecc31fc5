/** The watches of one tenant: every one through the proxy, and the same one opened directly at a member, on stored keys. */
import { keySpace } from '../../src/etcd/key-space.ts';
import { grpcClient } from '../support/client.ts';
import type { Seeded } from '../support/seeded.ts';
import { Compactions } from './compactions.ts';
import { ObservedStream, type StreamOptions } from './observed-stream.ts';
import { ObservedWatch } from './observed-watch.ts';
import type { Reference } from './reference.ts';
import { asDelivered, type Seen, Sight } from './sight.ts';
import { type Now, randomSpec, visibleRange } from './watch-spec.ts';

const connections = 4;
const streamsPerConnection = 6;
/** Streams that the client ends. */
const closedMax = 6;
const pauseMsMax = 1_500;

export interface TenantWatchesOptions {
  readonly name: string;
  readonly namespace: string;
  readonly proxyAddress: string;
  readonly directAddress: string;
  readonly chance: Seeded;
  readonly store: Compactions;
  readonly ordersProgress: boolean;
  readonly knownRevision: () => number;
  readonly notifiesOften: boolean;
  readonly wasDisturbed: (fromMs: number, toMs: number) => boolean;
}

interface Pair {
  readonly through: ObservedWatch;
  readonly direct: ObservedWatch;
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');

export class TenantWatches implements AsyncDisposable {
  /** By the tenant itself. The cluster is not compacted by them. */
  readonly compactions = new Compactions();
  readonly pairs: Pair[] = [];
  readonly #options: TenantWatchesOptions;
  readonly sight: Sight;
  readonly #owned = new AsyncDisposableStack();
  readonly #through: ObservedStream[] = [];
  readonly #direct: ObservedStream[] = [];
  readonly #pauses = new Set<Promise<void>>();

  constructor(options: TenantWatchesOptions) {
    this.#options = options;
    this.sight = new Sight(options.namespace);
    for (let i = 0; i < connections; i++) {
      const proxied = this.#owned.use(grpcClient(options.proxyAddress));
      const direct = this.#owned.use(grpcClient(options.directAddress));
      for (let j = 0; j < streamsPerConnection; j++) {
        const each = { client: proxied, name: `${options.name} stream ${i}-${j}` };
        this.#through.push(this.#owned.use(this.#proxiedStream(each.client, each.name)));
        this.#direct.push(this.#owned.use(this.#directStream(direct, `${each.name} direct`)));
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }

  get streams(): readonly ObservedStream[] {
    return this.#through;
  }

  /** Opens a random watch in both ways. */
  add(now: Now): void {
    const { chance, name, store, notifiesOften, wasDisturbed } = this.#options;
    const compacted = Math.max(now.compacted, this.compactions.acknowledged);
    const spec = randomSpec(chance, { ...now, compacted });
    const label = `${name} ${this.pairs.length} ${JSON.stringify(spec)}`;
    const { compactions: tenant } = this;
    const through = new ObservedWatch(label, spec, {
      store,
      tenant,
      notifiesOften,
      wasDisturbed,
    });
    const neverDisturbed = { store, tenant: null, notifiesOften: true, wasDisturbed: () => false };
    const direct = new ObservedWatch(`direct ${label}`, spec, neverDisturbed);
    this.pairs.push({ through, direct });
    const index = this.#openStream();
    this.#direct[index]?.add(direct);
    this.#through[index]?.add(through);
  }

  /** Something that clients do: cancel a watch, end a stream, stop reading for a while, ask for progress. */
  act(): void {
    const { chance } = this.#options;
    const index = this.#openStream();
    const stream = this.#through[index];
    if (stream === undefined) return;
    const action = chance.below(100);
    if (action < 50) {
      stream.requestProgress();
      this.#direct[index]?.requestProgress();
    } else if (action < 58) {
      const watch = this.pairs[chance.below(this.pairs.length)]?.through;
      for (const each of this.#through) if (watch !== undefined) each.cancel(watch);
    } else if (action < 99) {
      const pause = stream.pauseFor(chance.below(pauseMsMax));
      this.#pauses.add(pause);
      void pause.then(() => this.#pauses.delete(pause));
    } else if (this.#through.filter(({ isClosed }) => isClosed).length < closedMax) {
      void stream[Symbol.asyncDispose]();
    }
  }

  /** No client pauses from here on. */
  async settle(): Promise<void> {
    await Promise.all(this.#pauses);
  }

  /** Whether every open watch has as many events as it must have. */
  isComplete(reference: Reference): boolean {
    return this.#all().every((watch) => {
      if (watch.state === 'creating') return false;
      return watch.state !== 'open' || watch.received.length >= reference.countOf(watch);
    });
  }

  compare(reference: Reference): string[] {
    const streams = [...this.#through, ...this.#direct].flatMap(({ problems }) => problems);
    const watches = this.#all().flatMap((watch) => watch.compare(reference));
    return [
      ...streams,
      ...watches,
      ...this.pairs.flatMap((pair) => difference(pair, reference) ?? []),
    ];
  }

  #all(): ObservedWatch[] {
    return this.pairs.flatMap(({ through, direct }) => [through, direct]);
  }

  /** The index of a random stream that is open. The client ends few, so that there always is one. */
  #openStream(): number {
    const open = this.#through.flatMap(({ isClosed }, i) => (isClosed ? [] : [i]));
    return this.#options.chance.pick(open);
  }

  #proxiedStream(client: ReturnType<typeof grpcClient>, name: string): ObservedStream {
    const { chance } = this.#options;
    return new ObservedStream(client, {
      ...this.#common(name),
      requiresLeader: chance.chance(0.3),
      range: visibleRange,
      seen: (events) => events.map(asDelivered),
    });
  }

  #directStream(client: ReturnType<typeof grpcClient>, name: string): ObservedStream {
    const space = keySpace(latin1(this.#options.namespace));
    const end = Buffer.from(space.prefixEnd);
    const stored = (key: string) => latin1(this.#options.namespace + key);
    return new ObservedStream(client, {
      ...this.#common(name),
      requiresLeader: false,
      range: (spec) => ({
        key: stored(spec.key),
        range_end: spec.end === '' ? latin1('') : spec.end === '\0' ? end : stored(spec.end),
      }),
      // Events of other keys are not dropped: they must not be there.
      seen: (events) => events.map((event) => this.sight.fromStore(event) ?? asDelivered(event)),
    });
  }

  #common(name: string): Pick<StreamOptions, 'name' | 'ordersProgress' | 'knownRevision'> {
    const { ordersProgress, knownRevision } = this.#options;
    return { name, ordersProgress, knownRevision };
  }
}

/** Two complete watches have the same events, from where both have started. */
function difference({ through, direct }: Pair, reference: Reference): string | null {
  if (through.state !== 'open' || direct.state !== 'open') return null;
  const from = Math.max(through.from, direct.from);
  const isCertain = (event: Seen) => event.revision >= from && !reference.isUncertain(event);
  const lines = ({ received }: ObservedWatch) =>
    received.flatMap((event) => (isCertain(event) ? [event.line] : [])).join('\n');
  return lines(through) === lines(direct) ? null : `${through.name}: differs from the direct watch`;
}
