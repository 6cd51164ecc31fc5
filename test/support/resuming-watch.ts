/**
 * A watch of everything as clientv3 keeps it: when its stream breaks it comes back at the revision after the last event it
 * has seen. It remembers every event, and objects to nothing: whether they are right is the test's to say.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrpcClient } from './client.ts';

const everything = Buffer.from('\0');
const againInMs = 50;

/** One event in one line. A store has it once. */
export function eventLine(
  type: string,
  { key, mod_revision }: { readonly key: Uint8Array; readonly mod_revision: string },
): string {
  return `${mod_revision} ${type} ${Buffer.from(key).toString()}`;
}

export class ResumingWatch implements AsyncDisposable {
  /** In order of arrival. */
  readonly events: string[] = [];
  /** How each stream ended that did not end on purpose. */
  readonly breaks: string[] = [];
  readonly #client: GrpcClient;
  readonly #over: Promise<void>;
  #nextRevision: number;
  #isStopped = false;
  #stopStream: () => void = () => {};

  constructor(client: GrpcClient, startRevision: number) {
    this.#client = client;
    this.#nextRevision = startRevision;
    this.#over = this.#follow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#stopStream();
    await this.#over;
  }

  async #follow(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#stream();
      } catch (error) {
        if (this.#isStopped) return;
        this.breaks.push((error as Error).message);
        await sleep(againInMs);
      }
    }
  }

  /** Never resolves: ends with the error that the stream ended with. */
  async #stream(): Promise<void> {
    // As clientv3 with WithRequireLeader: a member that lost its leader ends the stream.
    const metadata = { hasleader: 'true' };
    using stream = this.#client.stream('etcdserverpb.Watch/Watch', { metadata });
    this.#stopStream = () => stream.cancel();
    stream.send({
      create_request: {
        key: everything,
        range_end: everything,
        start_revision: this.#nextRevision,
      },
    });
    for (;;) {
      const answer = await stream.next(2 ** 31 - 1);
      if (answer.canceled) throw new Error(`canceled: ${answer.cancel_reason}`);
      for (const { type, kv } of answer.events) {
        this.events.push(eventLine(type, kv));
        this.#nextRevision = Number(kv.mod_revision) + 1;
      }
    }
  }
}
