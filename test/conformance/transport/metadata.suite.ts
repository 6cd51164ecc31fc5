/** What surrounds the messages: request metadata, the status and its trailers. */
import { expect, test } from 'vitest';
import { metadataValue } from '../../../src/grpc/metadata.ts';
import { Code, ok, status } from '../../../src/grpc/status.ts';
import { Loop } from './loop.ts';
import type { PairKind } from './pairs.ts';

export function metadataSuite(kind: PairKind): void {
  test.each([
    [Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
    [Code.UNAVAILABLE, 'etcdserver: no leader'],
    [Code.INVALID_ARGUMENT, 'text with 100 %, "quotes", /slashes, ümlauts, 日本 and a\nnewline'],
    [Code.UNKNOWN, ''],
    [Code.CANCELLED, 'etcdserver: request canceled'],
  ])('status %i arrives with exactly its text: %s', async (code, words) => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.end(status(code, words));
    const ended = await loop.unary().ended();
    expect(ended).toMatchObject({ code, text: words, origin: 'peer' });
  });

  test('trailers arrive with a failure and with a success, binary ones too', async () => {
    await using loop = await Loop.open(kind);
    const trailers = [
      ...['etcd-bulkhead-reason', 'breaker-open'],
      ...['detail-bin', 'AAH/'],
      ...['twice', 'a', 'twice', 'b'],
    ];
    loop.handler.onCall = (call) => {
      const isFine = call.request.length === 4;
      if (isFine) call.deliver('x');
      call.end(isFine ? { ...ok, trailers } : status(Code.UNAVAILABLE, 'no', 'proxy', trailers));
    };
    for (const request of ['fine', 'not fine']) {
      const ended = await loop.unary(request).ended();
      expect(metadataValue(ended.trailers, 'etcd-bulkhead-reason')).toBe('breaker-open');
      expect(Buffer.from(metadataValue(ended.trailers, 'detail-bin') ?? '', 'base64')).toEqual(
        Buffer.from([0, 1, 255]),
      );
      const values = ended.trailers.filter((_, i) => ended.trailers[i - 1] === 'twice' && i % 2);
      expect(values.join().replaceAll(' ', '')).toBe('a,b');
      expect(ended.origin).toBe('peer');
    }
  });

  test('metadata reaches the handler: names in lower case, binary values as base64', async () => {
    await using loop = await Loop.open(kind);
    loop.unary('x', { metadata: ['hasleader', 'true', 'token', 'a b~c', 'blob-bin', 'AAH/'] });
    const { metadata } = (await loop.handler.call()).incoming;
    expect(metadataValue(metadata, 'hasleader')).toBe('true');
    expect(metadataValue(metadata, 'token')).toBe('a b~c');
    expect(Buffer.from(metadataValue(metadata, 'blob-bin') ?? '', 'base64')).toEqual(
      Buffer.from([0, 1, 255]),
    );
    expect(metadata.some((entry) => entry.startsWith(':'))).toBe(false);
  });

  test('metadata that is not valid in a header fails its call only', async () => {
    await using loop = await Loop.open(kind);
    const ended = await loop.unary('x', { metadata: ['token', 'line\nbreak'] }).ended();
    expect(ended).toMatchObject({ code: Code.INTERNAL, origin: 'proxy' });
    expect(loop.handler.calls).toHaveLength(0);
  });
}
