/** Request heads, frame by frame: those that a server accepts, and how it rejects the others. */
import { expect, test } from 'vitest';
import { encodeRequest } from '../support/codec.ts';
import { isAtLeast } from '../support/etcd-release.ts';
import { type Field, FrameClient, type Outcome } from '../support/frame-client.ts';
import type { TargetKind } from '../support/target.ts';
import { differing } from './differences.ts';
import { bytes, useWorld } from './world.ts';

const protocolError = 1;
const path = '/etcdserverpb.KV/Range';
const grpc = 'application/grpc';

const head: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'x'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
];

/** The head with other values, and with further fields. A value of null removes the field. */
function headWith(changed: Readonly<Record<string, string | null>>, ...more: Field[]): Field[] {
  const fields = head.map(([name, value]) => [name, changed[name] ?? value] as const);
  return [...fields.filter(([name]) => changed[name] !== null), ...more];
}

/** How etcd 3.4 handles a head that newer ones reject: it serves the call, or resets the stream. */
type Before = 'served' | 'reset';

const rejected: [string, Field[], string[], Before][] = [
  [
    'a content-type that is not gRPC',
    headWith({ 'content-type': 'text/plain' }),
    ['415', '3', 'invalid gRPC request content-type "text/plain"'],
    'reset',
  ],
  [
    'a method that is not POST',
    headWith({ ':method': 'GET', 'content-type': 'application/grpc+proto' }),
    ['405', '13', 'Received a HEADERS frame with :method "GET" which should be POST'],
    'served',
  ],
  [
    'no authority',
    headWith({ ':authority': null }),
    ['400', '13', 'no host or :authority header present'],
    'served',
  ],
  [
    'two hosts',
    headWith({}, ['host', 'x'], ['host', 'y']),
    [
      ...['400', '13'],
      'num values of :authority: 1, num values of host: 2, both must only have 1 value as per HTTP/2 spec',
    ],
    'served',
  ],
  [
    'a timeout that is not a number',
    headWith({}, ['grpc-timeout', 'soon']),
    ['400', '13', 'malformed grpc-timeout: strconv.ParseUint: parsing "soo": invalid syntax'],
    'reset',
  ],
  [
    'a timeout with quotes and bytes',
    headWith({}, ['grpc-timeout', '"\u00e9\tS']),
    [
      ...['400', '13'],
      'malformed grpc-timeout: strconv.ParseUint: parsing "\\"\\xe9\\t": invalid syntax',
    ],
    'reset',
  ],
  [
    'an empty timeout',
    headWith({}, ['grpc-timeout', '']),
    ['400', '13', 'malformed grpc-timeout: transport: timeout string is too short: ""'],
    'reset',
  ],
  [
    'binary metadata that is not base64',
    headWith({}, ['a-bin', 'AA=A']),
    [
      ...['400', '13'],
      'malformed binary metadata "AA=A" in header "a-bin": illegal base64 data at input byte 2',
    ],
    'served',
  ],
];

export function requestHeadsSuite(kind: TargetKind): void {
  const world = useWorld(kind);
  const isNewest = differing(kind, 'request-heads', {
    etcd: isAtLeast(5),
    instead: true,
  });

  async function outcome(fields: readonly Field[]): Promise<Outcome> {
    await using frames = await FrameClient.connect(world.target.address);
    const request = encodeRequest('etcdserverpb.KV/Range', { key: bytes('a') });
    await frames.batch(() => {
      frames.open(1, fields, { end: false });
      frames.message(1, request, { end: true });
    });
    return await frames.outcome(1);
  }

  async function expectServed(fields: readonly Field[], contentType: string): Promise<void> {
    const got = await outcome(fields);
    expect(got.fields).toEqual(
      expect.arrayContaining([':status: 200', `content-type: ${contentType}`, 'grpc-status: 0']),
    );
  }

  test.each([
    ['application/grpc', 'application/grpc'],
    ['application/grpc+proto', 'application/grpc+proto'],
    ['application/grpc+json', 'application/grpc+json'],
    ['application/grpc+', 'application/grpc'],
    ['application/grpc;charset=utf-8', 'application/grpc+charset=utf-8'],
  ])('the response to %s is %s', async (requested, got) => {
    const contentType = differing(kind, 'content-type', {
      etcd: got,
      instead: 'application/grpc+proto',
    });
    await expectServed(headWith({ 'content-type': requested }), contentType);
  });

  test('a method path that is not ASCII is encoded once', async () => {
    const { fields } = await outcome(headWith({ ':path': '/etcdserverpb.KV/N\u00c3\u00b6pe' }));
    const text = 'grpc-message: unknown method N%C3%B6pe for service etcdserverpb.KV';
    const library = expect.stringContaining('The server does not implement the method');
    expect(fields).toContainEqual(
      differing<unknown>(kind, 'library-texts', { etcd: text, instead: library }),
    );
  });

  test('1,000 headers of metadata, 122 KB, are accepted', async () => {
    const many = Array.from({ length: 1_000 }, (_, i): Field => [`x-${i}`, 'v'.repeat(85)]);
    if (differing(kind, 'metadata-size', { etcd: true, instead: false })) {
      await expectServed([...head, ...many], 'application/grpc');
    } else expect((await outcome([...head, ...many])).reset).toBe(11);
  });

  test.each(['a\tb', 'a\u00ffb', ' a '])('a value with %j is accepted', async (value) => {
    const contentType = differing(kind, 'content-type', { etcd: grpc, instead: `${grpc}+proto` });
    await expectServed(headWith({}, ['x-a', value]), contentType);
  });

  // Node's HTTP/2 and grpc-js check heads themselves, and less.
  if (kind.transport === 'grpc-js') return;

  test.each(['a\0b', 'a\nb', 'a\rb', 'a\u0001b', 'a\u007fb'])(
    'a value with a control character resets the stream: %j',
    async (value) => {
      const got = await outcome(headWith({}, ['x-a', value]));
      expect(got).toMatchObject({ fields: [], reset: protocolError });
    },
  );

  test.each(rejected)('%s', async (_, fields, [httpStatus, code, text], before) => {
    const got = await outcome(fields);
    const subtype = fields.find(([name]) => name === 'content-type')?.[1] ?? '';
    const contentType = subtype.startsWith('application/grpc') ? subtype : 'application/grpc';
    if (isNewest) {
      expect(got.fields).toEqual([
        `:status: ${httpStatus}`,
        `content-type: ${contentType}`,
        `grpc-status: ${code}`,
        `grpc-message: ${text}`,
      ]);
    } else if (before === 'reset') expect(got).toMatchObject({ fields: [], reset: protocolError });
    else expect(got.fields).toContain('grpc-status: 0');
  });
}
