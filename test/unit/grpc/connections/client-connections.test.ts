/** The limits of client connections, with sockets and a clock that a test controls. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import {
  ClientConnections,
  type LimitReached,
} from '../../../../src/grpc/connections/client-connections.ts';
import type { ConnectionPlace } from '../../../../src/grpc/connections/connection-place.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string | undefined;
  readonly remotePort = 50_000;
  bytesRead = 0;
  destroyed = false;

  constructor(remoteAddress: string | undefined) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

interface Client {
  readonly socket: FakeSocket;
  readonly place: ConnectionPlace;
  openCalls: number;
}

class Host {
  readonly clock = new ManualClock();
  readonly limits: LimitReached[] = [];
  readonly connections: ClientConnections;

  constructor(connectionsMax: number) {
    this.connections = new ClientConnections({
      connectionsMax,
      clock: this.clock,
      onLimit: (reached) => this.limits.push(reached),
    });
  }

  /** Returns null if it was not accepted. */
  accept(address: string | undefined = '127.0.0.1', listener = 'l'): Client | null {
    const socket = new FakeSocket(address);
    const place = this.connections.admit(socket as unknown as Socket, listener);
    if (place === null) {
      expect(socket.destroyed).toBe(true);
      return null;
    }
    return { socket, place, openCalls: 0 };
  }

  /** A client that speaks HTTP/2. */
  connect(address?: string, listener?: string): Client | null {
    const client = this.accept(address, listener);
    client?.place.openedHttp2(() => client.openCalls);
    return client;
  }

  /** A client whose first call is the tenant's. Returns null if it was not accepted, or the call was rejected. */
  call(tenant: string, address?: string, listener?: string): Client | null {
    const client = this.connect(address, listener);
    return client?.place.assign(tenant) === true ? client : null;
  }

  calls(count: number, tenant: string, openCalls = 0): Client[] {
    const clients = Array.from({ length: count }, () => this.call(tenant));
    return clients.flatMap((client) => {
      if (client !== null) client.openCalls = openCalls;
      return client ?? [];
    });
  }

  get reasons(): string[] {
    return [...new Set(this.limits.map(({ reason }) => reason))];
  }
}

const destroyed = (clients: readonly (Client | null)[]) =>
  clients.filter((client) => client?.socket.destroyed).length;

describe('one tenant alone', () => {
  test('gets nearly all connections, from one address; the next call is rejected and its connection stays', () => {
    const host = new Host(160);
    expect(host.calls(150, 'a', 1)).toHaveLength(150);
    const excess = host.connect();
    expect(excess?.place.assign('a')).toBe(false);
    expect(excess?.socket.destroyed).toBe(false);
    expect(host.limits).toEqual([
      { reason: 'tenant-limit', listener: 'l', remote: '127.0.0.1:50000', tenant: 'a' },
    ]);
  });

  test('a connection that was rejected is accepted when another one has closed', () => {
    const host = new Host(16);
    const [first] = host.calls(15, 'a', 1);
    const excess = host.connect();
    expect(excess?.place.assign('a')).toBe(false);
    first?.socket.destroy();
    expect(excess?.place.assign('a')).toBe(true);
    expect(excess?.place.tenant).toBe('a');
  });

  test('a connection without calls and bytes for 30 s gives its place to a new one', () => {
    const host = new Host(16);
    const [idle, active] = host.calls(15, 'a');
    expect(host.call('a')).toBeNull();
    host.clock.advance(29_000);
    if (active !== undefined) active.socket.bytesRead = 10;
    expect(host.call('a')).toBeNull();
    host.clock.advance(4_000);
    expect(host.call('a')).not.toBeNull();
    expect([idle?.socket.destroyed, active?.socket.destroyed]).toEqual([true, false]);
  });
});

