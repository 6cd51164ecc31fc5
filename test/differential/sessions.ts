/**
 * Locks and elections of a random program, each on a lease that the program has or on none. The two tenants use the same
 * names, so that each would wait for the other if they met; a program never waits for itself.
 */
import { expect } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import { visibleId } from '../../src/etcd/lease-id.ts';
import type { LeaseSeal } from '../../src/rewrite/lease-seal.ts';
import { type GrpcClient, refusal } from '../support/client.ts';
import type { CampaignResponse, Header } from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';
import type { Model, Stored } from './model.ts';

type Office = NonNullable<CampaignResponse['leader']>;

const lockName = Buffer.from('L');
const electionName = Buffer.from('E');

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const revisionOf = (answer: { readonly header: Header | null }) => answer.header?.revision ?? '';

export class Sessions {
  readonly #client: GrpcClient;
  readonly #chance: Seeded;
  readonly #model: Model;
  readonly #leases: LeaseSeal;
  #office: Office | null = null;

  constructor(client: GrpcClient, chance: Seeded, model: Model, namespace: string) {
    this.#client = client;
    this.#chance = chance;
    this.#model = model;
    this.#leases = keySpace(Buffer.from(namespace)).leases;
  }

  /** Takes the lock, or gives it back. */
  async lock(): Promise<void> {
    const [held] = this.#under('L/');
    if (held !== undefined) return this.#unlock(held.key);
    const lease = this.#someLease();
    const locked = await this.#client.call('v3lockpb.Lock/Lock', { name: lockName, lease });
    const key = latin1(locked.key);
    const stored = BigInt(`0x${key.slice('L/'.length)}`);
    const visible = visibleId(this.#leases, stored) ?? 0;
    expect(lease === 0 ? visible > 0 : visible === lease).toBe(true);
    if (lease === 0) this.#model.grant(visible);
    this.#model.put({ key: locked.key, lease: visible }, revisionOf(locked));
    if (lease !== 0) return;
    // A lease of a minute could end before the program does.
    await this.#unlock(key);
    const revoked = await this.#client.call('etcdserverpb.Lease/LeaseRevoke', { ID: visible });
    this.#model.revoke(visible, revisionOf(revoked));
  }

  /** Campaigns for an election, proclaims, queries the leader, or resigns. */
  async election(): Promise<void> {
    await this.#leader();
    const office = this.#office;
    if (office === null) return this.#campaign();
    if (this.#chance.chance(0.3)) return this.#resign(office);
    const value = Buffer.from(`${this.#chance.below(1000)}`);
    const spoken = this.#client.call('v3electionpb.Election/Proclaim', { leader: office, value });
    if (this.#holds(office)) {
      const proclaimed = { key: office.key, value, lease: office.lease };
      this.#model.put(proclaimed, revisionOf(await spoken));
      return;
    }
    expect((await refusal(spoken)).details).toBe('election: not leader');
    this.#office = null;
  }

  async #unlock(key: string): Promise<void> {
    const named = { key: Buffer.from(key, 'latin1') };
    const unlocked = await this.#client.call('v3lockpb.Lock/Unlock', named);
    this.#model.remove(named, revisionOf(unlocked));
  }

  async #campaign(): Promise<void> {
    const lease = this.#someLease();
    if (lease === 0 || this.#under('E/').length > 0) return;
    const value = Buffer.from('elected');
    const campaign = { name: electionName, lease, value };
    const { leader } = await this.#client.call('v3electionpb.Election/Campaign', campaign);
    expect(leader).toMatchObject({ name: electionName, lease: String(lease) });
    if (leader === null) return;
    this.#model.put({ key: leader.key, value, lease }, leader.rev);
    this.#office = leader;
  }

  async #resign(office: Office): Promise<void> {
    const resigned = await this.#client.call('v3electionpb.Election/Resign', { leader: office });
    if (this.#holds(office)) this.#model.remove({ key: office.key }, revisionOf(resigned));
    this.#office = null;
  }

  async #leader(): Promise<void> {
    const asked = this.#client.call('v3electionpb.Election/Leader', { name: electionName });
    const [first] = this.#under('E/');
    if (first === undefined) {
      expect((await refusal(asked)).details).toBe('election: no leader');
      return;
    }
    const { kv } = await asked;
    expect(kv && { ...kv, key: latin1(kv.key), value: latin1(kv.value) }).toEqual(first);
  }

  #holds({ key, rev }: Office): boolean {
    return this.#model.stored.get(latin1(key))?.create_revision === rev;
  }

  #under(prefix: string): Stored[] {
    return [...this.#model.stored.values()].filter(({ key }) => key.startsWith(prefix));
  }

  #someLease(): number {
    return this.#chance.pick([0, ...this.#model.leases.keys()]);
  }
}
