/**
 * The endpoints of the cluster's members, for --endpoints-auto-sync-interval. The member list may name addresses that this process
 * cannot reach, so an address counts only after it has served etcd, of the same cluster. A member that is down keeps the endpoint that
 * has served it. Learners, members that have not started and members without client URLs are left out.
 */
import type { Etcd } from '../call/call.ts';
import { ownUnary } from '../call/own-call.ts';
import { parseEndpoint } from '../config/address.ts';
import { method } from '../etcd/methods.ts';
import { clusterIdOf } from '../etcd/response-header.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import { Code, type Status } from '../grpc/status.ts';
import type { Channel, ClientTls, ClientTransport } from '../grpc/transport.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import type { Clock } from '../runtime/clock.ts';

export interface MemberEndpointsParts {
  readonly upstream: Etcd<'store'> & {
    /** The endpoints that serve calls, by the ID of their member. */
    readonly namesByMember: ReadonlyMap<bigint, string>;
    /** The endpoints that have served calls, by the ID of their member. */
    readonly knownNamesByMember: ReadonlyMap<bigint, string>;
    readonly clusterId: bigint;
  };
  readonly transport: ClientTransport;
  readonly clock: Clock;
  /** For https:// addresses. */
  readonly tls: () => ClientTls;
  /** Whether http:// addresses are refused, because all endpoints use TLS: tokens and passwords must not leave in plain text. */
  readonly requiresTls: () => boolean;
}

const timeoutMs = 2_000;
/** More members, or addresses of one, than a cluster has are ignored. */
const membersMax = 64;
const urlsMax = 8;

const memberList = method('etcdserverpb.Cluster/MemberList');
const { path: statusPath } = method('etcdserverpb.Maintenance/Status');
const empty: Uint8Array = new Uint8Array(0);

interface Member {
  readonly id: bigint;
  readonly urls: readonly string[];
}

/**
 * Resolves with endpoints as in --endpoints, sorted: an endpoint in use keeps its name. Null if the cluster does not respond or no
 * member can be reached. Never rejects.
 */
export async function memberEndpoints(
  parts: MemberEndpointsParts,
): Promise<readonly string[] | null> {
  const members = await listMembers(parts);
  if (members === null) return null;
  const { namesByMember, knownNamesByMember } = parts.upstream;
  const found = await Promise.all(
    members.map(
      async ({ id, urls }) =>
        namesByMember.get(id) ??
        (await firstServing(parts, urls)) ??
        knownNamesByMember.get(id) ??
        null,
    ),
  );
  const endpoints = found.filter((each) => each !== null);
  return endpoints.length === 0 ? null : [...new Set(endpoints)].toSorted();
}

async function listMembers({
  upstream,
  clock,
}: MemberEndpointsParts): Promise<readonly Member[] | null> {
  const deadlineMs = clock.nowMs() + timeoutMs;
  const request = new Writer().finish();
  const { status, message } = await ownUnary(upstream, memberList, request, deadlineMs);
  return status.code === Code.OK && message !== null ? readMembers(message) : null;
}

/** Voting members that have started. Null if the bytes are malformed. */
function readMembers(message: Uint8Array): readonly Member[] | null {
  const members: Member[] = [];
  const reader = new Reader(message);
  while (reader.next()) {
    if (reader.field !== 2) continue;
    const member = reader.message();
    let id = 0n;
    let name = '';
    let isLearner = false;
    const urls: string[] = [];
    while (member.next()) {
      if (member.field === 1) id = BigInt.asUintN(64, member.int64());
      else if (member.field === 2) name = textOf(member);
      else if (member.field === 4) urls.push(textOf(member));
      else if (member.field === 5) isLearner = member.bool();
    }
    if (name !== '' && !isLearner && urls.length > 0 && members.length < membersMax) {
      members.push({ id, urls: urls.slice(0, urlsMax) });
    }
  }
  return reader.malformed ? null : members;
}

function textOf(reader: Reader): string {
  return Buffer.from(reader.bytes()).toString('utf8');
}

async function firstServing(
  parts: MemberEndpointsParts,
  urls: readonly string[],
): Promise<string | null> {
  const serving = await Promise.all(urls.map((url) => serves(parts, url)));
  return urls.find((_, i) => serving[i]) ?? null;
}

/** Dials the address and asks for its status. */
function serves(parts: MemberEndpointsParts, url: string): Promise<boolean> {
  const { transport, clock, upstream, tls, requiresTls } = parts;
  const parsed = parseEndpoint(url);
  if (parsed === undefined) return Promise.resolve(false);
  if (parsed.secure !== true && requiresTls()) return Promise.resolve(false);
  return new Promise((resolve) => {
    const channel: Channel = transport.dial({
      address: parsed.address,
      tls: parsed.secure === true ? tls() : null,
      keepaliveMs: 10_000,
      keepaliveTimeoutMs: timeoutMs,
    });
    const end = (isServing: boolean): void => {
      cancelTimer();
      channel.onState = null;
      channel.close();
      resolve(isServing);
    };
    const cancelTimer = clock.after(timeoutMs, () => end(false));
    const onState = (): void => {
      if (channel.state === 'failed') end(false);
      if (!channel.hasRoom) return;
      channel.onState = null;
      const response = new CollectedResponse((status, message) =>
        end(isSameCluster(status, message, upstream.clusterId)),
      );
      channel.unary({ path: statusPath, metadata: [], timeoutMs }, empty, response);
    };
    channel.onState = onState;
    onState();
  });
}

/** With authentication, etcd rejects the request with an error of its own. The first probe of the endpoint finds its cluster. */
function isSameCluster(status: Status, message: Uint8Array | null, clusterId: bigint): boolean {
  if (status.code !== Code.OK || message === null) {
    return status.origin === 'peer' && status.text.startsWith('etcdserver: ');
  }
  const reader = new Reader(message);
  let header = empty;
  while (reader.next()) if (reader.field === 1) header = reader.bytes();
  return !reader.malformed && clusterIdOf(header) === clusterId;
}
