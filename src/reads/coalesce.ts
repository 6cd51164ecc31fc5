/**
 * Single-flight reads: identical serializable Range requests of a tenant that are in flight at the same time share one read
 * at etcd. In tenant space, so that one rewritten response is delivered to every caller without a copy. Linearizable reads
 * pass unchanged: docs/adr/0011 has the argument.
 */
import {
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { ForwardingEtcd } from '../call/forwarding.ts';
import { metadataNames } from '../etcd/metadata-names.ts';
import { method } from '../etcd/methods.ts';
import type { CallHandle } from '../grpc/call.ts';
import { metadataValue } from '../grpc/metadata.ts';
import { Reader } from '../protobuf/reader.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Deadlines } from '../runtime/deadlines.ts';
import { StatePart } from '../tenant/state.ts';
import { SharedRead, type SharedReadContext } from './shared-read.ts';

const range = method('etcdserverpb.KV/Range');
const serializableField = 7;

/** A read is compared by its bytes, so long requests are not shared. */
const requestBytesMax = 4_096;
/** Callers of one shared read; the next caller starts another one. Bounds what one response has to be queued for. */
const callersMax = 1_024;

/** Counters for metrics. */
export class ReadStats {
  /** Reads that joined the read of another caller. */
  joined = 0;
}

export interface CoalesceOptions {
  readonly isEnabled: boolean;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly stats: ReadStats;
  /** False for clients whose own credentials are passed to etcd. */
  readonly isShared: (call: Call) => boolean;
}

export function coalesce(options: CoalesceOptions): Layer<'tenant'> {
  return (next) => (options.isEnabled ? new Coalesce(options, next) : next);
}

class Coalesce extends ForwardingEtcd<'tenant'> {
  readonly #options: CoalesceOptions;
  readonly #context: SharedReadContext;
  /** The newest read of each request, while it can be joined. */
  readonly #reads = new StatePart<Map<string, SharedRead>>(() => new Map());

  constructor(options: CoalesceOptions, next: Etcd<'tenant'>) {
    super(next);
    this.#options = options;
    this.#context = { next, clock: options.clock, deadlines: options.deadlines };
  }

  override unary(
    call: Call,
    request: Message<'tenant'>,
    responses: Responses<'tenant'>,
  ): CallHandle {
    const mayShare =
      call.method === range &&
      request.length <= requestBytesMax &&
      isSerializable(request) &&
      this.#options.isShared(call);
    return mayShare ? this.#share(call, request, responses) : super.unary(call, request, responses);
  }

  #share(call: Call, request: Message<'tenant'>, responses: Responses<'tenant'>): CallHandle {
    const { state } = tenantOf(call);
    const reads = state.get(this.#reads);
    const key = keyOf(call, request, state.floor.revision);
    const known = reads.get(key);
    if (known !== undefined && known.callers < callersMax) {
      this.#options.stats.joined += 1;
      return known.join(call, responses);
    }
    const read = new SharedRead(this.#context, reads, key, request);
    reads.set(key, read);
    const caller = read.join(call, responses);
    read.start();
    return caller;
  }
}

/**
 * Everything that etcd's response may depend on, apart from the store. A tenant's floor is part of it: a read must not join
 * one that was sent before the tenant compacted. So is whether there is a deadline: the guard ends a read without one after
 * its own time limit, for all callers.
 */
function keyOf({ metadata, deadlineMs }: Call, request: Message<'tenant'>, floor: number): string {
  const { buffer, byteOffset, length } = request;
  const bytes = Buffer.from(buffer, byteOffset, length).toString('latin1');
  const limit = deadlineMs === Number.POSITIVE_INFINITY ? 'default' : 'deadline';
  let key = `${floor}\n${limit}`;
  for (const name of metadataNames) key += `\n${metadataValue(metadata, name) ?? ''}`;
  return `${key}\n${bytes}`;
}

/** Whether a RangeRequest asks for a serializable read. False for a malformed one. */
function isSerializable(request: Message<'tenant'>): boolean {
  const reader = new Reader(request);
  let found = false;
  while (reader.next()) {
    if (reader.field === serializableField) found = reader.wireType === 0 && reader.bool();
  }
  return found && !reader.malformed;
}
