/** The parts of the load programs: what they read from the wire, and how they count. */
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { parseCounters, sumOf } from '../../../bench/etcd-metrics.ts';
import { DeliveryCheck, DeliveryTotals } from '../../../bench/load/delivery-check.ts';
import { Histogram } from '../../../bench/load/histogram.ts';
import { Http2Client } from '../../../bench/load/http2-client.ts';
import {
  indexedKey,
  indexOf,
  nowUs,
  sentAtUs,
  sequenceOf,
  stampedValue,
} from '../../../bench/load/stamped-value.ts';
import { WatchResponse } from '../../../bench/load/watch-response.ts';
import { grpcFrame } from '../../../bench/messages.ts';

describe('the histogram', () => {
  test('is exact for small values and within 1 % for large ones', () => {
    const histogram = new Histogram();
    for (let value = 1; value <= 100_000; value += 1) histogram.record(value);
    expect(histogram.percentile(0.001)).toBe(100);
    expect(histogram.percentile(0.5)).toBeGreaterThanOrEqual(50_000);
    expect(histogram.percentile(0.5)).toBeLessThanOrEqual(50_500);
    expect(histogram.percentile(1)).toBeGreaterThanOrEqual(100_000);
  });

  test('has no percentile without values', () => {
    const histogram = new Histogram();
    histogram.record(5);
    histogram.clear();
    expect(histogram.percentile(0.5)).toBeNull();
  });
});

describe('a stamped value', () => {
  test('carries its sequence number and the time on the clock that processes share', () => {
    const value = stampedValue(128, 70_000);
    expect(value).toHaveLength(128);
    expect(sequenceOf(value, 0)).toBe(70_000);
    expect(nowUs() - sentAtUs(value, 0)).toBeGreaterThanOrEqual(0);
    expect(Math.abs(Number(process.hrtime.bigint()) / 1000 - nowUs())).toBeLessThan(10_000);
  });

  test('a key ends in its index', () => {
    const key = Buffer.from(indexedKey('w/', 4711));
    expect(indexOf(key, key.length)).toBe(4711);
  });
});

describe('a watch response', () => {
  const event = (key: string, value: Buffer, modRevision: number) => {
    const kv = Buffer.concat([
      Buffer.from([0x0a, key.length]),
      Buffer.from(key),
      Buffer.from([0x10, 1, 0x18, modRevision, 0x2a, value.length]),
      value,
    ]);
    return Buffer.concat([Buffer.from([0x5a, kv.length + 2, 0x12, kv.length]), kv]);
  };

  test('reports its watch ID and every event with key, value and revision', () => {
    const bytes = Buffer.concat([
      Buffer.from([0x0a, 2, 0x18, 9, 0x10, 0x83, 0x01]),
      event('w/00007', Buffer.from('v'), 9),
      event('w/00008', Buffer.alloc(0), 10),
    ]);
    const response = new WatchResponse();
    const seen: unknown[] = [];
    response.read(bytes, 0, bytes.length, {
      onEvent: (from, keyEnd, start, end, modRevision) =>
        seen.push([indexOf(from, keyEnd), from.subarray(start, end).toString(), modRevision]),
    });
    expect(response).toMatchObject({ watchId: 131, isCreated: false, events: 2 });
    expect(seen).toEqual([
      [7, 'v', 9],
      [8, '', 10],
    ]);
  });

  test('reports created and cancelled watches', () => {
    const response = new WatchResponse();
    response.read(Buffer.from([0x18, 1]), 0, 2, null);
    expect(response).toMatchObject({ watchId: 0, isCreated: true, isCanceled: false });
    response.read(Buffer.from([0x20, 1]), 0, 2, null);
    expect(response).toMatchObject({ isCreated: false, isCanceled: true });
  });
});

describe('the delivery check', () => {
  test('counts gaps, repetitions and revisions that go back', () => {
    const totals = new DeliveryTotals();
    const check = new DeliveryCheck(totals, 2);
    expect(check.onEvent(0, 1, 10, 5)).toBe(true);
    expect(check.onEvent(0, 4, 11, 5)).toBe(false);
    check.onEvent(0, 4, 11, 5);
    check.onEvent(1, 1, 9, 5);
    expect(totals).toMatchObject({ delivered: 4, missed: 2, repeated: 1, reordered: 1 });
  });

  test('knows what is still expected', () => {
    const check = new DeliveryCheck(new DeliveryTotals(), 2);
    check.start(0, 3);
    expect(check.lacks([5, 1])).toBe(3);
    expect(check.lacks([3])).toBe(0);
  });
});

test("etcd's counters are sums over their series", () => {
  const text = [
    '# TYPE grpc_server_started_total counter',
    'grpc_server_started_total{grpc_method="Put"} 2',
    'grpc_server_started_total{grpc_method="Watch"} 3',
    'grpc_server_started_total_other 100',
    'etcd_network_client_grpc_sent_bytes_total 1.5e+06',
  ].join('\n');
  expect(sumOf(text, 'grpc_server_started_total')).toBe(5);
  expect(parseCounters(text)).toMatchObject({ sentBytes: 1_500_000, calls: 5, watchers: 0 });
});

describe('the HTTP/2 client', () => {
  let server: Http2Server | null = null;
  afterEach(() => server?.close());

  function serve(respond: (path: string, body: Buffer) => Buffer | null): Promise<number> {
    const http2 = createServer();
    server = http2;
    http2.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const body = respond(String(headers[':path']), Buffer.concat(chunks));
        stream.respond({ ':status': 200 }, { endStream: body === null });
        if (body !== null) stream.end(body);
      });
    });
    return new Promise((resolve) => {
      http2.listen(0, '127.0.0.1', () => resolve((http2.address() as AddressInfo).port));
    });
  }

  test('joins a message that spans frames, beyond the first windows', async () => {
    const large = Buffer.alloc(3 << 20, 'x');
    const port = await serve(() => grpcFrame(large));
    const client = new Http2Client(port);
    await client.ready;
    const response = await client.unary('/a/B', Buffer.from('q'));
    expect(response.equals(large)).toBe(true);
    client.close();
  });

  test('sends the path and one framed message', async () => {
    const port = await serve((path, body) => grpcFrame(Buffer.concat([Buffer.from(path), body])));
    const client = new Http2Client(port);
    expect(await client.unary('/a/B', Buffer.from('q'))).toEqual(
      Buffer.concat([Buffer.from('/a/B'), grpcFrame(Buffer.from('q'))]),
    );
    client.close();
  });

  test('rejects a call that ends without a response', async () => {
    const client = new Http2Client(await serve(() => null));
    await expect(client.unary('/a/B', Buffer.from('q'))).rejects.toThrow('without a response');
    client.close();
  });
});
