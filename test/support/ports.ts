/**
 * Ports that were free a moment ago, for programs that cannot choose one themselves. They are below the range that
 * the system uses for outgoing connections, so only another listener can take one meanwhile. The caller retries in
 * that case.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

const portMin = 10_000;
const portMax = 32_000;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** `count` different free ports of 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}
