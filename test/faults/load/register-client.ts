/**
 * A client of a few registers that it shares with others: it puts, swaps one value for another, writes two registers at once,
 * and reads. Every value that it writes is unique.
 */
import type { RequestOp, TxnResponse } from '../../support/messages.ts';
import type { Write } from '../ledger.ts';
import { callTimeoutMs, LoadClient, type LoadClientOptions } from './load-client.ts';
import { Stopwatch } from './stopwatch.ts';

export const registers: readonly string[] = ['r/0', 'r/1', 'r/2', 'r/3', 'r/4'];
const pauseMsMax = 40;
const withDeadline = { timeoutMs: callTimeoutMs };
const unknownEnd = Number.POSITIVE_INFINITY;

class RegisterClient extends LoadClient {
  /** The last value that this client has found in or written to a register. */
  protected readonly found = new Map<string, string | null>();

  protected onRead(key: string, reads: string | null, calledAt: number): void {
    this.ledger.onOperation(key, { reads, calledAt, returnedAt: performance.now() });
    this.found.set(key, reads);
  }
}

export class RegisterReader extends RegisterClient {
  readonly #stopwatch = new Stopwatch(this.ledger, 'gets');

  constructor(options: LoadClientOptions) {
    super(options);
    this.onStop(() => this.#stopwatch.end());
    const pauseMs = () => this.chance.below(pauseMsMax);
    this.repeat('get', pauseMs, () => this.#read());
  }

  async #read(): Promise<void> {
    const register = this.chance.pick(registers);
    const calledAt = performance.now();
    this.#stopwatch.begin();
    const request = { key: this.key(register) };
    const { kvs } = await this.grpc.call('etcdserverpb.KV/Range', request, withDeadline);
    this.#stopwatch.succeed();
    this.onRead(register, kvs[0]?.value.toString() ?? null, calledAt);
  }
}

export class RegisterWriter extends RegisterClient {
  readonly #stopwatch = new Stopwatch(this.ledger, 'puts');
  #writes = 0;

  constructor(options: LoadClientOptions) {
    super(options);
    this.onStop(() => this.#stopwatch.end());
    const steps = [() => this.#put(), () => this.#put(), () => this.#swap(), () => this.#putTwo()];
    const pauseMs = () => this.chance.below(pauseMsMax);
    this.repeat('put', pauseMs, () => this.chance.pick(steps)());
  }

  async #put(): Promise<void> {
    const register = this.chance.pick(registers);
    await this.#write([register], undefined, async (value) => {
      const request = { key: this.key(register), value: Buffer.from(value) };
      return await this.grpc.call('etcdserverpb.KV/Put', request, withDeadline);
    });
  }

  async #putTwo(): Promise<void> {
    const [first, second] = [this.chance.pick(registers), this.chance.pick(registers)];
    if (first === second) return;
    await this.#write([first, second], undefined, async (value) => {
      const success = [this.#putOp(first, value), this.#putOp(second, value)];
      return await this.grpc.call('etcdserverpb.KV/Txn', { success }, withDeadline);
    });
  }

  /** If the register does not have the expected value any more, this is a read of the one that it has. */
  async #swap(): Promise<void> {
    const register = this.chance.pick(registers);
    const expected = this.found.get(register) ?? null;
    if (expected === null) return await this.#put();
    const key = this.key(register);
    const calledAt = performance.now();
    await this.#write([register], expected, async (value) => {
      const request = {
        compare: [
          { key, target: 'VALUE' as const, result: 'EQUAL' as const, value: Buffer.from(expected) },
        ],
        success: [this.#putOp(register, value)],
        failure: [{ request_range: { key } }],
      };
      const response = await this.grpc.call('etcdserverpb.KV/Txn', request, withDeadline);
      if (response.succeeded) return response;
      this.onRead(register, readIn(response), calledAt);
      return null;
    });
  }

  #putOp(register: string, value: string): RequestOp {
    return { request_put: { key: this.key(register), value: Buffer.from(value) } };
  }

  /** `send` resolves with null if the response says that nothing was written. If it rejects, that is not known. */
  async #write(
    keys: readonly string[],
    reads: string | undefined,
    send: (
      value: string,
    ) => Promise<{ readonly header: { readonly revision: string } | null } | null>,
  ): Promise<void> {
    this.#writes += 1;
    const write: Write = { keys, value: `${this.name}-${this.#writes}`, acknowledged: null };
    const calledAt = performance.now();
    const expected = reads === undefined ? {} : { reads };
    this.#stopwatch.begin();
    let returnedAt = unknownEnd;
    try {
      const response = await send(write.value);
      this.#stopwatch.succeed();
      if (response === null) return;
      returnedAt = performance.now();
      const revision = Number(response.header?.revision);
      write.acknowledged = { revision, atMs: returnedAt };
      for (const key of keys) this.found.set(key, write.value);
    } catch (error) {
      this.#record(write, { ...expected, calledAt, returnedAt });
      throw error;
    }
    this.#record(write, { ...expected, calledAt, returnedAt });
  }

  #record(
    write: Write,
    operation: { readonly reads?: string; readonly calledAt: number; readonly returnedAt: number },
  ): void {
    this.ledger.writes.push(write);
    for (const key of write.keys) {
      this.ledger.onOperation(key, { ...operation, writes: write.value });
    }
  }
}

function readIn({ responses }: TxnResponse): string | null {
  return responses[0]?.response_range?.kvs[0]?.value.toString() ?? null;
}
