/** Reads the pages of an admin address, over TCP or a Unix socket. */
import { request } from 'node:http';
import type { SocketAddress } from '../../grpc/transport.ts';

const timeoutMs = 5_000;
/** 10,000 tenants have some megabytes. */
const bytesMax = 64 * 1024 * 1024;

/**
 * Resolves with the parsed page, or with null if there is none (404). Rejects with a description if the proxy cannot be reached, or
 * does not respond with JSON in time.
 */
export function readPage(address: SocketAddress, path: string): Promise<unknown> {
  const to =
    'path' in address
      ? { socketPath: address.path, headers: { host: 'localhost' } }
      : { host: address.host, port: address.port };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const call = request({ ...to, path, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > bytesMax) call.destroy(new Error(`${path} is too large`));
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 404) resolve(null);
        else if (response.statusCode !== 200) reject(new Error(`${path}: ${response.statusCode}`));
        else {
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()));
          } catch {
            reject(new Error(`${path} is not JSON`));
          }
        }
      });
    });
    call.on('error', (error) => {
      reject(error.name === 'TimeoutError' ? new Error('no response in time') : error);
    });
    call.end();
  });
}
