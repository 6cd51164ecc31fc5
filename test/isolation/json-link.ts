/**
 * An intruder's calls as JSON over HTTP. Requests are converted from protobuf, so the attacks are the same as with gRPC. Bytes that are
 * not a message of the API are sent as they are.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type MethodName, methods } from '../../src/etcd/methods.ts';
import { plainString } from '../../src/gateway/json/json-strings.ts';
import { messageToJson } from '../../src/gateway/json/json-writer.ts';
import { MessageOutput } from '../../src/gateway/json/message-output.ts';
import { Definitions, type MethodTypes } from '../../src/gateway/json/message-type.ts';
import { decodeProtojson } from '../../src/gateway/json/protojson-decoder.ts';
import { paths, routeOf } from '../../src/gateway/json/routes.ts';
import { Code } from '../../src/grpc/status.ts';
import { etcdVersion } from '../support/etcd-release.ts';
import { Attempt, type Link } from './intruder.ts';

const [, minor = 0] = etcdVersion();
const pathOf = new Map(paths.map((path) => [routeOf(path, minor)?.name, path]));

/** The methods that have a path in the release under test. */
export const jsonMethods: readonly MethodName[] = methods
  .map(({ name }) => name)
  .filter((name) => pathOf.has(name));

export async function jsonLink(address: string): Promise<Link> {
  const definitions = await Definitions.load();
  return {
    open: (name, heard) => new JsonAttempt(address, name, definitions.method(name), heard),
    [Symbol.dispose]() {},
  };
}

interface JsonError {
  readonly code?: number;
  readonly grpc_code?: number;
  readonly message?: string;
}

class JsonAttempt extends Attempt {
  readonly ended: Promise<void>;
  readonly #types: MethodTypes;
  readonly #heard: Buffer[];
  readonly #outgoing: ClientRequest;
  #rest = '';

  constructor(address: string, name: MethodName, types: MethodTypes, heard: Buffer[]) {
    super();
    this.#types = types;
    this.#heard = heard;
    const url = `http://${address}${pathOf.get(name)}`;
    this.#outgoing = request(url, { method: 'POST', agent: false });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#outgoing.on('error', () => {});
    this.#outgoing.on('close', () => {
      this.#end(Code.CANCELLED, '');
      resolve();
    });
    this.#outgoing.on('response', (response) => this.#read(response));
    this.#outgoing.flushHeaders();
  }

  send(message: Uint8Array): void {
    const json = messageToJson(this.#types.request, message, plainString);
    this.#outgoing.write(json === null ? Buffer.from(message) : `${json}\n`);
  }

  halfClose(): void {
    this.#outgoing.end();
  }

  cancel(): void {
    this.#outgoing.destroy();
  }

  #read(response: IncomingMessage): void {
    this.#heard.push(Buffer.from(JSON.stringify(response.rawHeaders)));
    response.on('error', () => {});
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      const lines = `${this.#rest}${part}`.split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#line(line);
    });
    response.on('end', () => {
      if (this.#rest !== '') this.#line(this.#rest, response.statusCode !== 200);
      this.#end(Code.OK, '');
    });
  }

  #line(line: string, isError = false): void {
    this.#heard.push(Buffer.from(line));
    const value = JSON.parse(line) as Record<string, unknown>;
    const error = (value['error'] instanceof Object ? value['error'] : value) as JsonError;
    if (isError || error !== value) {
      this.#end(error.grpc_code ?? error.code ?? 0, error.message ?? '');
      return;
    }
    const result = value['result'] ?? value;
    const out = new MessageOutput(line.length);
    const failure = decodeProtojson(Buffer.from(JSON.stringify(result)), this.#types.response, out);
    if (failure !== null) throw new Error(`${failure}: ${line}`);
    const message = Buffer.from(out.take());
    this.messages.push(message);
    this.#heard.push(message);
  }

  #end(code: number, details: string): void {
    this.status ??= { code, details };
  }
}
