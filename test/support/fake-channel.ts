/** Channels without a network: a test sets their state and answers the calls that were started on them. */
import type { CallHandle, ResponseSink, RequestSink } from '../../src/grpc/call.ts';
import { status } from '../../src/grpc/status.ts';
import type {
  Channel,
  ChannelState,
  ClientTransport,
  DialOptions,
  RequestHead,
} from '../../src/grpc/transport.ts';

export class FakeCall implements RequestSink {
  readonly head: RequestHead;
  readonly reply: ResponseSink;
  readonly messages: Uint8Array[] = [];
  cancels = 0;

  constructor(head: RequestHead, reply: ResponseSink) {
    this.head = head;
    this.reply = reply;
  }
  send(bytes: Uint8Array): void {
    this.messages.push(bytes);
  }
  halfClose(): void {}
  cancel(): void {
    this.cancels += 1;
  }
  pauseResponses(): void {}
  resumeResponses(): void {}
}

export class FakeChannel implements Channel {
  state: ChannelState = 'connecting';
  failure = '';
  onState: (() => void) | null = null;
  readonly dialled: DialOptions;
  readonly calls: FakeCall[] = [];

  constructor(dialled: DialOptions) {
    this.dialled = dialled;
  }
  become(state: ChannelState, failure = ''): void {
    this.state = state;
    this.failure = failure;
    this.onState?.();
  }
  unary(head: RequestHead, message: Uint8Array, reply: ResponseSink): CallHandle {
    const call = this.stream(head, reply);
    call.send(message);
    return call;
  }
  stream(head: RequestHead, reply: ResponseSink): RequestSink {
    const call = new FakeCall(head, reply);
    if (this.state === 'ready') this.calls.push(call);
    else reply.end(status(14, `no connection: ${this.failure}`, 'unsent'));
    return call;
  }
  close(): void {
    this.become('closed');
  }
  /** Calls of clients, without the proxy's own questions. */
  get clientCalls(): FakeCall[] {
    return this.calls.filter(({ head }) => head.path !== '/etcdserverpb.Maintenance/Status');
  }
  get probes(): FakeCall[] {
    return this.calls.filter(({ head }) => head.path === '/etcdserverpb.Maintenance/Status');
  }
}

export class FakeClientTransport implements ClientTransport {
  readonly channels: FakeChannel[] = [];

  dial(options: DialOptions): Channel {
    const channel = new FakeChannel(options);
    this.channels.push(channel);
    return channel;
  }
  /** The channels to one port, in the order in which they were dialled: unary, watch, lease. */
  to(port: number): FakeChannel[] {
    return this.channels.filter(
      ({ dialled: { address } }) => 'port' in address && address.port === port,
    );
  }
}
