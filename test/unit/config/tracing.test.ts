import { describe, expect, test } from 'vitest';
import { loadedConfig, problemsOf } from '../../support/loaded-config.ts';

const endpoint = 'otlp-endpoint: http://collector:4318';
const tracingOf = async (...lines: string[]) => (await loadedConfig(...lines)).tracing;

describe('tracing', () => {
  test('is off without a collector, whatever the ratio is', async () => {
    expect(await tracingOf()).toBeNull();
    expect(await tracingOf('trace-ratio: "1"')).toBeNull();
  });

  test.each([
    ['http://collector:4318', 'http://collector:4318/v1/traces'],
    ['http://collector:4318/', 'http://collector:4318/v1/traces'],
    ['https://collector/otlp/', 'https://collector/otlp/v1/traces'],
    ['http://[::1]:4318/v1/traces', 'http://[::1]:4318/v1/traces'],
  ])('sends traces for %s to %s', async (given, url) => {
    expect(await tracingOf(`otlp-endpoint: "${given}"`)).toEqual({ url, ratio: 0.01 });
  });

  test.each([
    ['0', 0],
    ['1', 1],
    ['0.25', 0.25],
    ['.5', 0.5],
    ['1.0', 1],
  ])('takes the ratio %s', async (text, ratio) => {
    expect(await tracingOf(endpoint, `trace-ratio: "${text}"`)).toMatchObject({ ratio });
  });

  test.each(['-0.1', '1.1', '10%', '', '1e-3', 'NaN', '0x1'])(
    'rejects the ratio %j',
    async (text) => {
      expect(await problemsOf(endpoint, `trace-ratio: "${text}"`)).toEqual([
        'c.yaml:3: "trace-ratio" must be a number from 0 to 1',
      ]);
    },
  );

  test.each(['collector:4318', 'grpc://collector:4317', '/v1/traces'])(
    'rejects the endpoint %j',
    async (text) => {
      expect(await problemsOf(`otlp-endpoint: "${text}"`)).toEqual([
        'c.yaml:2: "otlp-endpoint" must be a URL such as http://127.0.0.1:4318',
      ]);
    },
  );

  test('rejects credentials in the endpoint, which would be printed', async () => {
    expect(await problemsOf('otlp-endpoint: http://user:secret@collector')).toEqual([
      'c.yaml:2: "otlp-endpoint" must not contain credentials: set OTEL_EXPORTER_OTLP_HEADERS',
    ]);
  });
});
