/**
 * The etcd below a layer under test. It keeps every call that reaches it. The test responds later, or within `unary` and
 * `stream` through `onCall`.
 */
import type { Call, Etcd, Message, Responses, Space } from '../../src/call/call.ts';
import { FakeCall } from './fake-call.ts';

/** A call as it reached etcd. */
export class EtcdCall<S extends Space> extends FakeCall<Message<S>> {
  readonly call: Call;

  constructor(call: Call, responses: Responses<S>) {
    super(responses);
    this.call = call;
  }
}

export class FakeEtcd<S extends Space> implements Etcd<S> {
  readonly calls: EtcdCall<S>[] = [];
  /** Called while a call is being started, before the layer above has its handle. */
  onCall: ((call: EtcdCall<S>) => void) | null = null;

  unary(call: Call, request: Message<S>, responses: Responses<S>): EtcdCall<S> {
    const started = new EtcdCall(call, responses);
    started.requests.push(request);
    return this.#start(started);
  }

  stream(call: Call, responses: Responses<S>): EtcdCall<S> {
    return this.#start(new EtcdCall(call, responses));
  }

  /** The newest call. */
  get last(): EtcdCall<S> {
    const newest = this.calls.at(-1);
    if (newest === undefined) throw new Error('no call has reached etcd');
    return newest;
  }

  #start(started: EtcdCall<S>): EtcdCall<S> {
    this.calls.push(started);
    this.onCall?.(started);
    return started;
  }
}
