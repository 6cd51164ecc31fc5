import { describe, expect, test } from 'vitest';
import { contextMetadata, traceContext } from '../../../../src/observe/tracing/trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const parent = `00-${traceId}-${spanId}-01`;

describe('a trace context', () => {
  test.each([
    [parent, true],
    [`00-${traceId}-${spanId}-00`, false],
    [`00-${traceId}-${spanId}-03`, true],
    [`00-${traceId}-${spanId}-fe`, false],
    [`01-${traceId}-${spanId}-01`, true],
    [`01-${traceId}-${spanId}-01-more-of-a-later-version`, true],
  ])('is read from %s', (value, isSampled) => {
    const context = traceContext(['user-agent', 'x', 'traceparent', value]);
    expect(context).toEqual({ traceId, spanId, isSampled, state: '' });
  });

  test.each([
    '',
    '00',
    traceId,
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-${spanId}-01`,
    `01-${traceId}-${spanId}-01.more`,
    ` ${parent}`,
    `${parent}\n`,
    `${parent},${parent}`,
    `00-${traceId}-${spanId}-01${'-'.repeat(10_000)}`,
    `01-${traceId}-${spanId}-01-${'x'.repeat(300)}`,
    'x'.repeat(100_000),
  ])('is not read from %j', (value) => {
    expect(traceContext(['traceparent', value])).toBeNull();
  });

  test('is not read from several, and none is none', () => {
    expect(traceContext(['traceparent', parent, 'traceparent', parent])).toBeNull();
    expect(traceContext([])).toBeNull();
    expect(traceContext(['tracestate', 'a=1'])).toBeNull();
    expect(traceContext(['grpc-trace-bin', 'AAAB'])).toBeNull();
  });

  test('has the state of the client, unless that is not valid in a header', () => {
    const stateOf = (...states: string[]) =>
      traceContext(['traceparent', parent, ...states.flatMap((each) => ['tracestate', each])])
        ?.state;
    expect(stateOf('vendor=a b,other=2')).toBe('vendor=a b,other=2');
    expect(stateOf('a=1', 'b=2')).toBe('a=1,b=2');
    expect(stateOf('x'.repeat(512))).toHaveLength(512);
    for (const state of ['x'.repeat(513), 'a=\t1', 'a=\u00ff', 'a=1\r\nevil: 1', ' ', '']) {
      expect(stateOf(state)).toBe('');
    }
  });

  test('is passed on as metadata', () => {
    expect(contextMetadata(traceId, spanId, true, '')).toEqual(['traceparent', parent]);
    const metadata = contextMetadata(traceId, spanId, false, 'a=1');
    expect(metadata).toEqual(['traceparent', `00-${traceId}-${spanId}-00`, 'tracestate', 'a=1']);
    expect(traceContext(metadata)).toMatchObject({ traceId, spanId, state: 'a=1' });
  });
});
