/** A DNS server on loopback that answers SRV queries from a table, over UDP. Gone when it is disposed of. */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';

export interface SrvAnswer {
  readonly name: string;
  readonly port: number;
}

const srvType = 33;
const inClass = 1;
const noSuchName = 3;
const serverFailure = 2;

export class DnsServer implements AsyncDisposable {
  /** By name. A name that is missing does not exist. */
  readonly records = new Map<string, readonly SrvAnswer[]>();
  /** The names of the queries, in order. */
  readonly queries: string[] = [];
  /** `fail`: answers with an error. `silent`: does not answer. */
  mode: 'answer' | 'fail' | 'silent' = 'answer';
  readonly #socket = createSocket('udp4');

  static async start(): Promise<DnsServer> {
    const server = new DnsServer();
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    server.#socket.on('message', (query, { port, address }) => {
      const response = server.#respond(query);
      if (response !== null) server.#socket.send(response, port, address);
    });
    return server;
  }

  /** Asks this server alone. */
  resolver(): Resolver {
    const resolver = new Resolver({ timeout: 300, tries: 1 });
    resolver.setServers([`127.0.0.1:${this.#socket.address().port}`]);
    return resolver;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #respond(query: Buffer): Buffer | null {
    const labels: string[] = [];
    let at = 12;
    for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.');
    this.queries.push(name);
    if (this.mode === 'silent') return null;
    const found = this.records.get(name);
    const code = this.mode === 'fail' ? serverFailure : found === undefined ? noSuchName : 0;
    const answers = code === 0 ? (found ?? []) : [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    return Buffer.concat([head, query.subarray(12, at + 5), ...answers.map(record)]);
  }
}

/** Its name is that of the question. */
function record({ name, port }: SrvAnswer): Buffer {
  const target = Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.of(0),
  ]);
  const head = Buffer.alloc(18);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(srvType, 2);
  head.writeUInt16BE(inClass, 4);
  head.writeUInt32BE(1, 6);
  head.writeUInt16BE(6 + target.length, 10);
  head.writeUInt16BE(port, 16);
  return Buffer.concat([head, target]);
}
