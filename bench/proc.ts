/**
 * CPU time and memory of processes from Linux's `/proc`. Pure functions parse the kernel's text; the functions that read
 * it follow below. On other systems the benchmark reports that it cannot run.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports CPU time to user space in hundredths of a second, independent of the kernel's own tick. */
const nsPerClockTick = 1e7;

/** utime + stime of `/proc/<pid>/stat`, in nanoseconds (in steps of 10 ms). Ended threads are included. */
export function parseStatCpuNs(stat: string): number {
  // The second field is the program's name in parentheses and may contain any character, including spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isFinite(ticks)) {
    throw new RangeError(`no CPU times in ${JSON.stringify(stat)}`);
  }
  return ticks * nsPerClockTick;
}

/** The first figure of `schedstat`: time on a CPU in nanoseconds, of one thread. */
export function parseSchedstatCpuNs(schedstat: string): number {
  const ns = Number(schedstat.split(' ')[0]);
  if (schedstat.trim() === '' || !Number.isFinite(ns)) {
    throw new RangeError(`no CPU time in ${JSON.stringify(schedstat)}`);
  }
  return ns;
}

/** VmRSS and VmHWM of `/proc/<pid>/status`, in MiB. */
export function parseStatusMemory(status: string): { residentMiB: number; peakMiB: number } {
  const kib = (name: string): number => {
    const match = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status);
    if (match === null) {
      throw new RangeError(`no ${name} in the status of a process`);
    }
    return Number(match[1]);
  };
  return { residentMiB: kib('VmRSS') / 1024, peakMiB: kib('VmHWM') / 1024 };
}

/** CPU time used up to one moment. Only the difference of two readings is meaningful. */
export interface CpuReading {
  readonly statNs: number;
  /** By `pid/tid`. */
  readonly threadNs: ReadonlyMap<string, number>;
}

/**
 * CPU time between two readings, in nanoseconds. Exact if every thread of the first reading still runs at the second;
 * otherwise computed from the coarser figures, which include ended threads.
 */
export function cpuBetweenNs(before: CpuReading, after: CpuReading): number {
  let threadsNs = 0;
  for (const ns of after.threadNs.values()) {
    threadsNs += ns;
  }
  for (const [thread, ns] of before.threadNs) {
    if (!after.threadNs.has(thread)) {
      return after.statNs - before.statNs;
    }
    threadsNs -= ns;
  }
  return threadsNs;
}

/** The text of a file under `/proc`, or null if its thread or process has ended. */
function readIfAlive(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function threadsOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/task`);
}

/** A process and all its descendants. */
function familyOf(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((tid) =>
    (readIfAlive(`/proc/${pid}/task/${tid}/children`) ?? '').split(' ').filter(Boolean),
  );
  return [pid, ...children.flatMap((child) => familyOf(Number(child)))];
}

/** Reads the CPU time of a process and its descendants. Throws if the process has ended. */
export function readCpu(pid: number): CpuReading {
  let statNs = 0;
  const threadNs = new Map<string, number>();
  for (const member of familyOf(pid)) {
    statNs += parseStatCpuNs(readFileSync(`/proc/${member}/stat`, 'utf8'));
    for (const tid of threadsOf(member)) {
      const schedstat = readIfAlive(`/proc/${member}/task/${tid}/schedstat`);
      if (schedstat !== null) {
        threadNs.set(`${member}/${tid}`, parseSchedstatCpuNs(schedstat));
      }
    }
  }
  return { statNs, threadNs };
}

/** Resident memory of a process and its descendants, in MiB. Throws if the process has ended. */
export function readMemory(pid: number): { residentMiB: number; peakMiB: number } {
  let residentMiB = 0;
  let peakMiB = 0;
  for (const member of familyOf(pid)) {
    const memory = parseStatusMemory(readFileSync(`/proc/${member}/status`, 'utf8'));
    residentMiB += memory.residentMiB;
    peakMiB += memory.peakMiB;
  }
  return { residentMiB, peakMiB };
}
