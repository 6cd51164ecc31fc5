/** The responses of a rare unary call whose message is built from etcd's. Statuses pass unchanged. */
import { builtMessage, type OwnedMessage, type Responses } from '../call/call.ts';
import { ResponseLayer } from '../call/forwarding.ts';
import type { OwnedBytes } from '../runtime/owned-bytes.ts';

export class MappedResponses extends ResponseLayer<'store', 'tenant'> {
  readonly #map: (message: Uint8Array) => OwnedBytes;

  /** `map` builds the visible message. It must leave out every field that it does not know. */
  constructor(above: Responses<'tenant'>, map: (message: Uint8Array) => OwnedBytes) {
    super(above);
    this.#map = map;
  }

  override deliver(message: OwnedMessage<'store'>): void {
    this.above.deliver(builtMessage(this.#map(message)));
  }
}
