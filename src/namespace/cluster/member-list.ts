/**
 * MemberList, which names the proxy, or the registered proxies, and no member of etcd. Clients that sync their endpoints take them from it, so the real
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
import type { ProxyMember, RegisteredMember } from './proxy-member.ts';

export const memberList: ToUnary =
  (next, { self }) =>
  (call, request, responses) => {
    const members = membersFor(self, call);
    const visible = (message: Uint8Array) => onlyMembers(message, members, self.memberId);
    return next.unary(call, asStored(request), new MappedResponses(responses, visible));
  };

/** As in etcd's own proxy: the registered proxies, or this one. */
function membersFor(self: ProxyMember, call: Call): readonly Uint8Array[] {
  const registered = self.registered();
  if (registered.length > 0) return registered.map(encodedMember);
  return [encodedMember({ ...self, clientUrls: self.clientUrls(call) })];
}

function encodedMember({ memberId, name, clientUrls }: RegisteredMember): Uint8Array {
  const writer = new Writer().varint(1, memberId).string(2, name);
  for (const url of clientUrls) writer.string(4, url);
  return writer.finish();
}

function onlyMembers(
  message: Uint8Array,
  members: readonly Uint8Array[],
  memberId: bigint,
): OwnedBytes {
  const visible = new Writer();
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field === 1) visible.message(1, proxyHeader(reader.bytes(), memberId));
  }
  for (const member of members) visible.message(2, member);
  return visible.finish();
}
