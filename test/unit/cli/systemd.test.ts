/** The messages to systemd, as a recording program in the place of systemd-notify receives them. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { Systemd } from '../../../src/cli/systemd.ts';
import type { Logger } from '../../../src/observe/logger.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('systemd');
afterAll(() => directory[Symbol.dispose]());
const recorded = join(directory.path, 'recorded');
const program = join(directory.path, 'systemd-notify');

const sent = () => (existsSync(recorded) ? readFileSync(recorded, 'utf8') : '');
const lines = () => sent().split('\n').slice(0, -1);
const sends = (count: number) =>
  until(
    () => `${count} messages: ${sent()}`,
    () => lines().length === count,
  );

function record(last = ''): void {
  writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> '${recorded}'\n${last}`);
  chmodSync(program, 0o755);
}

beforeEach(() => {
  writeFileSync(recorded, '');
  record();
});

const clock = new ManualClock();
const warnings: unknown[] = [];
const logger = { warn: (...line: unknown[]) => warnings.push(line) } as unknown as Logger;

function systemd(environment: Readonly<Record<string, string>> = {}, path = directory.path) {
  const own = { PATH: `${path}:/bin:/usr/bin`, NOTIFY_SOCKET: '/socket', ...environment };
  return new Systemd({ environment: own, clock, logger, pid: 7 });
}

test('ready, a reload and the end arrive in this order', async () => {
  const manager = systemd();
  const before = process.hrtime.bigint() / 1_000n;
  manager.ready(3);
  manager.reloading();
  manager.ready(4);
  manager.stopping(25_000);
  await sends(4);
  expect(lines()).toEqual([
    '/socket READY=1 STATUS=serving on 3 addresses',
    expect.stringMatching(/^\/socket RELOADING=1 MONOTONIC_USEC=\d+$/),
    '/socket READY=1 STATUS=serving on 4 addresses',
    '/socket STOPPING=1 STATUS=draining EXTEND_TIMEOUT_USEC=27000000',
  ]);
  const usec = BigInt(/USEC=(\d+)/.exec(sent())?.[1] ?? 0);
  expect(usec >= before && usec <= process.hrtime.bigint() / 1_000n).toBe(true);
});

test('the watchdog is pinged twice per interval, once the process is ready', async () => {
  const manager = systemd({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' });
  clock.advance(60_000);
  manager.ready(1);
  await sends(1);
  clock.advance(14_999);
  clock.advance(1);
  await sends(2);
  manager.ready(1);
  await sends(3);
  clock.advance(15_000);
  await sends(4);
  expect(lines().filter((line) => line === '/socket WATCHDOG=1')).toHaveLength(2);
});

test.each([
  ['for another process', { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }],
  ['switched off', { WATCHDOG_USEC: '0' }],
  ['not a number', { WATCHDOG_USEC: 'soon' }],
])('a watchdog that is %s is not pinged', async (_, environment) => {
  const timers = clock.pendingTimers;
  systemd(environment).ready(1);
  await sends(1);
  expect(clock.pendingTimers).toBe(timers);
});

test('pings do not queue up behind a message that is not sent yet', async () => {
  record('while [ -e "$0.hang" ]; do sleep 0.01; done');
  writeFileSync(`${program}.hang`, '');
  const manager = systemd({ WATCHDOG_USEC: '2000' });
  manager.ready(1);
  clock.advance(1_000);
  record();
  rmSync(`${program}.hang`);
  await sends(2);
  expect(lines()).toEqual([expect.stringContaining('READY=1'), '/socket WATCHDOG=1']);
});

test('a failure is logged once and does not stop later messages', async () => {
  warnings.length = 0;
  record('exit 3');
  const manager = systemd();
  manager.ready(1);
  manager.ready(2);
  await sends(2);
  await until('warning', () => warnings.length > 0);
  expect(warnings).toEqual([['systemd was not notified', { error: 'exit 3' }]]);
});

test('a host without systemd-notify is a warning', async () => {
  warnings.length = 0;
  systemd({ PATH: '/nonexistent' }).ready(1);
  await until('warning', () => warnings.length > 0);
  expect(warnings).toEqual([
    ['systemd was not notified', { error: expect.stringContaining('ENOENT') }],
  ]);
});

test('a process that cannot be started is a warning, too, and later messages are sent', async () => {
  warnings.length = 0;
  // A value with a null byte is one of the reasons for which `spawn` throws instead of reporting an error.
  const environment: Record<string, string> = { NOTIFY_SOCKET: '/socket\0' };
  const manager = new Systemd({ environment, clock, logger });
  manager.ready(1);
  await until('warning', () => warnings.length > 0);
  expect(warnings).toEqual([
    ['systemd was not notified', { error: expect.stringContaining('null bytes') }],
  ]);
  Object.assign(environment, { NOTIFY_SOCKET: '/socket', PATH: `${directory.path}:/bin:/usr/bin` });
  manager.ready(2);
  await sends(1);
});
