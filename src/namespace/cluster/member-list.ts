/**
 * MemberList, which names the proxy and nobody else. Clients that sync their endpoints take them from it, so the real
 * members would lead them around the proxy. The call still goes to the cluster: for its header, and for its refusal
 * where etcd wants to know who asks.
 */
import type { Call, Message } from '../../call/call.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { ToUnary } from '../handler.ts';
import { MappedReply } from '../mapped-reply.ts';

/** The proxy as a member of the cluster. */
export interface Self {
  /** Not empty: to clients, a member without a name has not started yet, and is left out. */
  readonly name: string;
  /** A uint64, not zero, and the same for as long as a client may compare it. */
  readonly memberId: bigint;
  /** Where the client of this call reaches us, for example `http://127.0.0.1:2379`. */
  clientUrls(call: Call): readonly string[];
}

export const memberList: ToUnary =
  (next, { self }) =>
  (call, request, reply) => {
    const encoded = member(self, call);
    const visible = (bytes: Uint8Array) => onlyMember(bytes, encoded);
    return next.unary(call, request as Message<never>, new MappedReply(reply, visible));
  };

function member(self: Self, call: Call): Uint8Array {
  const writer = new Writer().varint(1, self.memberId).string(2, self.name);
  for (const url of self.clientUrls(call)) writer.string(4, url);
  return writer.finish();
}

function onlyMember(bytes: Uint8Array, encoded: Uint8Array): Uint8Array {
  const answer = new Writer();
  const reader = new Reader(bytes);
  while (reader.next()) if (reader.field === 1) answer.raw(reader.raw());
  return answer.message(2, encoded).finish();
}
