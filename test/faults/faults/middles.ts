/** The process between clients and etcd that crashes, is restarted or reads its configuration again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BulkheadPath } from '../bulkhead-path.ts';
import type { Fault, World } from '../fault.ts';
import { type Middle, namespace } from '../path.ts';

/** A supervisor needs some time. */
const downMs = 500;
const reloadEveryMs = 50;

function middleOf({ path }: World): Middle {
  if (path.middle === null) throw new Error(`the path ${path.name} has no process of its own`);
  return path.middle;
}

const killed: Fault = {
  name: 'proxy SIGKILL and restart',
  paths: ['proxy', 'grpc-proxy'],
  elsewhere: 'no process runs between clients and etcd',
  async happen(world) {
    const middle = middleOf(world);
    await middle.kill();
    await sleep(downMs);
    await middle.start();
    await sleep(world.lastsMs);
  },
};

const drained: Fault = {
  name: 'proxy drained under load',
  paths: ['proxy', 'grpc-proxy'],
  elsewhere: 'no process runs between clients and etcd',
  async happen(world) {
    const middle = middleOf(world);
    await middle.drain();
    await middle.start();
    await sleep(world.lastsMs);
  },
};

/** Each reload changes the tenants, none of them the one of the load. */
const reloadStorm: Fault = {
  name: 'reload storm',
  paths: ['proxy'],
  elsewhere: 'nothing is reloaded',
  async happen({ path, lastsMs }) {
    if (!(path instanceof BulkheadPath)) throw new Error('only the proxy reloads');
    const endAt = performance.now() + lastsMs;
    for (let i = 0; performance.now() < endAt; i++) {
      path.reload({
        tenants: [
          { name: 'faults', namespace },
          { name: `other-${i}`, namespace: `other-${i}/` },
        ],
      });
      await sleep(reloadEveryMs);
    }
  },
};

/** The wall clock. No administrator can step the monotonic clock. */
const clockStepped: Fault = {
  name: 'clock of the proxy stepped',
  paths: ['proxy'],
  elsewhere: 'the clock of a Go program cannot be injected',
  async prepare() {
    return {
      environment: { NODE_OPTIONS: `--import=${new URL('../stepped-clock.ts', import.meta.url)}` },
    };
  },
  async happen({ path, lastsMs }) {
    if (!(path instanceof BulkheadPath)) throw new Error('only the clock of the proxy is stepped');
    for (let i = 0; i < 4; i++) {
      path.signal('SIGUSR2');
      await sleep(lastsMs / 4);
    }
  },
};

export const middleFaults: readonly Fault[] = [killed, drained, reloadStorm, clockStepped];
