/** Finds a free port, for programs that cannot pick one themselves. Another process may bind the port before they do. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** Resolves with `preferred` if it is free, otherwise with a port that the system picks. */
export async function freePort(preferred: number): Promise<number> {
  const server = createServer();
  try {
    server.listen(preferred, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    if (preferred === 0) throw error;
    return freePort(0);
  }
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
