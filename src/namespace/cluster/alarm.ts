/**
 * Maintenance.Alarm. For tenants, GET: which alarms are raised, because clients take a failure for a sick cluster and NOSPACE concerns
 * every tenant. Which members raised them is the owner's business: the proxy stands in for all of them. Raising and
 * disarming ends in policy/. The request is written anew, so that nothing but a GET can leave from here.
 *
 * For the owner, all of it but what ends a member: etcd 3.4 panics at an action that it does not know, and at raising an
 * alarm of no kind also each time that it starts again, since the request stands in its log by then.
 */
import type { Message, Reply } from '../../call/call.ts';
import { type RefusalName, refusal } from '../../call/refusals.ts';
import { type Ongoing, settled } from '../../grpc/call.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { ToUnary } from '../handler.ts';
import { MappedReply } from '../mapped-reply.ts';

export const alarm: ToUnary =
  (next, { self }) =>
  (call, request, reply) => {
    const reader = new Reader(request);
    let kind = 0n;
    while (reader.next()) if (reader.field === 3) kind = BigInt.asIntN(32, reader.int64());
    if (reader.malformed) return refused(reply, 'malformed');
    const get = new Writer().varint(3, kind).finish();
    const visible = (bytes: Uint8Array) => visibleAlarms(bytes, self.memberId);
    return next.unary(call, get, new MappedReply(reply, visible));
  };

/** Each kind once. */
function visibleAlarms(bytes: Uint8Array, memberId: bigint): Uint8Array {
  const answer = new Writer();
  const kinds = new Set<bigint>();
  const reader = new Reader(bytes);
  while (reader.next()) {
    if (reader.field === 1) answer.raw(reader.raw());
    if (reader.field === 2) kinds.add(kindOf(reader.message()));
  }
  for (const kind of kinds) {
    answer.message(2, new Writer().varint(1, memberId).varint(2, kind).finish());
  }
  return answer.finish();
}

function kindOf(member: Reader): bigint {
  let kind = 0n;
  while (member.next()) if (member.field === 2) kind = member.int64();
  return kind;
}

const activate = 1n;
const actionMax = 2n;
const kindMax = 2n;

/** Every occurrence of a field has to hold, since which of them counts is a matter of the parser. */
export const ownersAlarm: ToUnary = (next) => (call, request, reply) => {
  const reader = new Reader(request);
  let isValid = true;
  let raises = false;
  let isOfNoKind = true;
  let isNamed = false;
  while (reader.next()) {
    if (reader.field !== 1 && reader.field !== 3) continue;
    const value = reader.int64();
    isValid &&= value >= 0n && value <= (reader.field === 1 ? actionMax : kindMax);
    raises ||= reader.field === 1 && value === activate;
    if (reader.field === 3) {
      isOfNoKind = value === 0n || (isNamed && isOfNoKind);
      isNamed = true;
    }
  }
  if (reader.malformed) return refused(reply, 'malformed');
  if (!isValid || (raises && isOfNoKind)) return refused(reply, 'alarm-option');
  return next.unary(call, request as Message<never>, reply as Reply<never>);
};

function refused(reply: Reply<'tenant'>, name: RefusalName): Ongoing {
  reply.end(refusal(name));
  return settled;
}
