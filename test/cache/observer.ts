/**
 * Reads through the proxy on one connection, and the same reads directly at etcd. Each response is compared with what etcd has at
 * the revision of its header, and its revision with what had been seen before the read was sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type GrpcClient, Refused } from '../support/client.ts';
import { encodeRequest } from '../support/codec.ts';
import type { RangeRequest } from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';
import { names } from '../watches/watch-spec.ts';
import { describeRange, randomRange } from './random-range.ts';
import { decodeRange, type PresentRange, type TenantView } from './tenant-view.ts';

const method = 'etcdserverpb.KV/Range';
const path = `/${method}`;
/** Reads fail for a short time only, also while a member hangs. */
const timeoutMs = 10_000;
const directWithinMs = 30_000;
const retryMs = 10;
const failedPauseMs = 50;
const putShare = 0.03;
/** etcd's code for a revision that the member does not have yet. */
const outOfRange = 11;

/** What all observers of a run have in common. */
export interface Common {
  readonly direct: GrpcClient;
  readonly chance: Seeded;
  readonly problems: string[];
  readonly clusterId: string;
  readonly memberIds: ReadonlySet<string>;
  /** The newest revision that any client has seen so far. A linearizable read that begins now is not older. */
  newest: number;
  /** Nothing is written any more: every read has the newest state. */
  isAtRest: boolean;
  reads: number;
  compared: number;
  /** Reads that ended with an error, by its code and text. */
  readonly failed: Map<string, number>;
  /** Serializable reads that were older than what their connection had seen. Only etcd may return these. */
  wentBack: number;
}

export class Observer {
  readonly #common: Common;
  readonly #client: GrpcClient;
  readonly #view: TenantView;
  readonly #name: string;
  /** The newest revision that this connection has received. */
  #seen = 0;

  constructor(common: Common, client: GrpcClient, view: TenantView, name: string) {
    this.#common = common;
    this.#client = client;
    this.#view = view;
    this.#name = name;
  }

  /** Reads and compares `count` random ranges, one after the other. */
  async observe(count: number): Promise<void> {
    const { chance, isAtRest } = this.#common;
    for (let i = 0; i < count; i++) {
      if (!isAtRest && chance.chance(putShare)) await this.#put();
      await this.#read(randomRange(chance, this.#common.newest));
    }
  }

  async #read(request: RangeRequest): Promise<void> {
    const common = this.#common;
    const before = { newest: common.newest, seen: this.#seen };
    common.reads += 1;
    const response = await this.#send(request);
    if (response === null) return;
    const decoded = decodeRange(response);
    const revision = Number(decoded.header.revision);
    this.#note(revision);
    const isLinearizable = request.serializable !== true;
    if (isLinearizable && revision < before.newest) {
      this.#report(request, `linearizable at ${revision}, after ${before.newest} was seen`);
    }
    if (isLinearizable && revision < before.seen) {
      this.#report(request, `linearizable at ${revision}, after its connection saw ${before.seen}`);
    }
    if (!isLinearizable && revision < before.seen) common.wentBack += 1;
    this.#checkHeader(request, decoded);
    const at = request.revision ?? (common.isAtRest ? 0 : revision);
    const expected = this.#view.visible(await this.#readDirectly(request, at), decoded.header);
    common.compared += 1;
    if (!expected.equals(response)) this.#report(request, difference(decoded, expected));
  }

  /** Returns null if the read failed. */
  async #send(request: RangeRequest): Promise<Buffer | null> {
    try {
      return await this.#client.bytes(path, encodeRequest(method, request), { timeoutMs });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { failed } = this.#common;
      const name = `${error.code} ${error.details}`;
      failed.set(name, (failed.get(name) ?? 0) + 1);
      await sleep(failedPauseMs);
      return null;
    }
  }

  /** A member may not have the revision yet. */
  async #readDirectly(request: RangeRequest, revision: number | string): Promise<PresentRange> {
    const stored = { ...this.#view.stored(request), revision, serializable: true };
    const bytes = encodeRequest(method, stored);
    const giveUpAt = performance.now() + directWithinMs;
    for (;;) {
      try {
        return decodeRange(await this.#common.direct.bytes(path, bytes, { timeoutMs }));
      } catch (error) {
        const isEarly = error instanceof Refused && error.code === outOfRange;
        if (!isEarly || performance.now() > giveUpAt) throw error;
        await sleep(retryMs);
      }
    }
  }

  /** This connection reads its own writes. */
  async #put(): Promise<void> {
    const key = Buffer.from(this.#common.chance.pick(names), 'latin1');
    const value = Buffer.from(`${this.#name} ${this.#common.reads}`);
    try {
      const { header } = await this.#client.call('etcdserverpb.KV/Put', { key, value });
      this.#note(Number(header?.revision));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  #note(revision: number): void {
    this.#seen = Math.max(this.#seen, revision);
    this.#common.newest = Math.max(this.#common.newest, revision);
  }

  #checkHeader(request: RangeRequest, { header }: PresentRange): void {
    const { clusterId, memberIds } = this.#common;
    const isReal =
      header.cluster_id === clusterId &&
      memberIds.has(header.member_id ?? '') &&
      Number(header.raft_term) > 0;
    if (!isReal) this.#report(request, `header ${JSON.stringify(header)}`);
  }

  #report(request: RangeRequest, what: string): void {
    this.#common.problems.push(`${this.#name}: ${describeRange(request)}: ${what}`);
  }
}

function difference(through: PresentRange, expected: Buffer): string {
  const text = (response: PresentRange) =>
    JSON.stringify(response, (_, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1').slice(0, 40) : value,
    );
  return `\n    through the proxy ${text(through)}\n    from etcd         ${text(decodeRange(expected))}`;
}
