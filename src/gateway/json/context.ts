/** What all JSON requests share, and what one request knows before its body is read. */

import { Call, type Etcd } from '../../call/call.ts';
import type { RefusalName } from '../../call/refusals.ts';
import type { Method } from '../../etcd/methods.ts';
import type { MessageMemory } from '../../grpc/message-memory.ts';
import type { Metadata } from '../../grpc/metadata.ts';
import type { ByteAccount } from '../../runtime/byte-budget.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { HttpExchange } from '../exchange.ts';
import type { Dialect } from './dialect.ts';
import type { MethodTypes } from './message-type.ts';

export interface JsonParts {
  /** The top of the pipeline. */
  readonly etcd: Etcd<'client'>;
  readonly clock: Clock;
  readonly memory: MessageMemory;
  /** Of one message, as for gRPC clients. */
  readonly messageBytesMax: number;
  /** Called for a request that never enters the pipeline, for metrics. */
  readonly onRejected: (reason: RefusalName) => void;
  readonly onFault: (fault: unknown) => void;
}

export interface JsonContext {
  readonly parts: JsonParts;
  readonly exchange: HttpExchange;
  readonly dialect: Dialect;
  readonly method: Method;
  readonly types: MethodTypes;
  readonly metadata: Metadata;
  readonly deadlineMs: number;
  /** Headers of every response. */
  readonly headers: readonly string[];
  /** Where the body counts. */
  readonly account: ByteAccount;
}

/** The call of a request. MemberList names the server as the client has dialed it. */
export function callOf({ exchange, method, metadata, deadlineMs }: JsonContext): Call {
  const authority = exchange.header('host') ?? '';
  return new Call({ method, metadata, deadlineMs, peer: exchange.peer, authority });
}

/** Base64 needs a third more than the bytes, names and numbers the rest. */
export function bodyBytesMax({ messageBytesMax }: JsonParts): number {
  return 2 * messageBytesMax;
}

/** From the request head until the first message is complete. */
export const bodyTimeoutMs = 30_000;
