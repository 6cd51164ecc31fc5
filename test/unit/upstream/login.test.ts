import { describe, expect, test } from 'vitest';
import type { LoginConfig } from '../../../src/config/sections/login.ts';
import { type Status, status } from '../../../src/grpc/status.ts';
import { Reader } from '../../../src/protobuf/reader.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { Caller } from '../../support/caller.ts';
import {
  type ChannelCall,
  type FakeChannel,
  FakeClientTransport,
} from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { callOf, message } from '../../support/test-call.ts';

const refused = status(16, 'etcdserver: invalid auth token', 'peer');
const authenticate = '/etcdserverpb.Auth/Authenticate';

function start(login: LoginConfig | null = { user: 'proxy', password: 'secret' }) {
  const clock = new ManualClock();
  const transport = new FakeClientTransport();
  const failures: string[] = [];
  const address = { host: '127.0.0.1', port: 1 };
  const endpoints = [{ name: 'a', address, tls: null }];
  const upstream = new Upstream({
    memory: memoryOf(),
    endpoints,
    login,
    passesCredentials: (listener) => listener === 'through',
    mayMoveStreams: () => true,
    onLoginFailure: (why) => void failures.push(why),
    onClusterReplaced: null,
    transport,
    clock,
    random: { integer: (min) => min },
    keepaliveMs: 10_000,
    keepaliveTimeoutMs: 5_000,
  });
  const [unary] = transport.channels as [FakeChannel];
  unary.become('ready');
  transport.isReachable = true;
  const openWatch = (above: Caller, call = callOf('etcdserverpb.Watch/Watch')) => {
    upstream.stream(call, above);
    return transport.channels.at(-1) as FakeChannel;
  };
  const logIns = () => unary.calls.filter(({ head }) => head.path === authenticate);
  const answer = (token: string, call: ChannelCall | undefined = logIns().at(-1)) => {
    call?.respond(new Writer().string(2, token).finish());
  };
  const get = (listener = 'here') => {
    const above = new Caller();
    const call = callOf('etcdserverpb.KV/Range', { listener });
    const send = () => {
      upstream.unary(call, message(''), above);
      return unary.calls.at(-1) as ChannelCall;
    };
    return { above, call, send };
  };
  const isAvailable = () => upstream.isAvailable(callOf('etcdserverpb.KV/Range').method);
  return {
    clock,
    upstream,
    unary,
    openWatch,
    failures,
    endpoints,
    logIns,
    answer,
    get,
    isAvailable,
  };
}

/** The passwords that were sent, in order. */
function passwords(logIns: readonly ChannelCall[]): readonly string[] {
  return logIns.map(({ requests: [request] }) => {
    const reader = new Reader(request ?? Buffer.of());
    let password = '';
    while (reader.next()) {
      if (reader.field === 2) password = Buffer.from(reader.bytes()).toString();
    }
    return password;
  });
}

function ended(above: Caller): Pick<Status, 'origin' | 'text'> | null {
  const { status: last } = above;
  above.status = null;
  return last && { origin: last.origin, text: last.text };
}

