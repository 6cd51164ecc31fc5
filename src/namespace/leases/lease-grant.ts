/**
 * LeaseGrant: which ID a new lease gets. A client that chose one gets it within its namespace; for the others the proxy
 * draws one, since etcd's own choice would lie outside, and draws again when that one is taken. Only etcd's word that
 * it is taken leads to another attempt: after anything else the lease may exist.
 */
import { type Call, type Etcd, type Reply, tenantOf } from '../../call/call.ts';
import { leaseExistsText, type RefusalName, refusal } from '../../call/refusals.ts';
import { isVisibleId, storedId, visibleIdMax } from '../../etcd/lease-id.ts';
import { type Ongoing, settled } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import type { Random } from '../../runtime/random.ts';
import type { WireFault } from '../../rewrite/fault.ts';
import { replaceVarintField, varintField } from '../../protobuf/varint-field.ts';
import type { ToUnary } from '../handler.ts';
import { StrippingReply } from '../reply.ts';
import { rewritten } from '../unary.ts';

/** With half of all IDs of a namespace taken, this many draws all fail once in 65,536 grants. */
export const grantDrawsMax = 16;

const idField = 2;

export const leaseGrant: ToUnary = (next, options) => {
  const rewrite = rewritten(null)(next, options);
  return (call, request, reply) => {
    const { keySpace } = tenantOf(call);
    // The tenant that owns the whole cluster names leases as they are, and lets etcd choose.
    if (keySpace.prefix.length === 0) return rewrite(call, request, reply);
    const chosen = varintField(request, idField);
    if (typeof chosen === 'string') return refused(reply, chosen);
    if (chosen === 0n) {
      const stripping = new StrippingReply(call, reply, options.hooks);
      const drawing = { next, random: options.random, leaseTag: keySpace.leaseTag };
      const grant = new DrawnGrant(drawing, call, request, stripping);
      grant.draw();
      return stripping.attach(grant);
    }
    if (!isVisibleId(chosen)) return refused(reply, 'lease-id-range');
    const stored = withStoredId(request, keySpace.leaseTag, Number(chosen));
    return typeof stored === 'string' ? refused(reply, stored) : rewrite(call, stored, reply);
  };
};

function refused(reply: Reply<'tenant'>, name: RefusalName): Ongoing {
  reply.end(refusal(name));
  return settled;
}

/** A LeaseGrantRequest with the stored ID of `visible`. */
function withStoredId(request: Uint8Array, tag: number, visible: number): Uint8Array | WireFault {
  return replaceVarintField(request, idField, storedId(tag, visible));
}

export interface DrawOptions {
  readonly next: Etcd<'store'>;
  readonly random: Random;
  readonly leaseTag: number;
}

/** A grant under way whose ID the proxy draws. To its caller it is one call, however many it makes below. */
export class DrawnGrant implements Ongoing {
  readonly #options: DrawOptions;
  readonly #call: Call;
  readonly #request: Uint8Array;
  readonly #reply: DrawnGrantReply;
  #draws = 0;
  #below: Ongoing = settled;

  constructor(options: DrawOptions, call: Call, request: Uint8Array, above: Reply<'store'>) {
    this.#options = options;
    this.#call = call;
    this.#request = request;
    this.#reply = new DrawnGrantReply(this, above);
  }

  get mayDraw(): boolean {
    return this.#draws < grantDrawsMax;
  }

  /** Sends the request with an ID just drawn. */
  draw(): void {
    const { next, random, leaseTag } = this.#options;
    const drawn = withStoredId(this.#request, leaseTag, random.integer(1, visibleIdMax + 1));
    if (typeof drawn === 'string') {
      this.#reply.end(refusal(drawn));
      return;
    }
    const draw = ++this.#draws;
    const below = next.unary(this.#call, drawn, this.#reply);
    // An answer that came before `unary` returned may have led to a later draw, which is then the one under way.
    if (draw === this.#draws) this.#below = below;
  }

  cancel(): void {
    this.#below.cancel();
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }
}

class DrawnGrantReply implements Reply<'store'> {
  readonly #grant: DrawnGrant;
  readonly #above: Reply<'store'>;

  constructor(grant: DrawnGrant, above: Reply<'store'>) {
    this.#grant = grant;
    this.#above = above;
  }

  message(bytes: Uint8Array): void {
    this.#above.message(bytes);
  }

  end(status: Status): void {
    if (!isTaken(status)) this.#above.end(status);
    else if (this.#grant.mayDraw) this.#grant.draw();
    else this.#above.end(refusal('lease-exists'));
  }

  pause(): void {
    this.#above.pause();
  }

  resume(): void {
    this.#above.resume();
  }
}

function isTaken(status: Status): boolean {
  return status.code === Code.FAILED_PRECONDITION && status.text === leaseExistsText;
}
