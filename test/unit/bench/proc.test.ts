/** How CPU time and memory are read from the kernel's text. */
import { describe, expect, test } from 'vitest';
import {
  cpuBetweenNs,
  parseSchedstatCpuNs,
  parseStatCpuNs,
  parseStatusMemory,
} from '../../../bench/proc.ts';

describe('CPU time', () => {
  const rest = 'S 1 42 42 0 -1 4194560 1037 0 12 0 150 25 0 0 20 0 9 0 88152 1265995776';

  test('of a process is its user and system time', () => {
    expect(parseStatCpuNs(`42 (etcd) ${rest}`)).toBe(1.75e9);
  });

  test('is found behind a program name with spaces and parentheses', () => {
    expect(parseStatCpuNs(`42 (a) b (c)) ${rest}`)).toBe(1.75e9);
  });

  test('is not made up from something else', () => {
    expect(() => parseStatCpuNs('42 (etcd) S 1')).toThrow(RangeError);
    expect(() => parseSchedstatCpuNs('')).toThrow(RangeError);
  });

  test('of a thread is the first figure of its schedstat', () => {
    expect(parseSchedstatCpuNs('175000123 4711 32\n')).toBe(175_000_123);
  });
});

describe('CPU time between two readings', () => {
  const before = {
    statNs: 1e9,
    threadNs: new Map([
      ['42/42', 700],
      ['42/43', 300],
    ]),
  };

  test('is exact while all threads live, and counts those that were born', () => {
    const threadNs = new Map([...before.threadNs, ['42/42', 900], ['42/44', 50]] as const);
    expect(cpuBetweenNs(before, { statNs: 2e9, threadNs })).toBe(250);
  });

  test('comes from the coarser figure once a thread has ended', () => {
    expect(cpuBetweenNs(before, { statNs: 1.01e9, threadNs: new Map([['42/42', 900]]) })).toBe(1e7);
  });
});

describe('memory', () => {
  test('is what is resident and what was at most, in MiB', () => {
    const status = 'Name:\tetcd\nVmPeak:\t 99999 kB\nVmHWM:\t   65536 kB\nVmRSS:\t   51200 kB\n';
    expect(parseStatusMemory(status)).toEqual({ residentMiB: 50, peakMiB: 64 });
  });

  test('of a process that has none left is an error', () => {
    expect(() => parseStatusMemory('Name:\tetcd\nState:\tZ (zombie)\n')).toThrow(/VmRSS/);
  });
});
