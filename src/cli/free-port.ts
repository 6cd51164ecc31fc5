/** Ports for programs that cannot be told to take any. What was free a moment ago may be taken a moment later. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** `preferred` if nobody listens there, else one that the system picks. */
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
