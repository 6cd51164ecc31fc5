/**
 * What one client connection occupies in the limits of the process (client-connections.ts).
 *
 *   opening ─protocol known→ without a tenant ─assign→ tenant's;   any ─socket closed, displaced→ released
 */
import type { Socket } from 'node:net';
import type { CancelTimer } from '../../runtime/clock.ts';
import { clientAddress } from '../client-address.ts';
import { hostPort } from '../host-port.ts';
import type { Occupant, PlaceName } from './fair-places.ts';

/** The limits that a place belongs to. */
export interface PlaceOwner {
  /** The protocol of the connection is known. Returns false if another HTTP/1.1 connection would be too many. */
  opened(place: ConnectionPlace): boolean;
  /** The first call of the tenant. Returns false if the tenant has as many connections as it may have now. */
  assign(place: ConnectionPlace, tenant: string): boolean;
  displace(place: ConnectionPlace): void;
  pipelined(place: ConnectionPlace): void;
}

/** Calls without a tenant do not protect their connection for longer. A login takes less, a health watch has no end. */
const busyWithoutTenantMsMax = 15_000;

const noCalls = (): number => 0;

export class ConnectionPlace implements Occupant {
  readonly listener: string;
  /** `host:port`; empty for a Unix socket, and for a client that has disconnected already. */
  readonly remote: string;
  /** What the connection counts for: the listener and the client's address, then the tenant and both. */
  name: PlaceName;
  readonly socket: Socket;
  readonly acceptedMs: number;
  isHttp1 = false;
  isReleased = false;
  /** The tenant of the first call that had one. */
  tenant: string | null = null;
  /** Stops the timeout of the handshake. */
  cancelTimer: CancelTimer = () => {};
  readonly #owner: PlaceOwner;
  #openCalls: () => number = noCalls;
  /** Activity is noticed when it is checked, so that it costs nothing per call. */
  #bytesSeen = 0;
  #seenMs: number;

  constructor(owner: PlaceOwner, socket: Socket, listener: string, nowMs: number) {
    this.listener = listener;
    this.remote = remoteOf(socket);
    this.name = { group: listener, part: clientAddress(this) };
    this.socket = socket;
    this.acceptedMs = nowMs;
    this.#owner = owner;
    this.#seenMs = nowMs;
  }

  /** The address that the client is connected to, `host:port`. Empty for a Unix socket, and after a disconnect. */
  get local(): string {
    const { localAddress, localPort } = this.socket;
    return localAddress === undefined ? '' : hostPort(localAddress, localPort ?? 0);
  }

  /** Called by the transport when the first bytes of HTTP/2 have arrived. */
  openedHttp2(openCalls: () => number): void {
    this.#openCalls = openCalls;
    this.#owner.opened(this);
  }

  /** Returns false if the connection must be closed, because there are too many. */
  openedHttp1(openCalls: () => number): boolean {
    this.#openCalls = openCalls;
    this.isHttp1 = true;
    return this.#owner.opened(this);
  }

  /**
   * Counts the connection for the tenant. Returns false if its call must be rejected, because the tenant has too many. A later
   * call may be accepted. Called until it was successful once; calls of other tenants on the connection change nothing.
   */
  assign(tenant: string): boolean {
    return this.#owner.assign(this, tenant);
  }

  isBusy(nowMs: number): boolean {
    if (this.#openCalls() === 0) return false;
    return this.tenant !== null || nowMs - this.acceptedMs < busyWithoutTenantMsMax;
  }

  /** Without a tenant, the time since the connection was accepted. */
  idleForMs(nowMs: number): number {
    if (this.tenant === null) return nowMs - this.acceptedMs;
    const { bytesRead } = this.socket;
    if (bytesRead !== this.#bytesSeen) {
      this.#bytesSeen = bytesRead;
      this.#seenMs = nowMs;
    }
    return nowMs - this.#seenMs;
  }

  displace(): void {
    this.#owner.displace(this);
  }

  /** Closes the connection, because too many of its HTTP/1.1 requests wait for their turn. */
  pipelined(): void {
    this.#owner.pipelined(this);
  }
}

function remoteOf({ remoteAddress, remotePort }: Socket): string {
  return remoteAddress === undefined ? '' : hostPort(remoteAddress, remotePort ?? 0);
}
