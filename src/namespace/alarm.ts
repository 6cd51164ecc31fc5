/**
 * Maintenance.Alarm, GET: which alarms are raised, because clients take a failure for a sick cluster and NOSPACE concerns
 * every tenant. Which members raised them is the owner's business: the proxy stands in for all of them. Raising and
 * disarming ends in policy/. The request is written anew, so that nothing but a GET can leave from here.
 */
import { refusal } from '../etcd/errors.ts';
import { settled } from '../grpc/call.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import type { ToUnary } from './handler.ts';
import { MappedReply } from './mapped-reply.ts';

export const alarm: ToUnary =
  (next, { self }) =>
  (call, request, reply) => {
    const reader = new Reader(request);
    let kind = 0n;
    while (reader.next()) if (reader.field === 3) kind = BigInt.asIntN(32, reader.int64());
    if (reader.malformed) {
      reply.end(refusal('malformed'));
      return settled;
    }
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
