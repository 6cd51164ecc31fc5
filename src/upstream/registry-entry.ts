/**
 * An entry of etcd's naming convention (client/v3/naming/endpoints): a proxy at `prefix/ADDRESS`, whose value is JSON with the address
 * and, as text of another JSON, the name of its host. Entries are written by other programs, so they are checked and bounded.
 */
import { createHash } from 'node:crypto';
import { parseEndpoint } from '../config/address.ts';

export interface RegisteredProxy {
  readonly name: string;
  /** As in a member's client URLs. */
  readonly address: string;
}

const valueBytesMax = 4_096;
/** Host names have at most 253 bytes. */
const printableName = /^[\x21-\x7e]{1,253}$/;

export function encodeEntry({ name, address }: RegisteredProxy): string {
  return JSON.stringify({ Op: 0, Addr: address, Metadata: JSON.stringify({ name }) });
}

/** Returns null for a value that is not a valid entry. */
export function decodeEntry(value: Uint8Array): RegisteredProxy | null {
  if (value.length > valueBytesMax) return null;
  try {
    const { Addr, Metadata } = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>;
    const { name } = JSON.parse(String(Metadata)) as Record<string, unknown>;
    if (typeof Addr !== 'string' || typeof name !== 'string') return null;
    return parseEndpoint(Addr) && printableName.test(name) ? { name, address: Addr } : null;
  } catch {
    return null;
  }
}

/** The same for as long as the proxy has the same address. Not zero. */
export function memberIdFor(address: string): bigint {
  return createHash('sha256').update(address).digest().readBigUInt64BE(0) | 1n;
}
