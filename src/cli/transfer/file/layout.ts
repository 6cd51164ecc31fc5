/**
 * The layout of an export file, version 1. docs/transfer.md is its specification: other programs may read and write it, so a
 * change needs another version.
 *
 *   file    magic (8 bytes), blocks; the last block is an end block, and nothing follows
 *   block   head (20 bytes), stored bytes
 *   head    kind u8 | compression u8 | 0 u16 | number u32 | raw length u32 | stored length u32 | CRC-32 u32, little-endian
 *
 * The CRC-32 covers the first 16 bytes of the head and the stored bytes.
 */
import { crc32 } from 'node:zlib';

/** Bytes that a transfer as text, or with seven bits, would change. */
export const magic = Buffer.from('\x89EBX\r\n\x1a\n', 'latin1');

export const formatVersion = 1;

export const BlockKind = { HEADER: 1, KEYS: 2, LEASES: 3, END: 4 } as const;

export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind];

/** The index is the number in the head of a block. */
export const compressions = ['none', 'gzip', 'zstd'] as const;

export type Compression = (typeof compressions)[number];

export const headBytes = 20;
const checkedBytes = 16;

/** Longest content of a block. A writer begins another block much earlier, so only a single large key comes close. */
export const rawBytesMax = (64 << 20) + 65_536;
/** Incompressible content is stored as it is. */
const storedBytesMax = rawBytesMax;
/** Longest content of a block with more than one key, and of any other block. Parsed content needs much more memory. */
export const sharedBytesMax = 4 << 20;
/** Most keys in one block. */
export const blockKeysMax = 10_000;

/** The content of the header block, as JSON. */
export interface ExportHeader {
  readonly format: number;
  /** The program that wrote the file, with its version. */
  readonly program: string;
  /** In ISO 8601. */
  readonly created: string;
  /** In base64. Every key in the file begins with it. */
  readonly namespace: string;
  /** Of the cluster, 16 hexadecimal digits. */
  readonly clusterId: string;
  /** Of the cluster, at which all keys were read. */
  readonly revision: number;
}

/** One lease that keys in the file have, in a list in JSON. Its IDs are decimal. */
export interface ExportedLease {
  /** As stored at the cluster, and in the keys of this file. */
  readonly id: string;
  /** As the tenant sees it, if the ID belongs to the namespace. */
  readonly visible: number | null;
  readonly grantedSeconds: number;
  /** When the file was written. -1: the lease had expired since the revision of the file. */
  readonly remainingSeconds: number;
  readonly keys: number;
}

/** The content of the end block, as JSON. */
export interface ExportEnd {
  readonly keys: number;
  readonly leases: number;
  /** Of all bytes before the end block, hexadecimal. */
  readonly sha256: string;
}

export interface BlockHead {
  readonly kind: BlockKind;
  readonly compression: Compression;
  /** From 0 without gaps. */
  readonly number: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly crc: number;
}

/** The head of a block with this content. */
export function encodeHead(head: Omit<BlockHead, 'crc'>, stored: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headBytes);
  bytes[0] = head.kind;
  bytes[1] = compressions.indexOf(head.compression);
  bytes.writeUInt32LE(head.number, 4);
  bytes.writeUInt32LE(head.rawBytes, 8);
  bytes.writeUInt32LE(head.storedBytes, 12);
  bytes.writeUInt32LE(checksum(bytes, stored), 16);
  return bytes;
}

/** Returns the reason if the bytes are not a head of this version. The CRC is not checked yet. */
export function decodeHead(bytes: Buffer): BlockHead | string {
  const kind = Object.values(BlockKind).find((each) => each === bytes[0]);
  if (kind === undefined) return `unknown kind of block ${bytes[0]}`;
  const compression = compressions[bytes[1] ?? -1];
  if (compression === undefined) return `unknown compression ${bytes[1]}`;
  if (bytes.readUInt16LE(2) !== 0) return 'unknown flags of a block';
  const rawBytes = bytes.readUInt32LE(8);
  const storedBytes = bytes.readUInt32LE(12);
  const bytesMax = kind === BlockKind.KEYS ? rawBytesMax : sharedBytesMax;
  if (rawBytes > bytesMax || storedBytes > storedBytesMax) return 'a block is too long';
  if (compression === 'none' && rawBytes !== storedBytes) return 'the lengths of a block differ';
  const number = bytes.readUInt32LE(4);
  return { kind, compression, number, rawBytes, storedBytes, crc: bytes.readUInt32LE(16) };
}

/** The CRC-32 of a head, without the checksum in it, and of the stored bytes. */
export function checksum(head: Uint8Array, stored: Uint8Array): number {
  return crc32(stored, crc32(head.subarray(0, checkedBytes)));
}
