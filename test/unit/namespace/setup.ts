/** The namespace layer over a fake etcd, for a tenant called `t1/` unless a test says otherwise. */
import type { Call } from '../../../src/call/call.ts';
import type { MethodName } from '../../../src/etcd/methods.ts';
import type { Metadata } from '../../../src/grpc/metadata.ts';
import type { RegisteredMember } from '../../../src/namespace/cluster/proxy-member.ts';
import type { LeaseOwner } from '../../../src/namespace/hooks.ts';
import { knownLeases } from '../../../src/namespace/leases/known-leases.ts';
import { namespace } from '../../../src/namespace/namespace.ts';
import type { RewriteFault } from '../../../src/rewrite/fault.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { Caller } from '../../support/caller.ts';
import {
  type CodedMethod,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../support/codec.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, onBytes, testTenant, unprefixedTenant } from '../../support/test-call.ts';

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

export const header = { cluster_id: '7', member_id: '8', revision: '100', raft_term: '3' };

export class Setup {
  readonly etcd = new FakeEtcd<'store'>();
  readonly tenant: Tenant;
  readonly violations: { call: Call; fault: RewriteFault }[] = [];
  foreignLeases = 0;
  /** What MemberList names instead of the proxy alone. */
  registered: readonly RegisteredMember[] = [];
  /** Results of the checks of leases. */
  readonly leaseChecks: LeaseOwner[] = [];
  /** What the next draws of lease IDs give; 1 when nothing is left. */
  readonly drawn: number[] = [];
  readonly layer;

  constructor(
    namespaceOf = 't1/',
    owns: ReadonlySet<MethodName> = new Set(),
    tenant: Tenant | null = null,
  ) {
    const ofNamespace = () =>
      namespaceOf === ''
        ? unprefixedTenant({ owns })
        : testTenant(namespaceOf.slice(0, -1), { owns });
    this.tenant = tenant ?? ofNamespace();
    const layer = namespace({
      random: { integer: (min) => this.drawn.shift() ?? min },
      hooks: {
        violation: (call, fault) => this.violations.push({ call, fault }),
        leaseChecked: (_call, owner) => this.leaseChecks.push(owner),
        foreignLeases: (_call, count) => {
          this.foreignLeases += count;
        },
      },
      self: {
        name: 'bulkhead',
        memberId: 42n,
        registered: () => this.registered,
        clientUrls: (call) => [`http://${call.peer.listener}:2379`],
      },
    });
    this.layer = onBytes(layer(this.etcd));
  }

  /** Makes leases known as the tenant's, as if this process had granted them. */
  know(...visible: readonly number[]): void {
    for (const id of visible) this.tenant.state.get(knownLeases).add(id);
  }

  unary<Name extends CodedMethod>(
    name: Name,
    request: Parameters<typeof encodeRequest<Name>>[1],
    metadata: Metadata = [],
  ) {
    return this.unaryBytes(name, encodeRequest(name, request), metadata);
  }

  unaryBytes(name: MethodName, request: Uint8Array, metadata: Metadata = []) {
    const heard = new Caller();
    const ongoing = this.layer.unary(
      callOf(name, { tenant: this.tenant, metadata }),
      request,
      heard,
    );
    return { heard, ongoing };
  }

  stream(name: MethodName) {
    const heard = new Caller();
    const requests = this.layer.stream(callOf(name, { tenant: this.tenant }), heard);
    return { heard, requests, below: this.etcd.last };
  }

  /** The newest request that reached etcd. */
  stored<Name extends CodedMethod>(name: Name) {
    return decodeRequest(name, this.etcd.last.request);
  }
}

/** The newest response that reached the client. */
export function answerOf<Name extends CodedMethod>(name: Name, heard: Caller) {
  const newest = heard.messages.at(-1);
  if (newest === undefined) throw new Error('no response has been delivered');
  return decodeResponse(name, newest);
}

export { encodeRequest, encodeResponse };
