/**
 * A wire between a client and a server that can be cut: a TCP relay that reads nothing of what it carries. Connections that
 * are cut see a reset, as after a crash; new ones are carried again.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export class Relay implements AsyncDisposable {
  readonly #server = createServer((socket) => this.#join(socket));
  readonly #sockets = new Set<Socket>();
  readonly #host: string;
  readonly #port: number;

  readonly #localAddress: string | undefined;

  private constructor(host: string, port: number, localAddress: string | undefined) {
    this.#host = host;
    this.#port = port;
    this.#localAddress = localAddress;
  }

  /** Carries to `host:port`. The server sees clients with `localAddress` if it is given. */
  static async to(address: string, localAddress?: string): Promise<Relay> {
    const colon = address.lastIndexOf(':');
    const relay = new Relay(
      address.slice(0, colon),
      Number(address.slice(colon + 1)),
      localAddress,
    );
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  /** Where clients connect, `host:port`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(near: Socket): void {
    const far = connect({
      ...{ port: this.#port, host: this.#host },
      ...(this.#localAddress !== undefined && { localAddress: this.#localAddress }),
    });
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  }
}
