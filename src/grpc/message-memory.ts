/**
 * The memory of large messages, bounded for the process in two shares: requests that arrive from clients, and responses that
 * arrive from etcd or wait for a client that does not read. A message in one frame, like nearly all, never touches a share
 * unless it has to wait.
 */
import { ByteAccount, ByteShare } from '../runtime/byte-budget.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Status } from './status.ts';
import type { Peer } from './transport.ts';

/** What responses get; requests get the rest. Responses are larger, and etcd sends them whether clients read or not. */
const responsesPart = 2 / 3;
/** A connection gets this part of the share of requests. */
const connectionPart = 1 / 2;

export interface MessageMemoryOptions {
  readonly bytesMax: number;
  /** Longer responses are refused at once. */
  readonly responseBytesMax: number;
  /** Whether a tenant may use the whole share of responses, or half of it. */
  readonly hasOneTenant: boolean;
  readonly clock: Clock;
  /** Ends a call whose memory was refused. */
  readonly refusal: Status;
}

export class MessageMemory {
  readonly requests: ByteShare;
  readonly responses: ByteShare;
  readonly responseBytesMax: number;
  readonly refusal: Status;
  readonly #tenantBytesMax: number;
  /** The responses of each connection. */
  readonly #connections = new WeakMap<Peer, ByteAccount>();
  /** The requests of each connection. */
  readonly #requests = new WeakMap<Peer, ByteAccount>();

  constructor({ bytesMax, responseBytesMax, hasOneTenant, clock, refusal }: MessageMemoryOptions) {
    const responsesMax = Math.floor(bytesMax * responsesPart);
    this.requests = new ByteShare('requests', bytesMax - responsesMax, clock);
    this.responses = new ByteShare('responses', responsesMax, clock);
    this.responseBytesMax = responseBytesMax;
    this.refusal = refusal;
    this.#tenantBytesMax = hasOneTenant ? responsesMax : responsesMax / 2;
  }

  /** For the requests of one connection, those in JSON included. Always the same account for the same connection. */
  requestAccount(peer: Peer): ByteAccount {
    let account = this.#requests.get(peer);
    if (account === undefined) {
      const { requests } = this;
      account = new ByteAccount(requests.bytesMax * connectionPart, requests);
      this.#requests.set(peer, account);
    }
    return account;
  }

  /** For the responses of one tenant. */
  tenantAccount(): ByteAccount {
    return new ByteAccount(this.#tenantBytesMax, this.responses);
  }

  /** For the responses of one connection, whose tenant is not known yet. */
  connectionAccount(peer: Peer): ByteAccount {
    const account = new ByteAccount(Number.POSITIVE_INFINITY, this.responses);
    this.#connections.set(peer, account);
    return account;
  }

  /** The account of the connection, below its tenant's; or that of the tenant, for calls of the proxy itself. */
  accountOf(peer: Peer, tenant: ByteAccount): ByteAccount {
    const account = this.#connections.get(peer);
    account?.moveTo(tenant);
    return account ?? tenant;
  }
}
