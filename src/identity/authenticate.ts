/**
 * The layer that handles Authenticate and AuthStatus as etcd does. On a listener that identifies by user, Authenticate
 * returns a session token for a password of the users file. On a listener that passes credentials, etcd handles both
 * methods. On all others authentication is disabled. The layer identifies no calls; identify.ts does.
 */

import {
  builtMessage,
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type OwnedMessage,
  type Responses,
} from '../call/call.ts';
import { ForwardingCall, ForwardingEtcd } from '../call/forwarding.ts';
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
import type { VerifiedPasswords } from './verified-passwords.ts';

const authenticateMethod = method('etcdserverpb.Auth/Authenticate');
const statusMethod = method('etcdserverpb.Auth/AuthStatus');

export interface AuthenticateOptions {
  readonly directory: CurrentDirectory;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly verified: VerifiedPasswords;
  readonly gate: HashingGate;
  /** The content of a current ResponseHeader. */
  readonly header: () => Uint8Array;
  /**
   * Called with the outcome of every Authenticate call. `reason` is null if a token was issued. `user` is null if the name in the
   * request is not that of a user: it may be a password in the wrong place.
   */
  readonly onOutcome:
    | ((call: Call, reason: RefusalName | null, user: string | null) => void)
    | null;
}

export function authenticate(options: AuthenticateOptions): Layer<'client'> {
  return (next) => new Authenticate(options, next);
}

class Authenticate extends ForwardingEtcd<'client'> {
  readonly #options: AuthenticateOptions;

  constructor(options: AuthenticateOptions, next: Etcd<'client'>) {
    super(next);
    this.#options = options;
  }

  override unary(
    call: Call,
    request: Message<'client'>,
    responses: Responses<'client'>,
  ): CallHandle {
    if (call.method !== authenticateMethod && call.method !== statusMethod) {
      return super.unary(call, request, responses);
    }
    const listener = this.#options.directory.current.listener(call.peer.listener);
    if (listener === null || listener.passesCredentials) {
      return super.unary(call, request, responses);
    }
    if (call.method === statusMethod) {
      if (isMessage(request)) {
        responses.deliver(this.#status(listener.byUser));
        responses.end(ok);
      } else responses.end(refusal('malformed'));
      return endedCall;
    }
    const authentication = new Authentication(this.#options, call, responses);
    authentication.start(request, listener.byUser);
    return authentication;
  }

  /**
   * AuthStatusResponse: header, enabled, authRevision. etcd's revision starts at 1 and counts the changes of users and roles. The
   * proxy's is that of an etcd to which the users were added once, so that all proxies with the same users report the same.
   */
  #status(isEnabled: boolean): OwnedMessage<'client'> {
    const { directory, header } = this.#options;
    const revision = isEnabled ? 1 + directory.current.users.size : 1;
    const written = new Writer().message(1, header()).bool(2, isEnabled).varint(3, revision);
    return builtMessage(written.finish());
  }
}

/** One Authenticate call. It ends with a token or a refusal. */
class Authentication extends ForwardingCall<'client'> {
  readonly #options: AuthenticateOptions;
  readonly #call: Call;
  #user: string | null = null;

  constructor(options: AuthenticateOptions, call: Call, above: Responses<'client'>) {
    super(above);
    this.#options = options;
    this.#call = call;
  }

  start(request: Message<'client'>, isEnabled: boolean): void {
    const credentials = readRequest(request);
    if (credentials === null) {
      this.#reject('malformed');
      return;
    }
    if (!isEnabled) {
      this.#reject('authentication-off');
      return;
    }
    const { name, password } = credentials;
    const { users } = this.#options.directory.current;
    const hash = users.get(name);
    if (hash !== undefined) this.#user = name;
    // A name that does not exist takes as long as one that does. Otherwise the time would reveal which users exist.
    const [anyHash] = users.values();
    const comparedHash = hash ?? anyHash;
    if (comparedHash === undefined) {
      this.#reject('authentication-failed');
      return;
    }
    const { gate, passwords, verified } = this.#options;
    // Computed for a name that does not exist, too.
    const isVerified = verified.has(password, comparedHash);
    if (isVerified && hash !== undefined) {
      this.#accept(name, hash);
      return;
    }
    // A call that its client has cancelled while it waited costs nothing.
    const compare = async () => !this.isEnded && passwords.matches(password, comparedHash);
    void gate.run(this.#call.peer, compare).then(
      (matches) =>
        this.#resume(() => {
          if (matches === null) this.#reject('authentication-limit');
          else this.#onCompared(credentials, matches ? hash : undefined);
        }),
      (error: unknown) => this.#resume(() => this.#call.fault(error)),
    );
  }

  /** `hash` is the one that the password matches, undefined if it matches none. */
  #onCompared({ name, password }: Credentials, hash: PasswordHash | undefined): void {
    const { users } = this.#options.directory.current;
    // A reload may have changed the password during the comparison.
    if (hash === undefined || users.get(name)?.text !== hash.text) {
      this.#reject('authentication-failed');
      return;
    }
    this.#options.verified.add(password, hash);
    this.#accept(name, hash);
  }

  #accept(user: string, hash: PasswordHash): void {
    const token = this.#options.sessions.create(user, hash);
    if (token === null) {
      this.#reject('authentication-limit');
      return;
    }
    this.#options.onOutcome?.(this.#call, null, user);
    const written = new Writer().message(1, this.#options.header()).string(2, token);
    this.deliver(builtMessage(written.finish()));
    this.end(ok);
  }

  #reject(reason: RefusalName): void {
    this.#options.onOutcome?.(this.#call, reason, this.#user);
    this.end(refusal(reason));
  }

  /** Continues in a promise's turn, unless the client has cancelled the call. */
  #resume(step: () => void): void {
    if (this.isEnded) return;
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

/** AuthenticateRequest. */
interface Credentials {
  readonly name: string;
  readonly password: Uint8Array;
}

/** Returns null if the bytes are not a protobuf message. */
function readRequest(request: Uint8Array): Credentials | null {
  const reader = new Reader(request);
  let name = '';
  let password: Uint8Array = new Uint8Array(0);
  while (reader.next()) {
    if (reader.field === 1) name = Buffer.from(reader.bytes()).toString('utf8');
    else if (reader.field === 2) password = reader.bytes();
  }
  return reader.malformed ? null : { name, password };
}
