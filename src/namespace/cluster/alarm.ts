/**
 * Maintenance.Alarm. Tenants may GET which alarms are raised, because NOSPACE concerns every tenant and clients take a failed
 * request for a sick cluster. The members that raised them are replaced by the proxy. Raising and disarming is rejected in
 * admission/. The request is rebuilt, so that only a GET can leave from here.
 *
 * The owner of the cluster may use all of it except what ends a member. etcd 3.4 panics on an unknown action. It also panics
 * on raising an alarm of no kind, again at every start, since the request is in its log by then.
 */
import { builtMessage } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { ToUnary } from '../handler.ts';
import { MappedResponses } from '../mapped-responses.ts';
import { asStored, asStoredSink, rejected } from '../unary.ts';
import { proxyHeader } from './proxy-header.ts';

export const alarm: ToUnary =
  (next, { self }) =>
  (call, request, responses) => {
    const reader = new Reader(request);
    let kind = 0n;
    while (reader.next()) if (reader.field === 3) kind = BigInt.asIntN(32, reader.int64());
    if (reader.malformed) return rejected(responses, refusal('malformed'));
    const get = new Writer().varint(3, kind).finish();
    const visible = (message: Uint8Array) => visibleAlarms(message, self.memberId);
    return next.unary(call, builtMessage(get), new MappedResponses(responses, visible));
  };

/** Each kind once. */
function visibleAlarms(message: Uint8Array, memberId: bigint): OwnedBytes {
  const visible = new Writer();
  const kinds = new Set<bigint>();
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field === 1) visible.message(1, proxyHeader(reader.bytes(), memberId));
    if (reader.field === 2) kinds.add(kindOf(reader.message()));
  }
  for (const kind of kinds) {
    visible.message(2, new Writer().varint(1, memberId).varint(2, kind).finish());
  }
  return visible.finish();
}

function kindOf(member: Reader): bigint {
  let kind = 0n;
  while (member.next()) if (member.field === 2) kind = member.int64();
  return kind;
}

const activate = 1n;
const actionMax = 2n;
const kindMax = 2n;

/** Checks every occurrence of a field, because parsers differ in which of them counts. */
export const ownersAlarm: ToUnary = (next) => (call, request, responses) => {
  const reader = new Reader(request);
  let isValid = true;
  let raises = false;
  let hasNoKind = true;
  let isNamed = false;
  while (reader.next()) {
    if (reader.field !== 1 && reader.field !== 3) continue;
    const value = reader.int64();
    isValid &&= value >= 0n && value <= (reader.field === 1 ? actionMax : kindMax);
    raises ||= reader.field === 1 && value === activate;
    if (reader.field === 3) {
      hasNoKind = value === 0n || (isNamed && hasNoKind);
      isNamed = true;
    }
  }
  if (reader.malformed) return rejected(responses, refusal('malformed'));
  if (!isValid || (raises && hasNoKind)) return rejected(responses, refusal('alarm-option'));
  return next.unary(call, asStored(request), asStoredSink(responses));
};
