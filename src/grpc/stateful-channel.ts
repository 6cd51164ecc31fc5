/** The state of a channel and its listener, common to both transports. A fault in the listener does not reach the transport. */
import type { CallHandle, RequestSink, ResponseSink } from './call.ts';
import type { Status } from './status.ts';
import type { Channel, ChannelState, RequestHead } from './transport.ts';
import { noConnection } from './transport-statuses.ts';

export abstract class StatefulChannel implements Channel {
  state: ChannelState = 'connecting';
  failure = '';
  onState: (() => void) | null = null;
  readonly #onFault: (fault: unknown) => void;

  constructor(onFault: (fault: unknown) => void) {
    this.#onFault = onFault;
  }

  abstract get hasRoom(): boolean;
  abstract get openStreams(): number;
  abstract unary(head: RequestHead, message: Uint8Array, responses: ResponseSink): CallHandle;
  abstract stream(head: RequestHead, responses: ResponseSink): RequestSink;
  abstract close(): void;

  protected changeState(state: ChannelState, failure: string): void {
    this.state = state;
    this.failure = failure;
    this.notifyState();
  }

  protected notifyState(): void {
    try {
      this.onState?.();
    } catch (fault) {
      this.#onFault(fault);
    }
  }

  /** The status of a call that cannot be sent now. */
  protected notReady(): Status {
    return noConnection(this.failure === '' ? this.state : this.failure);
  }
}
