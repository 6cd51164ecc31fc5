/** The pages of the admin address that `top` reads. */
import type { SocketAddress } from '../../grpc/transport.ts';
import { type AdminLimits, ask, described } from '../admin-client.ts';

/** 10,000 tenants have some megabytes. */
const limits: AdminLimits = { timeoutMs: 5_000, bodyBytesMax: 64 << 20 };

/**
 * Resolves with the parsed page, or with null if the proxy has no such page (404). Rejects with a description if the proxy cannot be reached, or
 * does not respond with JSON in time.
 */
export async function readPage(address: SocketAddress, path: string): Promise<unknown> {
  const response = await ask(address, 'GET', path, limits);
  if (response instanceof Error) throw new Error(described(response));
  if (response.code === 404) return null;
  if (response.code !== 200) throw new Error(`${path}: ${response.code}`);
  try {
    return JSON.parse(response.body);
  } catch {
    throw new Error(`${path} is not JSON`);
  }
}
