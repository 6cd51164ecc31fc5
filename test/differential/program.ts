/**
 * A random program of one tenant. Each step runs on the store and on the model, and the two responses must be equal
 * in every field that a client can see. Keys are few and short, so that ranges, compares and leases meet often.
 */
import { expect } from 'vitest';
import { type GrpcClient, refusal } from '../support/client.ts';
import type {
  Compare,
  DeleteRangeRequest,
  Header,
  KeyValue,
  PutRequest,
  RangeRequest,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';
import { covers, Model, type Outcome, type Stored } from './model.ts';
import { Sessions } from './sessions.ts';
import { Watches } from './watches.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const zero = bytes('\0');
const compacted = 'etcdserver: mvcc: required revision has been compacted';
const future = 'etcdserver: mvcc: required revision is a future revision';
const letters = ['a', 'b', '\0', '\xff', '/', '0'];
const leasesMax = 5;
const leaseSeconds = 3600;

const toStored = (kv: KeyValue): Stored => ({
  ...kv,
  key: kv.key.toString('latin1'),
  value: kv.value.toString('latin1'),
});

/** A response in the form of the model. */
function toOutcome(op: ResponseOp): Outcome {
  if (op.response_range) {
    const { kvs, count, more } = op.response_range;
    return { range: { kvs: kvs.map(toStored), count: Number(count), more } };
  }
  if (op.response_put) {
    const { prev_kv } = op.response_put;
    return { put: prev_kv === null ? null : toStored(prev_kv) };
  }
  if (op.response_delete_range) {
    const { prev_kvs, deleted } = op.response_delete_range;
    return { deleted: prev_kvs.map(toStored), count: Number(deleted) };
  }
  if (op.response_txn) return toTxnOutcome(op.response_txn);
  throw new Error('a response without content');
}

function toTxnOutcome({ succeeded, responses }: TxnResponse): Outcome {
  return { txn: succeeded, outcomes: responses.map(toOutcome) };
}

function revisionOf({ header }: { readonly header: Header | null }): string {
  if (header === null) throw new Error('a response without header');
  return header.revision;
}

export class Program implements Disposable {
  readonly model = new Model();
  readonly #client: GrpcClient;
  readonly #chance: Seeded;
  readonly #watches: Watches;
  readonly #steps: readonly (() => Promise<void>)[];
  #newest = 0;

  constructor(client: GrpcClient, chance: Seeded, namespace: string) {
    this.#client = client;
    this.#chance = chance;
    const watches = new Watches(client, chance, this.model);
    this.#watches = watches;
    const sessions = new Sessions(client, chance, this.model, namespace);
    const put = () => this.#put();
    const range = () => this.#range();
    const past = () => this.#past();
    const remove = () => this.#remove();
    const txn = () => this.#txn();
    const compact = () => this.#compact();
    const lease = () => this.#lease();
    const renew = () => this.#renew();
    const cluster = () => this.#cluster();
    const watch = () => watches.step(this.#span());
    const lock = () => sessions.lock();
    const election = () => sessions.election();
    this.#steps = [
      ...[put, put, put, put, range, range, range, past, remove, txn, txn, txn, compact],
      ...[lease, lease, renew, watch, watch, lock, election, election, cluster],
    ];
  }

  async run(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#chance.pick(this.#steps)();
    await this.#watches.closeAll();
  }

  [Symbol.dispose](): void {
    this.#watches[Symbol.dispose]();
  }

  async #put(): Promise<void> {
    const request = this.#putRequest(this.#key());
    const answer = await this.#client.call('etcdserverpb.KV/Put', request);
    const expected = this.model.put(request, revisionOf(answer));
    expect(toOutcome({ response: 'put', response_put: answer })).toEqual(expected);
  }

  async #range(): Promise<void> {
    const request = this.#rangeRequest();
    const answer = await this.#client.call('etcdserverpb.KV/Range', request);
    this.#newest = Number(revisionOf(answer));
    expect(toOutcome({ response: 'range', response_range: answer })).toEqual({
      range: this.model.range(request),
    });
  }

  /** At the newest known revision, somewhere before it, or below what is compacted. */
  async #past(): Promise<void> {
    const { floor } = this.model;
    const revision = this.#chance.pick([this.#newest, this.#somePast(), floor, floor - 1]);
    if (revision < 1) return;
    const request = { ...this.#span(), revision };
    const asked = this.#client.call('etcdserverpb.KV/Range', request);
    if (revision < floor) {
      expect((await refusal(asked)).details).toBe(compacted);
      return;
    }
    const { kvs } = await asked;
    const seen = kvs.map(({ key, value }) => [key.toString('latin1'), value.toString('latin1')]);
    const expected = [...this.model.at(revision)].filter(([key]) => covers(request, key));
    expect(seen, `at revision ${revision}`).toEqual(expected);
  }

  #somePast(): number {
    return this.model.floor + this.#chance.below(Math.max(1, this.#newest - this.model.floor));
  }

  /** Of the tenant's own past only. What is compacted is little, so that there is a past to read. */
  async #compact(): Promise<void> {
    const { floor } = this.model;
    const revision = this.#chance.pick([
      floor,
      floor + 1,
      floor + this.#chance.below(100),
      2 ** 40,
    ]);
    const asked = this.#client.call('etcdserverpb.KV/Compact', { revision, physical: true });
    if (revision <= floor) {
      expect((await refusal(asked)).details).toBe(compacted);
    } else if (revision === 2 ** 40) {
      expect((await refusal(asked)).details).toBe(future);
    } else if (revision <= this.#newest) {
      await asked;
      this.model.floor = revision;
    } else {
      // Whether the others have come that far is not known here.
      const isCompacted = await asked.then(() => true).catch(() => false);
      if (isCompacted) this.model.floor = revision;
    }
  }

  async #remove(): Promise<void> {
    const request: DeleteRangeRequest = { ...this.#span(), prev_kv: this.#chance.chance(0.5) };
    const answer = await this.#client.call('etcdserverpb.KV/DeleteRange', request);
    const expected = this.model.remove(request, revisionOf(answer));
    expect(toOutcome({ response: 'deleted', response_delete_range: answer })).toEqual(expected);
  }

  async #txn(): Promise<void> {
    const request = this.#txnRequest(2, { names: new Set() });
    const answer = await this.#client.call('etcdserverpb.KV/Txn', request);
    expect(toTxnOutcome(answer)).toEqual(this.model.txn(request, revisionOf(answer)));
  }

  async #lease(): Promise<void> {
    const { leases } = this.model;
    if (leases.size < leasesMax) {
      const id = this.#chance.chance(0.5) ? 0 : 1 + this.#chance.below(2 ** 31 - 1);
      if (leases.has(id)) return;
      const granted = await this.#client.call('etcdserverpb.Lease/LeaseGrant', {
        TTL: leaseSeconds,
        ID: id,
      });
      if (id !== 0) expect(granted.ID).toBe(String(id));
      this.model.grant(Number(granted.ID));
      return;
    }
    const id = this.#chance.pick([...leases.keys()]);
    const listed = await this.#client.call('etcdserverpb.Lease/LeaseLeases', {});
    expect(listed.leases.map(({ ID }) => Number(ID)).sort()).toEqual([...leases.keys()].sort());
    const seen = await this.#client.call('etcdserverpb.Lease/LeaseTimeToLive', {
      ID: id,
      keys: true,
    });
    expect(seen.keys.map((key) => key.toString('latin1')).sort()).toEqual(
      [...(leases.get(id) ?? [])].sort(),
    );
    const revoked = await this.#client.call('etcdserverpb.Lease/LeaseRevoke', { ID: id });
    this.model.revoke(id, revisionOf(revoked));
  }

  /** A lease of its own, or one that may be anybody's. */
  async #renew(): Promise<void> {
    const own = [...this.model.leases.keys()];
    const id = this.#chance.pick([...own, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 40]);
    const isOwn = this.model.leases.has(id);
    using renewals = this.#client.stream('etcdserverpb.Lease/LeaseKeepAlive');
    renewals.send({ ID: id });
    renewals.end();
    const { ID, TTL } = await renewals.next();
    expect([ID, TTL]).toEqual([String(id), isOwn ? String(leaseSeconds) : '0']);
    await renewals.ended();
    const left = await this.#client.call('etcdserverpb.Lease/LeaseTimeToLive', { ID: id });
    expect(left.grantedTTL).toBe(isOwn ? String(leaseSeconds) : '0');
    if (!isOwn) expect(left.TTL).toBe('-1');
  }

  async #cluster(): Promise<void> {
    const { members } = await this.#client.call('etcdserverpb.Cluster/MemberList', {});
    expect(members).toHaveLength(1);
    const status = await this.#client.call('etcdserverpb.Maintenance/Status', {});
    expect(status).toMatchObject({ dbSize: '20480', raftIndex: '0', errors: [] });
    const { alarms } = await this.#client.call('etcdserverpb.Maintenance/Alarm', {});
    expect(alarms).toEqual([]);
  }

  #key(): string {
    let key = this.#chance.pick(letters);
    while (this.#chance.chance(0.4)) key += this.#chance.pick(letters);
    return key;
  }

  /** One key, a range, a prefix, everything from a key on, or everything. */
  #span(): { key: Buffer; range_end?: Buffer } {
    const key = this.#key();
    switch (this.#chance.below(8)) {
      case 0:
        return { key: zero, range_end: zero };
      case 1:
        return { key: bytes(key), range_end: zero };
      case 2:
      case 3:
        return { key: bytes(key), range_end: bytes(this.#key()) };
      default:
        return { key: bytes(key) };
    }
  }

  #rangeRequest(): RangeRequest {
    const { chance } = { chance: this.#chance };
    return {
      ...this.#span(),
      limit: chance.chance(0.3) ? 1 + chance.below(5) : 0,
      sort_order: chance.pick(['NONE', 'NONE', 'ASCEND', 'DESCEND']),
      keys_only: chance.chance(0.1),
      count_only: chance.chance(0.1),
      serializable: false,
    };
  }

  #putRequest(key: string): PutRequest {
    const leases = [...this.model.leases.keys()];
    const leased = leases.length > 0 && this.#chance.chance(0.3);
    return {
      key: bytes(key),
      value: bytes(this.#key()),
      lease: leased ? this.#chance.pick(leases) : 0,
      prev_kv: this.#chance.chance(0.3),
    };
  }

  #compare(): Compare {
    const { key, range_end } = this.#span();
    const stored = this.model.stored.get(key.toString('latin1'));
    const near = (text = '0') => Number(text) + this.#chance.below(3) - 1;
    const result = this.#chance.pick(['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL'] as const);
    const on = range_end === undefined ? { key, result } : { key, range_end, result };
    switch (this.#chance.below(5)) {
      case 0:
        return { ...on, target: 'VERSION', version: near(stored?.version) };
      case 1:
        return { ...on, target: 'CREATE', create_revision: near(stored?.create_revision) };
      case 2:
        return { ...on, target: 'MOD', mod_revision: near(stored?.mod_revision) };
      case 3:
        return { ...on, target: 'VALUE', value: bytes(stored?.value ?? this.#key()) };
      default:
        return { ...on, target: 'LEASE', lease: this.#leaseOperand(stored) };
    }
  }

  /** Own leases and their neighbours, none, and numbers that no lease can have. */
  #leaseOperand(stored: Stored | undefined): number {
    const own = Number(stored?.lease ?? 0);
    return this.#chance.pick([own, own + 1, Math.max(0, own - 1), 0, -1, 2 ** 31, 2 ** 40]);
  }

  /** `used` keeps the keys that a transaction writes apart: etcd refuses to write one twice. */
  #txnRequest(depth: number, used: { names: Set<string> }): TxnRequest {
    const ops = () => {
      const list: RequestOp[] = [];
      for (let i = this.#chance.below(4); i > 0; i--) list.push(this.#requestOp(depth, used));
      return list;
    };
    const compare: Compare[] = [];
    for (let i = this.#chance.below(3); i > 0; i--) compare.push(this.#compare());
    return { compare, success: ops(), failure: ops() };
  }

  #requestOp(depth: number, used: { names: Set<string> }): RequestOp {
    const kind = this.#chance.below(depth > 0 ? 4 : 3);
    if (kind === 3) return { request_txn: this.#txnRequest(depth - 1, used) };
    const key = this.#key();
    if (kind === 0 || used.names.has(key)) return { request_range: this.#rangeRequest() };
    used.names.add(key);
    return kind === 1
      ? { request_put: this.#putRequest(key) }
      : { request_delete_range: { key: bytes(key), prev_kv: this.#chance.chance(0.5) } };
  }
}
