/**
 * The other thread of bcrypt.ts: compares one password after the other. The library is plain JavaScript and takes a tenth
 * of a second for each, which on the main thread every call would have to wait for.
 */
import { parentPort } from 'node:worker_threads';
import { compareSync } from 'bcryptjs';

export interface BcryptQuestion {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

export interface BcryptAnswer {
  readonly id: number;
  readonly isRight: boolean;
}

parentPort?.on('message', ({ id, password, hash }: BcryptQuestion) => {
  const answer: BcryptAnswer = { id, isRight: compareSync(password, hash) };
  parentPort?.postMessage(answer);
});
