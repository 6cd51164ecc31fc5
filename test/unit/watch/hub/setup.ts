/** A client's watch stream whose watches join feeds, over a fake etcd that responds when the test says so. */

import { Usage } from '../../../../src/tenant/usage.ts';
import { hubLimits } from '../../../../src/watch/hub/hub-context.ts';
import { watchLimits } from '../../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../../src/watch/watch.ts';
import { Caller } from '../../../support/caller.ts';
import { decodeResponse, encodeRequest, encodeResponse } from '../../../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../../../support/fake-etcd.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import type { WatchCreateRequest, WatchRequest } from '../../../support/messages.ts';
import { callOf, onBytes, testTenant } from '../../../support/test-call.ts';
import { testHub } from '../../../support/watch-hub.ts';
import { header, inShort, watchMethod } from '../setup.ts';

export class SharedWatchSetup implements Disposable {
  readonly clock = new ManualClock();
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly client = new Caller();
  readonly #requests;

  constructor(holdMs = 2 * hubLimits.joinTimeoutMs) {
    const hub = testHub(this.clock, holdMs);
    const layer = onBytes(
      watch({ limits: watchLimits, hub, total: new Usage(), isShared: () => true })(this.etcd),
    );
    this.#requests = layer.stream(callOf(watchMethod, { tenant: testTenant() }), this.client);
  }

  create(create: WatchCreateRequest = {}): void {
    this.send({ create_request: { key: Buffer.from('k'), ...create } });
  }

  send(request: WatchRequest): void {
    this.#requests.send(encodeRequest(watchMethod, request));
  }

  /** etcd responds to the first create of one of its streams. The header has revision 100. */
  created(stream: EtcdCall<'tenant'> = this.etcd.last): void {
    stream.deliver(encodeResponse(watchMethod, { header, watch_id: '1', created: true }));
  }

  /** The responses in short, see `inShort`. */
  get received(): readonly string[] {
    return this.client.messages.map((each) => inShort(decodeResponse(watchMethod, each)));
  }

  [Symbol.dispose](): void {
    this.#requests.cancel();
  }
}
