/**
 * MemberList, which names the proxy and no other member. Clients that sync their endpoints take them from it, so the real
 * members would lead them around the proxy. The call still goes to the cluster: for its header, and so that etcd can reject
 * it.
 */
import type { Call } from '../../call/call.ts';
import { Reader } from '../../protobuf/reader.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { ToUnary } from '../handler.ts';
import { MappedResponses } from '../mapped-responses.ts';
import { asStored } from '../unary.ts';
import { proxyHeader } from './proxy-header.ts';
import type { ProxyMember } from './proxy-member.ts';

export const memberList: ToUnary =
  (next, { self }) =>
  (call, request, responses) => {
    const member = encodedMember(self, call);
    const visible = (message: Uint8Array) => onlyMember(message, member, self.memberId);
    return next.unary(call, asStored(request), new MappedResponses(responses, visible));
  };

function encodedMember(self: ProxyMember, call: Call): Uint8Array {
  const writer = new Writer().varint(1, self.memberId).string(2, self.name);
  for (const url of self.clientUrls(call)) writer.string(4, url);
  return writer.finish();
}

function onlyMember(message: Uint8Array, member: Uint8Array, memberId: bigint): OwnedBytes {
  const visible = new Writer();
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field === 1) visible.message(1, proxyHeader(reader.bytes(), memberId));
  }
  return visible.message(2, member).finish();
}
