/** The limits of tenants and of the process: defaults, values of single tenants, and contradictions. */
import { describe, expect, test } from 'vitest';
import { loadedConfig, problemsOf } from '../../support/loaded-config.ts';

const tenant = (keys: string) => `tenants: [{ name: a, namespace: a/, ${keys} }]`;
const listener = 'listeners: [{ address: ":1", tenant: a }]';

describe('the limits of a tenant', () => {
  test('are the settings', async () => {
    const { tenants } = await loadedConfig(
      ...['max-calls-per-second: 10', 'max-call-burst: 20', 'max-open-calls: 3'],
      ...['max-open-streams: 4', 'max-open-watches: 5', 'max-leases-per-minute: 6'],
    );
    expect(tenants[0]?.limits).toEqual({
      callsPerSecond: 10,
      callBurst: 20,
      openCallsMax: 3,
      openStreamsMax: 4,
      openWatchesMax: 5,
      leasesPerMinute: 6,
      messageBytesMax: Number.POSITIVE_INFINITY,
    });
  });

  test('0 is no limit', async () => {
    const { tenants, totals } = await loadedConfig(
      ...['max-calls-per-second: 0', 'max-open-calls: 0', 'max-total-open-calls: 0'],
    );
    expect(tenants[0]?.limits).toMatchObject({
      callsPerSecond: Number.POSITIVE_INFINITY,
      callBurst: Number.POSITIVE_INFINITY,
      openCallsMax: Number.POSITIVE_INFINITY,
    });
    expect(totals.openCallsMax).toBe(Number.POSITIVE_INFINITY);
  });

  test('are replaced one by one by keys of the tenant, which are printed', async () => {
    const loaded = await loadedConfig(
      'max-open-calls: 3',
      tenant('max-open-streams: 7, max-open-calls: 3, max-request-bytes: 64KiB'),
      listener,
    );
    expect(loaded.tenants[0]?.limits).toMatchObject({
      openCallsMax: 3,
      openStreamsMax: 7,
      // As with the limit of the listeners, 512 KiB are added.
      messageBytesMax: (64 + 512) << 10,
    });
    const printed = loaded.effective.find(({ name }) => name === 'tenants')?.value;
    expect(printed).toEqual([
      { name: 'a', namespace: 'a/', 'max-open-streams': 7, 'max-request-bytes': '64KiB' },
    ]);
  });

  test('a burst of all tenants does not become that of a tenant with a rate of its own', async () => {
    const loaded = await loadedConfig(
      ...['max-calls-per-second: 10', 'max-call-burst: 500'],
      ...[tenant('max-calls-per-second: 20'), listener],
    );
    expect(loaded.tenants[0]?.limits).toMatchObject({ callsPerSecond: 20, callBurst: 20 });
  });

  test('that contradict one another are reported with their lines', async () => {
    expect(
      await problemsOf('max-calls-per-second: 0', 'max-call-burst: 1', 'max-open-calls: 100001'),
    ).toEqual([
      'c.yaml:3: "max-call-burst" requires a limit in max-calls-per-second',
      'c.yaml:4: "max-open-calls" must not be greater than --max-total-open-calls, which is 100000',
    ]);
    expect(
      await problemsOf(
        'max-total-open-watches: 50',
        tenant('max-open-watches: 51, max-request-bytes: 2MiB, max-open-calls: many'),
        listener,
      ),
    ).toEqual([
      'c.yaml:3: "max-open-calls" must be a whole number, not "many"',
      'c.yaml:3: "max-open-watches" must not be greater than --max-total-open-watches, which is 50',
      'c.yaml:3: "max-request-bytes" must not be greater than --max-request-bytes, which is 1572864 bytes',
    ]);
  });

  test('may be above a total by default, which then limits the tenant', async () => {
    expect(await problemsOf('max-total-open-calls: 10')).toEqual([]);
  });
});
