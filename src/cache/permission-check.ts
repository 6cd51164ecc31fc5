/**
 * Whether etcd still permits the proxy to read a cached range. etcd checks each read, and does not check a watch again that is
 * open: without this, reads from memory would continue after a permission was revoked or authentication was enabled. A range that
 * no client reads is not checked.
 */
import { builtMessage, type Call, type Etcd } from '../call/call.ts';
import type { KeyRange } from '../etcd/key-range.ts';
import { method } from '../etcd/methods.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import { Code } from '../grpc/status.ts';
import { Writer } from '../protobuf/writer.ts';
import { readableKey } from './load.ts';

const range = method('etcdserverpb.KV/Range');
/** Of etcd's errors for a user without the permission, an invalid token, and a call without a user. */
const denials: ReadonlySet<number> = new Set([
  Code.PERMISSION_DENIED,
  Code.UNAUTHENTICATED,
  Code.INVALID_ARGUMENT,
]);

export interface PermissionCheckParts {
  readonly next: Etcd<'tenant'>;
  readonly newCall: (readMethod: typeof range) => Call;
  readonly range: KeyRange;
  /** The time between checks. */
  readonly intervalMs: number;
  /** etcd has refused the read. */
  readonly onDenied: () => void;
}

export class PermissionCheck {
  readonly #parts: PermissionCheckParts;
  #checkedMs: number;
  #isChecking = false;

  /** At `nowMs` the range was read. */
  constructor(parts: PermissionCheckParts, nowMs: number) {
    this.#parts = parts;
    this.#checkedMs = nowMs;
  }

  /** A client reads the range. Asks etcd if the last check was too long ago. */
  onUse(nowMs: number): void {
    if (this.#isChecking || nowMs - this.#checkedMs < this.#parts.intervalMs) return;
    const { next, newCall, range: checked, onDenied } = this.#parts;
    this.#isChecking = true;
    this.#checkedMs = nowMs;
    const request = new Writer()
      .bytes(1, readableKey(checked))
      .bytes(2, checked.end)
      .bool(7, true)
      .bool(9, true)
      .finish();
    const response = new CollectedResponse(({ code }) => {
      this.#isChecking = false;
      if (denials.has(code)) onDenied();
    });
    next.unary(newCall(range), builtMessage(request), response);
  }
}
