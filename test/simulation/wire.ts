/** The messages of the simulation, encoded and decoded independently of src/watch. */
import { Reader } from '../../src/protobuf/reader.ts';
import { Writer } from '../../src/protobuf/writer.ts';

export interface CreateSpec {
  readonly key: string;
  readonly end: string;
  readonly startRevision: number;
  readonly watchId: number;
  readonly prevKv: boolean;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
}

export const plainCreate: CreateSpec = {
  key: '',
  end: '',
  startRevision: 0,
  watchId: 0,
  prevKv: false,
  fragment: false,
  progressNotify: false,
  noPut: false,
  noDelete: false,
};

export type WatchRequest =
  | { readonly kind: 'create'; readonly create: CreateSpec }
  | { readonly kind: 'cancel'; readonly watchId: number }
  | { readonly kind: 'progress' };

export function encodeRequest(request: WatchRequest): Uint8Array {
  const writer = new Writer();
  if (request.kind === 'progress') return writer.message(3, new Uint8Array(0)).finish();
  if (request.kind === 'cancel') {
    return writer.message(2, new Writer().varint(1, request.watchId).finish()).finish();
  }
  const { create } = request;
  const body = new Writer()
    .string(1, create.key)
    .string(2, create.end)
    .varint(3, create.startRevision)
    .bool(4, create.progressNotify);
  if (create.noPut || create.noDelete) {
    const filters = [create.noPut ? [0] : [], create.noDelete ? [1] : []].flat();
    body.bytes(5, Uint8Array.from(filters));
  }
  body.bool(6, create.prevKv).varint(7, create.watchId).bool(8, create.fragment);
  return writer.message(1, body.finish()).finish();
}

export function decodeRequest(message: Uint8Array): WatchRequest {
  const reader = new Reader(message);
  if (!reader.next()) throw new Error('an empty watch request');
  if (reader.field === 3) return { kind: 'progress' };
  const body = reader.message();
  if (reader.field === 2) {
    return { kind: 'cancel', watchId: body.next() ? body.number() : 0 };
  }
  return { kind: 'create', create: decodeCreate(body) };
}

function decodeCreate(reader: Reader): CreateSpec {
  let key = '';
  let end = '';
  let startRevision = 0;
  let watchId = 0;
  let prevKv = false;
  let fragment = false;
  let progressNotify = false;
  while (reader.next()) {
    if (reader.field === 1) key = text(reader.bytes());
    else if (reader.field === 2) end = text(reader.bytes());
    else if (reader.field === 3) startRevision = reader.number();
    else if (reader.field === 4) progressNotify = reader.bool();
    else if (reader.field === 5) throw new Error('a feed must not have filters');
    else if (reader.field === 6) prevKv = reader.bool();
    else if (reader.field === 7) watchId = reader.number();
    else if (reader.field === 8) fragment = reader.bool();
  }
  const noFilter = { noPut: false, noDelete: false };
  return { key, end, startRevision, watchId, prevKv, fragment, progressNotify, ...noFilter };
}

/** The `header` field of a response, with its tag. */
export function headerField(memberId: number, revision: number): Uint8Array {
  return new Writer()
    .message(
      1,
      new Writer().varint(1, 7).varint(2, memberId).varint(3, revision).varint(4, 3).finish(),
    )
    .finish();
}

export interface WatchResponseFields {
  readonly header: Uint8Array;
  readonly watchId: number;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compactRevision?: number;
  readonly reason?: string;
  readonly fragment?: boolean;
  readonly events?: readonly Uint8Array[];
}

export function encodeResponse(fields: WatchResponseFields): Uint8Array {
  const writer = new Writer()
    .raw(fields.header)
    .varint(2, fields.watchId)
    .bool(3, fields.created ?? false)
    .bool(4, fields.canceled ?? false)
    .varint(5, fields.compactRevision ?? 0)
    .string(6, fields.reason ?? '')
    .bool(7, fields.fragment ?? false);
  for (const event of fields.events ?? []) writer.raw(event);
  return writer.finish();
}

export interface DecodedKeyValue {
  readonly key: string;
  readonly revision: number;
  readonly value: string;
}

export interface DecodedEvent extends DecodedKeyValue {
  readonly isDelete: boolean;
  readonly previous: DecodedKeyValue | null;
}

export interface DecodedResponse {
  readonly headerRevision: number;
  readonly watchId: number;
  readonly isCreated: boolean;
  readonly isCanceled: boolean;
  readonly isFragment: boolean;
  readonly compactRevision: number;
  readonly reason: string;
  readonly events: readonly DecodedEvent[];
}

export function decodeResponse(message: Uint8Array): DecodedResponse {
  const reader = new Reader(message);
  let headerRevision = 0;
  let watchId = 0;
  let isCreated = false;
  let isCanceled = false;
  let isFragment = false;
  let compactRevision = 0;
  let reason = '';
  const events: DecodedEvent[] = [];
  while (reader.next()) {
    if (reader.field === 1) {
      const header = reader.message();
      while (header.next()) if (header.field === 3) headerRevision = header.number();
    } else if (reader.field === 2) watchId = reader.number();
    else if (reader.field === 3) isCreated = reader.bool();
    else if (reader.field === 4) isCanceled = reader.bool();
    else if (reader.field === 5) compactRevision = reader.number();
    else if (reader.field === 6) reason = text(reader.bytes());
    else if (reader.field === 7) isFragment = reader.bool();
    else if (reader.field === 11) events.push(decodeEvent(reader.message()));
  }
  if (reader.malformed) throw new Error('a malformed watch response');
  return {
    headerRevision,
    watchId,
    isCreated,
    isCanceled,
    isFragment,
    compactRevision,
    reason,
    events,
  };
}

function decodeEvent(reader: Reader): DecodedEvent {
  let isDelete = false;
  let current: DecodedKeyValue = { key: '', revision: 0, value: '' };
  let previous: DecodedKeyValue | null = null;
  while (reader.next()) {
    if (reader.field === 1) isDelete = reader.number() === 1;
    else if (reader.field === 2) current = decodeKeyValue(reader.message());
    else if (reader.field === 3) previous = decodeKeyValue(reader.message());
  }
  return { ...current, isDelete, previous };
}

function decodeKeyValue(reader: Reader): DecodedKeyValue {
  let key = '';
  let revision = 0;
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = text(reader.bytes());
    else if (reader.field === 3) revision = reader.number();
    else if (reader.field === 5) value = text(reader.bytes());
  }
  return { key, revision, value };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
