/** What the clients of a cell have done, and what they have seen of it: the material of the checks. */
import { status } from '@grpc/grpc-js';
import { Refused } from '../support/client.ts';
import type { Operation } from './checks/linearizability.ts';

/** What clients wait for. */
export type Waiting = 'puts' | 'gets' | 'watches' | 'keepalives' | 'locks';

/** A value that a client has tried to write. No two writes have the same one. */
export interface Write {
  /** A transaction writes the same value to several keys. */
  readonly keys: readonly string[];
  readonly value: string;
  /** Null as long as there is no successful response. */
  acknowledged: { readonly revision: number; readonly atMs: number } | null;
}

/** A time in which a client may rely on its lock. */
export interface Section {
  readonly holder: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export class Ledger {
  readonly writes: Write[] = [];
  /** By key. */
  readonly registers = new Map<string, Operation[]>();
  readonly sections: Section[] = [];
  /** By kind of call and code. */
  readonly errors = new Map<string, number>();
  readonly #longestMs = new Map<Waiting, number>();

  onError(call: string, error: unknown): void {
    const name = `${call} ${codeOf(error)}`;
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
  }

  onWaited(what: Waiting, ms: number): void {
    this.#longestMs.set(what, Math.max(ms, this.#longestMs.get(what) ?? 0));
  }

  longestMs(what: Waiting): number {
    return this.#longestMs.get(what) ?? 0;
  }

  onOperation(key: string, operation: Operation): void {
    const known = this.registers.get(key);
    if (known === undefined) this.registers.set(key, [operation]);
    else known.push(operation);
  }
}

/** By name. An error of a test stream has its code in its text only. */
function codeOf(error: unknown): string {
  const { message } = error as Error;
  const code = error instanceof Refused ? error.code : /ended with (\d+) /.exec(message)?.[1];
  if (code !== undefined) return status[Number(code)] ?? `${code}`;
  return message.startsWith('no response') ? 'no response' : message;
}
