/** Channels without a network: a test sets their state and responds to the calls that were started on them. */
import type { CallHandle, RequestSink, ResponseSink } from '../../src/grpc/call.ts';
import { status } from '../../src/grpc/status.ts';
import type {
  Channel,
  ChannelState,
  ClientTransport,
  DialOptions,
  RequestHead,
} from '../../src/grpc/transport.ts';
import { FakeCall } from './fake-call.ts';

export class ChannelCall extends FakeCall {
  readonly head: RequestHead;

  constructor(head: RequestHead, responses: ResponseSink) {
    super(responses);
    this.head = head;
  }
}

export class FakeChannel implements Channel {
  state: ChannelState = 'connecting';
  failure = '';
  onState: (() => void) | null = null;
  /** The peer's limit of concurrent streams. */
  streamsMax = Number.POSITIVE_INFINITY;
  readonly dialled: DialOptions;
  readonly calls: ChannelCall[] = [];

  constructor(dialled: DialOptions) {
    this.dialled = dialled;
  }

  get hasRoom(): boolean {
    return this.state === 'ready' && this.openStreams < this.streamsMax;
  }

  get openStreams(): number {
    return this.calls.filter(({ isEnded, isCancelled }) => !(isEnded || isCancelled)).length;
  }

  become(state: ChannelState, failure = ''): void {
    this.state = state;
    this.failure = failure;
    this.onState?.();
  }

  unary(head: RequestHead, message: Uint8Array, responses: ResponseSink): CallHandle {
    const call = this.#start(head, responses);
    call.requests.push(message);
    if (this.state !== 'ready') this.#reject(call);
    return call;
  }

  stream(head: RequestHead, responses: ResponseSink): RequestSink {
    const call = this.#start(head, responses);
    if (this.state !== 'ready') this.#reject(call);
    return call;
  }

  close(): void {
    this.become('closed');
  }

  /** The calls of clients, without the proxy's own probes. */
  get clientCalls(): ChannelCall[] {
    return this.calls.filter(({ head }) => head.path !== '/etcdserverpb.Maintenance/Status');
  }

  get probes(): ChannelCall[] {
    return this.calls.filter(({ head }) => head.path === '/etcdserverpb.Maintenance/Status');
  }

  #start(head: RequestHead, responses: ResponseSink): ChannelCall {
    const call = new ChannelCall(head, responses);
    if (this.state === 'ready') this.calls.push(call);
    return call;
  }

  #reject(call: ChannelCall): void {
    call.end(status(14, `no connection: ${this.failure}`, 'unsent'));
  }
}

export class FakeClientTransport implements ClientTransport {
  readonly channels: FakeChannel[] = [];
  /** Whether later channels are connected as soon as they are dialed. */
  isReachable = false;

  dial(options: DialOptions): Channel {
    const channel = new FakeChannel(options);
    if (this.isReachable) channel.state = 'ready';
    this.channels.push(channel);
    return channel;
  }

  /** The channels to one port in the order in which they were dialled: the first one is `unary`. */
  to(port: number): FakeChannel[] {
    return this.channels.filter(
      ({ dialled: { address } }) => 'port' in address && address.port === port,
    );
  }
}
