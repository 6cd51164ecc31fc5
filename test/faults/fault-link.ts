/**
 * A TCP link between clients and a server that can fail in the ways that networks and middleboxes do: slow, silent, one-way,
 * cut. Bytes are carried unread. What TCP itself prevents is not done: no connection loses bytes and continues after them.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What the link does with bytes and with new connections. */
export type LinkMode =
  | { readonly is: 'carrying' }
  /** Each direction takes this much longer. */
  | { readonly is: 'delaying'; readonly ms: number }
  /** Nothing is read any more, so that senders run into their flow control. New connections are accepted. */
  | { readonly is: 'stalled' }
  /** Bytes of one direction are read and dropped. */
  | { readonly is: 'dropping'; readonly direction: Direction }
  /** Every connection is reset after this many bytes of responses. */
  | { readonly is: 'cutting'; readonly afterBytes: () => number }
  /** New connections are accepted and lead nowhere. Existing ones are carried. */
  | { readonly is: 'black hole' };

type Direction = 'requests' | 'responses';

const carrying: LinkMode = { is: 'carrying' };

interface Delayed {
  readonly dueAt: number;
  readonly chunk: Buffer;
}

/** One direction of one connection. */
class Flow {
  readonly #link: FaultLink;
  readonly #direction: Direction;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #delayed: Delayed[] = [];
  /** Of the responses, until the connection is cut. Null if it is not to be cut. */
  #bytesLeft: number | null = null;
  isDropping = false;

  constructor(link: FaultLink, direction: Direction, from: Socket, to: Socket) {
    this.#link = link;
    this.#direction = direction;
    this.#from = from;
    this.#to = to;
    if (link.mode.is === 'cutting' && direction === 'responses') {
      this.#bytesLeft = link.mode.afterBytes();
    }
    from.on('data', (chunk: Buffer) => this.#onData(chunk));
    to.on('drain', () => this.settle());
    this.settle();
  }

  /** Reads if the mode and the receiver allow it. */
  settle(): void {
    const { mode } = this.#link;
    if (mode.is === 'dropping' && mode.direction === this.#direction) this.isDropping = true;
    if (mode.is === 'stalled' || this.#to.writableNeedDrain) this.#from.pause();
    else this.#from.resume();
  }

  #onData(chunk: Buffer): void {
    const { mode } = this.#link;
    if (this.isDropping) return;
    const delayMs = mode.is === 'delaying' ? mode.ms : 0;
    if (delayMs === 0 && this.#delayed.length === 0) {
      this.#write(chunk);
      return;
    }
    this.#delayed.push({ dueAt: performance.now() + delayMs, chunk });
    if (this.#delayed.length === 1) this.#writeWhenDue();
  }

  #writeWhenDue(): void {
    const [first] = this.#delayed;
    if (first === undefined) return;
    const write = () => {
      this.#delayed.shift();
      this.#write(first.chunk);
      this.#writeWhenDue();
    };
    setTimeout(write, Math.max(0, first.dueAt - performance.now()));
  }

  #write(chunk: Buffer): void {
    if (this.#to.destroyed) return;
    if (this.#bytesLeft === null || chunk.length < this.#bytesLeft) {
      if (this.#bytesLeft !== null) this.#bytesLeft -= chunk.length;
      if (!this.#to.write(chunk)) this.settle();
      return;
    }
    // The bytes before the cut arrive: the receiver gets a part of a frame.
    this.#to.write(chunk.subarray(0, this.#bytesLeft), () => {
      reset(this.#to);
      reset(this.#from);
    });
  }
}

/** A connection of a client and the one to the server that carries it on. */
class LinkedPair {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #flows: readonly Flow[];
  #isHalfOpen = false;

  constructor(link: FaultLink, near: Socket, far: Socket) {
    this.#near = near;
    this.#far = far;
    this.#flows = [new Flow(link, 'requests', near, far), new Flow(link, 'responses', far, near)];
    far.once('close', (hadError: boolean) => {
      if (this.#isHalfOpen) return;
      if (hadError) reset(near);
      else near.destroySoon();
    });
    near.once('close', () => far.destroySoon());
  }

  get hasLostBytes(): boolean {
    return this.#flows.some(({ isDropping }) => isDropping);
  }

  settle(): void {
    for (const flow of this.#flows) flow.settle();
  }

  cut(): void {
    reset(this.#near);
    reset(this.#far);
  }

  halfOpen(): void {
    this.#isHalfOpen = true;
    reset(this.#far);
  }
}

export class FaultLink implements AsyncDisposable {
  mode: LinkMode = carrying;
  readonly #server = createServer({ noDelay: true }, (socket) => this.#join(socket));
  readonly #pairs = new Set<LinkedPair>();
  /** Connections that lead nowhere. */
  readonly #lost = new Set<Socket>();
  /** Of new connections, `host:port`. */
  destination: string;

  private constructor(destination: string) {
    this.destination = destination;
  }

  /** Carries to `destination`, `host:port`, from `address`, by default any port of 127.0.0.1. */
  static async to(destination: string, address = '127.0.0.1:0'): Promise<FaultLink> {
    const link = new FaultLink(destination);
    const [host, port] = hostAndPort(address);
    link.#server.listen(port, host);
    await once(link.#server, 'listening');
    return link;
  }

  /** Where clients connect, `host:port`. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `${address}:${port}`;
  }

  fail(mode: LinkMode): void {
    this.mode = mode;
    for (const pair of this.#pairs) pair.settle();
  }

  /** Carries again. Connections that have lost bytes are reset; those that lead nowhere stay as they are. */
  heal(): void {
    this.fail(carrying);
    for (const pair of this.#pairs) if (pair.hasLostBytes) pair.cut();
  }

  /** Resets every connection. */
  cut(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  /** The server loses its connections; the clients are not notified. */
  halfOpen(): void {
    for (const pair of this.#pairs) pair.halfOpen();
  }

  /** Resets every connection, and listens no more. */
  async close(): Promise<void> {
    this.cut();
    for (const socket of this.#lost) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #join(near: Socket): void {
    near.on('error', () => {});
    // The bytes of a connection that leads nowhere are read, as by a machine that is alive but does not know it.
    if (this.mode.is === 'black hole') {
      near.resume();
      this.#lost.add(near);
      near.once('close', () => this.#lost.delete(near));
      return;
    }
    const [host, port] = hostAndPort(this.destination);
    const far = connect({ host, port, noDelay: true });
    far.on('error', () => {});
    const pair = new LinkedPair(this, near, far);
    this.#pairs.add(pair);
    near.once('close', () => this.#pairs.delete(pair));
  }
}

/** libuv does not reset a socket that is being shut down, and Node would then wait for its end, at 100 % CPU, when it exits. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function hostAndPort(address: string): readonly [string, number] {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}