describe('a second tenant', () => {
  test('reaches the proxy from the same address, and gets half of the places, while the first one is active', () => {
    const host = new Host(160);
    const a = host.calls(400, 'a', 1);
    host.clock.advance(2_000);
    const b = Array.from({ length: 200 }, () => {
      const client = host.call('b');
      if (client !== null) client.openCalls = 1;
      return client;
    });
    expect(b.filter((client) => client !== null)).toHaveLength(75);
    expect(destroyed(a)).toBe(75);
    expect(destroyed(b)).toBe(0);
    expect(host.connections.withTenant).toBe(150);
  });

  test('keeps its connections when the first one floods afterwards', () => {
    const host = new Host(32);
    const b = host.calls(3, 'b');
    host.calls(1_000, 'a');
    host.clock.advance(2_000);
    host.calls(1_000, 'a');
    expect(destroyed(b)).toBe(0);
  });

  test('displaces connections without calls first', () => {
    const host = new Host(16);
    const busy = host.calls(8, 'a', 1);
    const quiet = host.calls(7, 'a');
    expect(host.calls(7, 'b')).toHaveLength(7);
    expect([destroyed(busy), destroyed(quiet)]).toEqual([0, 7]);
  });
});

test('addresses of one tenant share its connections', () => {
  const host = new Host(32);
  const leaky = Array.from({ length: 60 }, () => host.call('a', '10.0.0.1'));
  for (const client of leaky) if (client !== null) client.openCalls = 1;
  const other = Array.from({ length: 10 }, () => host.call('a', '10.0.0.2'));
  expect(other.includes(null)).toBe(false);
  expect(destroyed(leaky)).toBeGreaterThanOrEqual(10);
  expect(host.connections.withTenant).toBe(30);
});

describe('connections without a tenant', () => {
  test('get all places that tenants do not use', () => {
    const host = new Host(100);
    host.calls(20, 'a');
    expect(Array.from({ length: 80 }, () => host.connect()).includes(null)).toBe(false);
    expect(host.connect()).toBeNull();
    expect(host.reasons).toEqual(['limit']);
  });

  test('make room for a client of another address or listener at once', () => {
    const host = new Host(16);
    const flood = Array.from({ length: 40 }, () => host.connect('10.0.0.1'));
    const other = host.connect('10.0.0.2');
    expect(other).not.toBeNull();
    expect(host.connect('10.0.0.1', 'm')).not.toBeNull();
    expect(destroyed(flood)).toBe(2);
    expect(other?.place.assign('b')).toBe(true);
  });

  test('from many addresses do not keep out the clients of another listener', () => {
    const host = new Host(16);
    for (let i = 0; i < 40; i++) host.connect(`10.0.0.${i}`);
    const others = Array.from({ length: 20 }, () => host.connect('10.0.0.1', 'm'));
    expect(others.filter((client) => client !== null)).toHaveLength(8);
  });

  test('all addresses of an IPv6 network count as one', () => {
    const host = new Host(4);
    for (let i = 0; i < 9; i++) host.connect(`2001:db8::${i}`);
    expect(host.connect('2001:db8:0:1::1')).not.toBeNull();
    expect(host.connect('2001:db8::9')).toBeNull();
  });

  test('make room for one of the same address after a second, the oldest first', () => {
    const host = new Host(4);
    const clients = Array.from({ length: 4 }, () => host.connect());
    host.clock.advance(999);
    expect(host.connect()).toBeNull();
    host.clock.advance(101);
    expect(host.connect()).not.toBeNull();
    expect(clients.map((client) => client?.socket.destroyed)).toEqual([true, false, false, false]);
  });

  test('a login protects a connection, a health watch does not do so forever', () => {
    const host = new Host(4);
    for (let i = 0; i < 4; i++) {
      const client = host.connect();
      if (client !== null) client.openCalls = 1;
    }
    host.clock.advance(14_000);
    expect(host.connect()).toBeNull();
    host.clock.advance(1_500);
    expect(host.connect()).not.toBeNull();
  });

  test('a client on a Unix socket counts for its listener', () => {
    const host = new Host(4);
    for (let i = 0; i < 9; i++) host.connect(undefined, 'unix:///a');
    expect(host.connect(undefined, 'unix:///b')).not.toBeNull();
    expect(host.connections.open.get('unix:///b')).toBe(1);
  });
});

