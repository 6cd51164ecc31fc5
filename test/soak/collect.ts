/**
 * Loaded into a process before its program (`node --import`). At SIGUSR2 it collects the garbage, so that what the heap
 * metrics show afterwards is in use. At SIGWINCH it prints how many objects are left of those that must not pile up, which
 * stops the process for a second or two. Nothing else in it differs from what users run.
 */
import { Socket } from 'node:net';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Connection } from '../../src/http2/connection.ts';
import { Stream } from '../../src/http2/stream.ts';

/** The lines' `event`. */
export const collectedEvent = 'collected';
export const leftEvent = 'left on the heap';

/** Objects on the heap, by what they are; prototypes count too, always the same number. */
export interface Left {
  readonly streams: number;
  readonly connections: number;
  readonly sockets: number;
  /** Also those that have fired or were cancelled, as long as they are referenced. */
  readonly timers: number;
}

const count = { format: 'count' } as const;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const timer = setTimeout(() => {}, 0);
const Timeout = timer.constructor as new () => unknown;
clearTimeout(timer);

function print(event: string, values: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...values })}\n`);
}

process.on('SIGUSR2', () => {
  // What a first collection lets go of outside of the heap, the second one finds.
  collectGarbage();
  collectGarbage();
  print(collectedEvent, {});
});

process.on('SIGWINCH', () => {
  const left: Left = {
    streams: queryObjects(Stream, count),
    connections: queryObjects(Connection, count),
    sockets: queryObjects(Socket, count),
    timers: queryObjects(Timeout, count),
  };
  print(leftEvent, left);
});
