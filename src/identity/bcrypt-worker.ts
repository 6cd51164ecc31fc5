/**
 * The worker thread of bcrypt.ts: compares one password after the other. The library is plain JavaScript and takes a tenth
 * of a second per comparison, which would block all calls on the main thread.
 */
import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

export interface BcryptRequest {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

export interface BcryptResponse {
  /** As in the request. */
  readonly id: number;
  readonly matches: boolean;
}

parentPort?.on('message', ({ id, password, hash }: BcryptRequest) => {
  const response: BcryptResponse = { id, matches: compareSync(password, hash) };
  parentPort?.postMessage(response);
});
