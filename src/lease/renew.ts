/**
 * Lets the keepalives of all clients use a few streams to etcd. In store space, where a lease ID names one lease of the
 * cluster: two tenants may use the same visible ID. Every other method passes unchanged, and so do keepalives of clients
 * whose own credentials are passed to etcd.
 */
import type { Call, Etcd, Layer, Requests, Responses } from '../call/call.ts';
import { ForwardingEtcd } from '../call/forwarding.ts';
import { method } from '../etcd/methods.ts';
import type { KeepAlives } from './keep-alives.ts';

const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

export interface RenewOptions {
  readonly keepAlives: KeepAlives;
  readonly isShared: (call: Call) => boolean;
}

export function renew(options: RenewOptions): Layer<'store'> {
  return (next) => {
    options.keepAlives.connect(next);
    return new Renew(options, next);
  };
}

class Renew extends ForwardingEtcd<'store'> {
  readonly #options: RenewOptions;

  constructor(options: RenewOptions, next: Etcd<'store'>) {
    super(next);
    this.#options = options;
  }

  override stream(call: Call, responses: Responses<'store'>): Requests<'store'> {
    const { keepAlives, isShared } = this.#options;
    return call.method === keepAlive && isShared(call)
      ? keepAlives.stream(call, responses)
      : super.stream(call, responses);
  }
}
