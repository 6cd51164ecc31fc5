/**
 * The client connections of all listeners of a process, and their limits. Each file descriptor is a connection less for
 * another tenant, so tenants share the places fairly (fair-places.ts), and the limit leaves room for the upstream and the
 * admin address.
 *
 * A connection has no tenant until its first call. Until then it counts for its listener and its client's address, with all
 * others without a tenant. These get every place that tenants do not use, and always a part of their own: through it a new
 * client reaches the proxy while other tenants have taken all they can.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../runtime/clock.ts';
import { clientHandshakeMsMax } from '../connection-policy.ts';
import { ConnectionPlace, type PlaceOwner } from './connection-place.ts';
import { FairPlaces } from './fair-places.ts';

/**
 * Why a connection was closed or not accepted, or with `tenant-limit`: why its calls are rejected. `limit`: all places are
 * taken. `displaced`: its place was given to another client. `descriptors`: the process has no file descriptor left.
 * `revoked`: its client has presented a revoked certificate. `pipelined`: its client has sent too many HTTP/1.1 requests without
 * waiting for a response.
 */
export type LimitName =
  | 'limit'
  | 'tenant-limit'
  | 'displaced'
  | 'handshake-timeout'
  | 'descriptors'
  | 'revoked'
  | 'pipelined';

/** For logs. Empty fields are not known. */
export interface LimitReached {
  readonly reason: LimitName;
  readonly listener: string;
  readonly remote: string;
  readonly tenant: string;
}

export interface ClientConnectionsOptions {
  /** Of all listeners together. */
  readonly connectionsMax: number;
  readonly clock: Clock;
  /** Called for every connection that is closed, and every call that is rejected, because of a limit. */
  readonly onLimit: (reached: LimitReached) => void;
}

/** Connections that have not sent the first bytes of HTTP yet. TLS handshakes take more memory than connections. */
const handshakesMax = 1_024;
/** The HTTP/1.1 server takes more memory per connection than HTTP/2, and clients of the JSON gateway hold one per stream. */
const http1Max = 2_048;
/** A connection without a tenant can be displaced after this time, one of a tenant if it is idle for that time. */
const withoutTenantMsMin = 1_000;
const idleMsMin = 30_000;
/** The part of the places that tenants do not get. */
const withoutTenantPart = 1 / 16;
const withoutTenantMax = 1_024;

export class ClientConnections implements PlaceOwner {
  readonly connectionsMax: number;
  /** Open connections by listener, for metrics. */
  readonly open = new Map<string, number>();
  /** How often each limit was reached. */
  readonly reached = new Map<LimitName, number>();
  readonly #clock: Clock;
  readonly #onLimit: (reached: LimitReached) => void;
  readonly #tenantsMax: number;
  /** By listener and address. */
  readonly #opening = new FairPlaces<ConnectionPlace>(withoutTenantMsMin);
  /** Those without a tenant, including those in `#opening`, by listener and address. */
  readonly #withoutTenant = new FairPlaces<ConnectionPlace>(withoutTenantMsMin);
  /** By tenant, then by listener and address. */
  readonly #withTenant = new FairPlaces<ConnectionPlace>(idleMsMin);
  /** By listener or tenant. These are in one of the two above, too. */
  readonly #http1 = new FairPlaces<ConnectionPlace>(withoutTenantMsMin);

  constructor({ connectionsMax, clock, onLimit }: ClientConnectionsOptions) {
    const reserved = Math.ceil(Math.min(connectionsMax * withoutTenantPart, withoutTenantMax));
    this.connectionsMax = connectionsMax;
    this.#tenantsMax = Math.max(1, connectionsMax - reserved);
    this.#clock = clock;
    this.#onLimit = onLimit;
  }

  /** Connections that count for a tenant. */
  get withTenant(): number {
    return this.#withTenant.size;
  }

  /** Takes a place for a connection that was just accepted. Returns null, and closes it, if no place is free. */
  admit(socket: Socket, listener: string): ConnectionPlace | null {
    const nowMs = this.#clock.nowMs();
    const place = new ConnectionPlace(this, socket, listener, nowMs);
    if (!this.#takeFirst(place, nowMs)) {
      this.#report('limit', place);
      socket.destroy();
      return null;
    }
    this.open.set(listener, (this.open.get(listener) ?? 0) + 1);
    place.cancelTimer = this.#clock.after(clientHandshakeMsMax, () => {
      this.#close(place, 'handshake-timeout');
    });
    socket.once('close', () => this.#release(place));
    return place;
  }

  /** The system could not accept a connection for lack of file descriptors, and has closed it. */
  notAccepted(listener: string): void {
    this.#count({ reason: 'descriptors', listener, remote: '', tenant: '' });
  }

  /** Closes a connection whose client has presented a revoked certificate. */
  revoked(place: ConnectionPlace): void {
    this.#close(place, 'revoked');
  }

  // ---- PlaceOwner ----

  opened(place: ConnectionPlace): boolean {
    if (place.isReleased) return false;
    place.cancelTimer();
    this.#opening.leave(place, place.name);
    if (!place.isHttp1) return true;
    if (this.#http1.take(place, place.name, http1Max, this.#clock.nowMs())) return true;
    this.#close(place, 'limit');
    return false;
  }

  assign(place: ConnectionPlace, tenant: string): boolean {
    // A call may be identified after its connection was closed. It does not count any more.
    if (place.isReleased) return true;
    const { name } = place;
    const assigned = { group: tenant, part: `${name.group} ${name.part}` };
    if (!this.#withTenant.take(place, assigned, this.#tenantsMax, this.#clock.nowMs())) {
      this.#report('tenant-limit', place, tenant);
      return false;
    }
    this.#withoutTenant.leave(place, name);
    if (place.isHttp1) this.#http1.move(place, name, assigned);
    place.tenant = tenant;
    place.name = assigned;
    return true;
  }

  displace(place: ConnectionPlace): void {
    this.#close(place, 'displaced');
  }

  pipelined(place: ConnectionPlace): void {
    this.#close(place, 'pipelined');
  }

  #takeFirst(place: ConnectionPlace, nowMs: number): boolean {
    const { name } = place;
    if (!this.#opening.take(place, name, handshakesMax, nowMs)) return false;
    const placesMax = this.connectionsMax - this.#withTenant.size;
    if (this.#withoutTenant.take(place, name, placesMax, nowMs)) return true;
    this.#opening.leave(place, name);
    return false;
  }

  #close(place: ConnectionPlace, reason: LimitName): void {
    if (place.isReleased) return;
    this.#report(reason, place);
    this.#release(place);
    // Frees the descriptor at once.
    place.socket.destroy();
  }

  #release(place: ConnectionPlace): void {
    if (place.isReleased) return;
    place.isReleased = true;
    place.cancelTimer();
    const { listener, name, tenant } = place;
    this.#opening.leave(place, name);
    (tenant === null ? this.#withoutTenant : this.#withTenant).leave(place, name);
    if (place.isHttp1) this.#http1.leave(place, name);
    const open = (this.open.get(listener) ?? 0) - 1;
    if (open > 0) this.open.set(listener, open);
    else this.open.delete(listener);
  }

  #report(reason: LimitName, place: ConnectionPlace, tenant = place.tenant ?? ''): void {
    const { listener, remote } = place;
    this.#count({ reason, listener, remote, tenant });
  }

  #count(reached: LimitReached): void {
    this.reached.set(reached.reason, (this.reached.get(reached.reason) ?? 0) + 1);
    this.#onLimit(reached);
  }
}
