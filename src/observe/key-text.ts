/** How log lines show a key: `--log-keys`. */
import { createHash } from 'node:crypto';
import type { KeyForm } from '../config/settings/operation.ts';
import { printable } from '../etcd/printable.ts';

/** The text of a key in a log line. Null: log lines contain no keys. */
export type KeyText = ((key: Uint8Array) => string) | null;

const shownBytes = 16;
/** 64 bits: two keys of one log hardly ever have the same. */
const hashDigits = 16;

export function keyText(form: KeyForm): KeyText {
  switch (form) {
    case 'off':
      return null;
    case 'hash':
      return hashed;
    case 'truncated':
      return (key) => printable(key, shownBytes);
    case 'on':
      return (key) => printable(key);
    default:
      return form satisfies never;
  }
}

/** The beginning of the SHA-256 of the key, so that an operator can compute that of a known key. */
function hashed(key: Uint8Array): string {
  return `sha256:${createHash('sha256').update(key).digest('hex').slice(0, hashDigits)}`;
}
