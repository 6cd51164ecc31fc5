/**
 * The layer that is etcd's authentication to those who identify by user: it answers Authenticate with a token for whoever
 * knows a password of the users' file, and AuthStatus. It says what an etcd without authentication says on every other
 * listener, and nothing at all where clients' credentials are etcd's to judge. It identifies nobody: identify.ts does.
 */

import {
  builtMessage,
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type Requests,
  type Responses,
} from '../call/call.ts';
import { type RefusalName, refusal } from '../call/refusals.ts';
import type { PasswordHash } from '../config/sections/users.ts';
import { method } from '../etcd/methods.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import { ok } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { CurrentDirectory } from '../tenant/directory.ts';
import type { HashingGate } from './hashing-gate.ts';
import type { Passwords } from './password.ts';
import type { Sessions } from './sessions.ts';

const authenticateMethod = method('etcdserverpb.Auth/Authenticate');
const statusMethod = method('etcdserverpb.Auth/AuthStatus');

export interface AuthenticateOptions {
  readonly directory: CurrentDirectory;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly gate: HashingGate;
  /** Hears of every answer to Authenticate; null: a token was handed out. */
  readonly onAnswer: ((call: Call, why: RefusalName | null) => void) | null;
}

export function authenticate(options: AuthenticateOptions): Layer<'client'> {
  return (next) => new Authenticate(options, next);
}

class Authenticate implements Etcd<'client'> {
  readonly #options: AuthenticateOptions;
  readonly #next: Etcd<'client'>;

  constructor(options: AuthenticateOptions, next: Etcd<'client'>) {
    this.#options = options;
    this.#next = next;
  }

  unary(call: Call, request: Message<'client'>, reply: Responses<'client'>): CallHandle {
    if (call.method !== authenticateMethod && call.method !== statusMethod) {
      return this.#next.unary(call, request, reply);
    }
    const listener = this.#options.directory.current.listener(call.peer.listener);
    if (listener === null || listener.passesCredentials) {
      return this.#next.unary(call, request, reply);
    }
    if (call.method === statusMethod) {
      if (isMessage(request)) {
        reply.deliverShared(noHead, listener.byUser ? isEnabled : isDisabled);
        reply.end(ok);
      } else reply.end(refusal('malformed'));
      return endedCall;
    }
    const attempt = new LogIn(this.#options, call, reply);
    attempt.begin(request, listener.byUser);
    return attempt;
  }

  stream(call: Call, reply: Responses<'client'>): Requests<'client'> {
    return this.#next.stream(call, reply);
  }
}

const noHead = new Uint8Array(0);
const emptyHeader = new Uint8Array(0);
/** AuthStatusResponse: header, enabled, authRevision. etcd's own begins at 1. */
const isEnabled: Message<'client'> = builtMessage(
  new Writer().message(1, emptyHeader).bool(2, true).varint(3, 1).finish(),
);
const isDisabled: Message<'client'> = builtMessage(
  new Writer().message(1, emptyHeader).varint(3, 1).finish(),
);

/** One Authenticate, from its request to a token or a refusal. */
class LogIn implements CallHandle {
  readonly #options: AuthenticateOptions;
  readonly #call: Call;
  readonly #reply: Responses<'client'>;
  #isCancelled = false;

  constructor(options: AuthenticateOptions, call: Call, reply: Responses<'client'>) {
    this.#options = options;
    this.#call = call;
    this.#reply = reply;
  }

  begin(request: Message<'client'>, isEnabledHere: boolean): void {
    const asked = readRequest(request);
    if (asked === null) {
      this.refuse('malformed');
      return;
    }
    if (!isEnabledHere) {
      this.refuse('authentication-off');
      return;
    }
    const { users } = this.#options.directory.current;
    const hash = users.get(asked.name);
    // An unknown user takes as long as a known one, or the time would tell who there is.
    const [anyHash] = users.values();
    const compared = hash ?? anyHash;
    if (compared === undefined) {
      this.refuse('authentication-failed');
      return;
    }
    const { gate, passwords } = this.#options;
    const right = gate.enter(this.#call.peer, () => passwords.isRight(asked.password, compared));
    if (right === null) {
      this.refuse('authentication-limit');
      return;
    }
    void right.then(
      (isRight) => this.#answer(() => this.#onCompared(asked.name, isRight ? hash : undefined)),
      (error: unknown) => this.#answer(() => this.#call.fault(error)),
    );
  }

  refuse(name: RefusalName): void {
    this.#options.onAnswer?.(this.#call, name);
    this.#reply.end(refusal(name));
  }

  cancel(): void {
    this.#isCancelled = true;
  }

  // One small answer: there is nothing to hold back.
  pauseResponses(): void {}

  resumeResponses(): void {}

  /** `hash` is the one that the password is right for, if it is. */
  #onCompared(user: string, hash: PasswordHash | undefined): void {
    const { users } = this.#options.directory.current;
    // A reload may have changed the password meanwhile.
    if (hash === undefined || users.get(user) !== hash) {
      this.refuse('authentication-failed');
      return;
    }
    const token = this.#options.sessions.begin(user, hash);
    if (token === null) {
      this.refuse('authentication-limit');
      return;
    }
    this.#options.onAnswer?.(this.#call, null);
    const response = new Writer().message(1, emptyHeader).string(2, token).finish();
    this.#reply.deliver(builtMessage(response));
    this.#reply.end(ok);
  }

  /** In a promise's turn, where nobody else catches. */
  #answer(step: () => void): void {
    if (this.#isCancelled) return;
    try {
      step();
    } catch (error) {
      this.#call.fault(error);
    }
  }
}

function isMessage(request: Uint8Array): boolean {
  const reader = new Reader(request);
  while (reader.next());
  return !reader.malformed;
}

/** AuthenticateRequest: name, password. Null when it is none. */
function readRequest(
  request: Uint8Array,
): { readonly name: string; readonly password: Uint8Array } | null {
  const reader = new Reader(request);
  let name = '';
  let password: Uint8Array = new Uint8Array(0);
  while (reader.next()) {
    if (reader.field === 1) name = Buffer.from(reader.bytes()).toString('utf8');
    else if (reader.field === 2) password = reader.bytes();
  }
  return reader.malformed ? null : { name, password };
}