describe('handshakes', () => {
  test('end after 10 s, and later ones are not affected', () => {
    const host = new Host(100);
    const silent = host.accept();
    const prompt = host.connect();
    host.clock.advance(9_999);
    expect(silent?.socket.destroyed).toBe(false);
    host.clock.advance(1);
    expect([silent?.socket.destroyed, prompt?.socket.destroyed]).toEqual([true, false]);
    expect(host.reasons).toEqual(['handshake-timeout']);
    expect(host.clock.pendingTimers).toBe(0);
  });

  test('are at most 1024, also if more connections are permitted', () => {
    const host = new Host(10_000);
    const silent = Array.from({ length: 2_000 }, () => host.accept());
    expect(silent.filter((client) => client !== null)).toHaveLength(1_024);
    expect(host.accept('10.0.0.1')).not.toBeNull();
    expect(destroyed(silent)).toBe(1);
    host.clock.advance(1_100);
    expect(host.connect()).not.toBeNull();
    expect(destroyed(silent)).toBe(2);
  });
});

describe('HTTP/1.1', () => {
  const request = (host: Host, listener: string, openCalls = 0) => {
    const client = host.accept('127.0.0.1', listener);
    const isServed = client?.place.openedHttp1(() => openCalls) === true;
    return isServed ? client : null;
  };

  test('connections are at most 2,048, and those of one listener do not keep out another', () => {
    const host = new Host(10_000);
    const a = Array.from({ length: 2_060 }, () => request(host, 'a', 1));
    expect(a.filter((client) => client !== null)).toHaveLength(2_048);
    expect(request(host, 'b')).not.toBeNull();
    expect(destroyed(a)).toBe(1);
  });

  test('those of one tenant do not keep out another one on the same listener', () => {
    const host = new Host(10_000);
    const a = Array.from({ length: 2_048 }, () => request(host, 'l', 1));
    for (const client of a) client?.place.assign('a');
    expect(request(host, 'l')?.place.assign('b')).toBe(true);
    expect(destroyed(a)).toBe(1);
    for (const client of a) client?.socket.destroy();
    expect(Array.from({ length: 2_047 }, () => request(host, 'l')).includes(null)).toBe(false);
  });
});

test('every place is free again after its connection has closed, whatever it was', () => {
  const host = new Host(32);
  for (let round = 0; round < 3; round++) {
    const clients = [
      host.accept(),
      host.connect(),
      host.call('a'),
      host.accept(undefined, 'unix:///s'),
    ];
    const http1 = host.accept();
    expect(http1?.place.openedHttp1(() => 0)).toBe(true);
    http1?.place.assign('b');
    for (const client of [...clients, http1]) client?.socket.destroy();
  }
  expect(host.connections.withTenant).toBe(0);
  expect(host.connections.open.size).toBe(0);
  expect(host.clock.pendingTimers).toBe(0);
  expect(Array.from({ length: 32 }, () => host.connect()).includes(null)).toBe(false);
});

test('a connection on which too many HTTP/1.1 requests wait is closed and counted', () => {
  const host = new Host(16);
  const client = host.accept();
  client?.place.openedHttp1(() => 33);
  client?.place.assign('a');
  client?.place.pipelined();
  expect(client?.socket.destroyed).toBe(true);
  expect(host.limits).toMatchObject([{ reason: 'pipelined', listener: 'l', tenant: 'a' }]);
  expect(host.connections.open.size).toBe(0);
});

test('a call that is identified after its connection has closed takes no place', () => {
  const host = new Host(16);
  const client = host.connect();
  client?.socket.destroy();
  expect(client?.place.assign('a')).toBe(true);
  expect(host.connections.withTenant).toBe(0);
});

test('connections for which the process has no descriptor are counted', () => {
  const host = new Host(16);
  host.connections.notAccepted('l');
  expect(host.connections.reached).toEqual(new Map([['descriptors', 1]]));
});