describe('the login of the proxy', () => {
  test('makes the upstream available when it has a token, which is sent with every call', () => {
    const { logIns, answer, get, isAvailable } = start();
    expect(logIns()).toHaveLength(1);
    expect(isAvailable()).toBe(false);
    answer('one');
    expect(isAvailable()).toBe(true);
    expect(get().send().head.metadata).toEqual(['token', 'one']);
  });

  test('logs in once, however many calls are rejected for the same token; each counts as not sent', () => {
    const { logIns, answer, get, isAvailable } = start();
    answer('one');
    const calls = [1, 2, 3].map(() => get());
    const sent = calls.map(({ send }) => send());
    for (const each of sent) each.end(refused);
    for (const { above } of calls) {
      expect(ended(above)).toMatchObject({ origin: 'unsent', text: refused.text });
    }
    expect([logIns().length, isAvailable()]).toEqual([2, false]);
    answer('two');
    expect(isAvailable()).toBe(true);
    const again = calls[0]?.send();
    expect(again?.head.metadata).toEqual(['token', 'two']);
    // A second rejection ends the call. The client does not learn about the proxy's token.
    again?.end(refused);
    expect(ended((calls[0] as (typeof calls)[0]).above)).toEqual({
      origin: 'proxy',
      text: 'etcd-bulkhead: etcd rejects the credentials of the proxy',
    });
  });

  test('keeps its token when an older one is rejected', () => {
    const { logIns, answer, get, isAvailable } = start();
    answer('one');
    const [early, late] = [get(), get()];
    const [first, second] = [early.send(), late.send()];
    first.end(refused);
    answer('two');
    second.end(refused);
    expect([logIns().length, isAvailable()]).toEqual([2, true]);
  });

  test('retries with backoff if etcd rejects the user, and reports the failure', () => {
    const { clock, logIns, answer, failures, isAvailable } = start();
    logIns()[0]?.end(status(3, 'etcdserver: authentication failed', 'peer'));
    expect([failures, isAvailable()]).toEqual([['etcdserver: authentication failed'], false]);
    clock.advance(400);
    expect(logIns()).toHaveLength(2);
    logIns()[1]?.end(status(14, 'lost', 'lost'));
    clock.advance(799);
    expect(logIns()).toHaveLength(2);
    clock.advance(1);
    answer('one');
    expect(isAvailable()).toBe(true);
  });

  test('sends no token while authentication is disabled, until etcd requires one', () => {
    const { logIns, get, isAvailable } = start();
    logIns()[0]?.end(status(9, 'etcdserver: authentication is not enabled', 'peer'));
    expect(isAvailable()).toBe(true);
    const { send } = get();
    const sent = send();
    expect(sent.head.metadata).toEqual([]);
    sent.end(status(3, 'etcdserver: user name is empty', 'peer'));
    expect([logIns().length, isAvailable()]).toEqual([2, false]);
  });

  test('refreshes its token before etcd expires it, and logs in again if etcd has expired it', () => {
    const { clock, unary, answer, logIns } = start();
    answer('one');
    clock.advance(60_000);
    const use = unary.calls.at(-1);
    expect([use?.head.path, use?.head.metadata]).toEqual([
      '/etcdserverpb.KV/Range',
      ['token', 'one'],
    ]);
    use?.end(refused);
    expect(logIns()).toHaveLength(2);
  });

  test('keeps watch streams whose token was replaced: etcd checks tokens for creates only', () => {
    const { openWatch, answer, get } = start();
    answer('one');
    const old = new Caller();
    const watch = openWatch(old);
    get().send().end(refused);
    answer('two');
    expect([old.status, watch.calls[0]?.isCancelled]).toEqual([null, false]);
  });

  test('ends the watch streams of a user that a reload has replaced, and no others', () => {
    const { upstream, endpoints, openWatch, answer } = start();
    answer('one');
    const old = new Caller();
    const watch = openWatch(old);
    upstream.update({ endpoints, login: { user: 'another', password: 'secret' } }, 0);
    answer('two');
    expect(old.status).toMatchObject({ code: 14, origin: 'lost' });
    expect(watch.calls[0]?.isCancelled).toBe(true);
    const fresh = new Caller();
    openWatch(fresh);
    expect(fresh.status).toBeNull();
  });

  test('is repeated if a probe is rejected, but not for a token that a member may not know yet', () => {
    const { clock, unary, answer, logIns } = start();
    clock.advance(0);
    const probe = () => unary.probes.at(-1);
    probe()?.end(refused);
    answer('one');
    clock.advance(4_000);
    probe()?.end(refused);
    expect(logIns()).toHaveLength(1);
    clock.advance(4_000);
    probe()?.end(status(0, '', 'peer'));
    clock.advance(4_000);
    probe()?.end(refused);
    expect(logIns()).toHaveLength(2);
  });

  describe('rejected by etcd in the response to the create of a watch', () => {
    const grpcText = 'rpc error: code = Unauthenticated desc = etcdserver: ';
    const deniedText = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';
    const header = Buffer.of(0x08, 1);

    /** WatchResponse of a create that etcd has rejected. */
    const rejectedCreate = (reason: string) =>
      new Writer()
        .message(1, header)
        .varint(2, -1)
        .bool(3, true)
        .bool(4, true)
        .string(6, reason)
        .finish();
    const created = new Writer().message(1, header).bool(3, true).finish();

    function watching() {
      const parts = start();
      const { openWatch, answer } = parts;
      answer('one');
      const above = new Caller();
      const call = callOf('etcdserverpb.Watch/Watch');
      const watch = openWatch(above, call);
      const response = (bytes: Uint8Array) => watch.calls.at(-1)?.deliver(bytes);
      return { ...parts, above, call, watch, response };
    }

    test.each(['invalid auth token', 'revision of auth store is old', 'user name is empty'])(
      '%s: does not reach the client, and the stream counts as not sent',
      (text) => {
        const { above, response, logIns, watch, isAvailable } = watching();
        response(rejectedCreate(grpcText + text));
        expect(above.messages).toEqual([]);
        expect(above.status).toMatchObject({ code: 14, origin: 'unsent' });
        expect([logIns().length, isAvailable()]).toEqual([2, false]);
        expect(watch.calls[0]?.isCancelled).toBe(true);
      },
    );

    test('ends a stream that has watches as lost, so that the client opens it again', () => {
      const { above, response, logIns } = watching();
      response(created);
      response(rejectedCreate(`${grpcText}invalid auth token`));
      expect(above.messages).toEqual([created]);
      expect(above.status).toMatchObject({ code: 14, origin: 'lost' });
      expect(logIns()).toHaveLength(2);
    });

    test('ends a stream that is rejected with a new token, too, without showing the token', () => {
      const { above, call, upstream, response, answer } = watching();
      response(rejectedCreate(`${grpcText}invalid auth token`));
      answer('two');
      above.status = null;
      upstream.stream(call, above);
      response(rejectedCreate(`${grpcText}invalid auth token`));
      expect(ended(above)).toEqual({
        origin: 'proxy',
        text: 'etcd-bulkhead: etcd rejects the credentials of the proxy',
      });
    });

    test('as denied, which older releases say for a stale token: the token is checked first', () => {
      const { above, response, unary, logIns } = watching();
      response(rejectedCreate(deniedText));
      expect([above.messages, above.status]).toEqual([[], null]);
      const check = unary.calls.at(-1);
      expect([check?.head.path, check?.head.metadata]).toEqual([
        '/etcdserverpb.KV/Range',
        ['token', 'one'],
      ]);
      check?.end(refused);
      expect(above.messages).toEqual([]);
      expect(above.status).toMatchObject({ code: 14, origin: 'unsent' });
      expect(logIns()).toHaveLength(2);
    });

    test('as denied with a valid token: the client gets the response and what follows, in order', () => {
      const { above, response, unary, logIns } = watching();
      const denied = rejectedCreate(deniedText);
      response(denied);
      response(created);
      unary.calls.at(-1)?.end(status(7, 'etcdserver: permission denied', 'peer'));
      expect(above.messages).toEqual([denied, created]);
      expect([above.status, logIns().length]).toEqual([null, 1]);
    });

    test('as denied, while the member cannot be asked: the stream is lost', () => {
      const { above, response, unary } = watching();
      response(created);
      response(rejectedCreate(deniedText));
      unary.calls.at(-1)?.end(status(14, 'reset', 'lost'));
      expect(above.messages).toEqual([created]);
      expect(above.status).toMatchObject({ code: 14, origin: 'lost' });
    });

    test('for a reason that is not the token reaches the client', () => {
      const { above, response } = watching();
      const empty = rejectedCreate('mvcc: watcher range is empty');
      response(empty);
      expect([above.messages, above.status]).toEqual([[empty], null]);
    });
  });

  test('does not affect calls with credentials of their own', () => {
    const { answer, get, logIns } = start();
    answer('one');
    const { above, send } = get('through');
    const sent = send();
    expect(sent.head.metadata).toEqual([]);
    sent.end(refused);
    expect(above.status).toBe(refused);
    expect(logIns()).toHaveLength(1);
  });

  test('applies another password at a reload', () => {
    const { upstream, endpoints, answer, logIns, get } = start();
    answer('one');
    upstream.update({ endpoints, login: { user: 'proxy', password: 'new' } }, 0);
    expect(Buffer.from(logIns().at(-1)?.requests[0] ?? []).toString()).toContain('new');
    answer('two');
    expect(get().send().head.metadata).toEqual(['token', 'two']);
    upstream.update({ endpoints, login: null }, 0);
    expect(get().send().head.metadata).toEqual([]);
  });

  describe('applies another password', () => {
    const login = { user: 'proxy', password: 'new' };

    test('that a reload sets while a token is requested, and does not use that token', () => {
      const { upstream, endpoints, answer, logIns, isAvailable, get } = start();
      upstream.update({ endpoints, login }, 0);
      expect(passwords(logIns())).toEqual(['secret']);
      answer('one');
      expect([passwords(logIns()), isAvailable()]).toEqual([['secret', 'new'], false]);
      answer('two');
      expect(get().send().head.metadata).toEqual(['token', 'two']);
    });

    test('that a reload sets after the old one was rejected in flight', () => {
      const { upstream, endpoints, failures, answer, logIns, isAvailable } = start();
      upstream.update({ endpoints, login }, 0);
      logIns()[0]?.end(status(3, 'etcdserver: authentication failed', 'peer'));
      expect([passwords(logIns()), failures]).toEqual([['secret', 'new'], []]);
      answer('two');
      expect(isAvailable()).toBe(true);
    });

    test('that a reload sets while no endpoint is available, as soon as one is', () => {
      const { upstream, endpoints, unary, answer, logIns, get } = start();
      answer('one');
      unary.become('failed');
      upstream.update({ endpoints, login }, 0);
      expect(passwords(logIns())).toEqual(['secret']);
      unary.become('ready');
      expect(passwords(logIns())).toEqual(['secret', 'new']);
      answer('two');
      expect(get().send().head.metadata).toEqual(['token', 'two']);
    });

    test('whose backoff ends while no endpoint is available, as soon as one is', () => {
      const { clock, upstream, endpoints, unary, answer, logIns } = start();
      answer('one');
      upstream.update({ endpoints, login }, 0);
      logIns()[1]?.end(status(14, 'lost', 'lost'));
      unary.become('failed');
      clock.advance(30_000);
      expect(passwords(logIns())).toEqual(['secret', 'new']);
      unary.become('ready');
      expect(passwords(logIns())).toEqual(['secret', 'new', 'new']);
    });

    test('without requesting the token again when another endpoint becomes available', () => {
      const { upstream, endpoints, unary, answer, logIns } = start();
      answer('one');
      upstream.update({ endpoints, login }, 0);
      answer('two');
      unary.become('failed');
      unary.become('ready');
      expect(passwords(logIns())).toEqual(['secret', 'new']);
    });
  });
});

test('without a user, a probe that etcd rejects for its missing token does not hold up calls', () => {
  const { unary, clock, isAvailable, logIns, get } = start(null);
  clock.advance(20_000);
  const probe = unary.calls.find(({ head }) => head.path.endsWith('/Status'));
  probe?.fail(3, 'etcdserver: user name is empty');
  expect(isAvailable()).toBe(true);
  expect(logIns()).toEqual([]);
  const { above, send } = get('through');
  send().fail(3, 'etcdserver: user name is empty');
  expect(above.status).toMatchObject({ code: 3, text: 'etcdserver: user name is empty' });
});
