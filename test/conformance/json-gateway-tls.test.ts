/** JSON requests on connections with TLS, over HTTP/1.1 and HTTP/2, to etcd and through the proxy. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { Agent, request as https } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd, startSecureEtcd } from '../support/etcd.ts';
import { until } from '../support/until.ts';
import { type JsonRequest, masked } from './json-gateway/exchange.ts';

const range = { path: '/v3/kv/range', body: '{"key":"YQ=="}' };

const requests: readonly JsonRequest[] = [
  { name: 'a put', path: '/v3/kv/put', body: '{"key":"YQ==","value":"MQ=="}' },
  { name: 'a read', ...range },
  { name: 'a form', ...range, headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  { name: 'another host', ...range, headers: { host: 'rebound.example' } },
  { name: 'an old path', ...range, path: '/v3beta/kv/range' },
  { name: 'an error', path: '/v3/kv/range', body: '{}' },
  { name: 'no JSON', path: '/v3/kv/range', body: '{' },
  { name: 'an unknown path', ...range, path: '/v3/nothing' },
  { name: 'another verb', path: '/v3/kv/range', body: '', verb: 'GET' },
  { name: 'a deadline', ...range, headers: { 'grpc-timeout': '5S' } },
  { name: 'a deadline that is not valid', ...range, headers: { 'grpc-timeout': '5X' } },
  { name: 'a lease that does not exist', path: '/v3/lease/keepalive', body: '{"ID":"77"}' },
  { name: 'no page', path: '/nothing', body: '', verb: 'GET' },
];

interface Received {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

let authority: CertificateAuthority;
let client: KeyPair;
let direct: Etcd;
let behind: Etcd;
let proxy: ConfiguredProxy;
let urls: readonly string[];

beforeAll(async () => {
  authority = new CertificateAuthority();
  const server = authority.issue({ name: '/CN=localhost', alternativeNames: 'IP:127.0.0.1' });
  // A client without a common name, which etcd's gateway would reject under authentication.
  client = authority.issue({ name: '/O=client' });
  const secure = await startSecureEtcd(authority, server);
  direct = secure.etcd;
  behind = await startEtcd();
  proxy = await startConfigured({
    endpoints: [behind.clientUrl],
    tenants: [{ name: 'red', namespace: 'red/' }],
    cors: ['*'],
    listeners: [
      {
        ...{ address: '127.0.0.1:0', tenant: 'red' },
        ...{ 'cert-file': server.certificateFile, 'key-file': server.keyFile },
        'trusted-ca-file': authority.certificateFile,
      },
    ],
  });
  urls = [secure.secureUrl, `https://${proxy.addresses[0]}`];
  const version = { name: 'version', path: '/version', body: '', verb: 'GET' };
  await until('a version', async () => (await overHttp1(urls[1] ?? '', version)).status === 200);
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await direct?.[Symbol.asyncDispose]();
  await behind?.[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
});

const tls = () => ({ ca: authority.certificate, cert: client.certificate, key: client.key });

function overHttp1(
  url: string,
  { path, body, verb = 'POST', headers }: JsonRequest,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const agent = new Agent(tls());
    // Another Host header is not the name in the certificate.
    const checkServerIdentity = () => undefined;
    const options = { agent, method: verb, headers: { ...headers }, checkServerIdentity };
    const outgoing = https(`${url}${path}`, options, (response) => {
      let received = '';
      response.on('data', (part: Buffer) => {
        received += part.toString();
      });
      response.on('end', () => {
        agent.destroy();
        const type = response.headers['content-type'] ?? '';
        resolve({ status: response.statusCode ?? 0, type, body: received });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function overHttp2(session: ClientHttp2Session, wanted: JsonRequest): Promise<Received> {
  const { path, body, verb = 'POST', headers: { host, ...headers } = {} } = wanted;
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ...{ ':method': verb, ':path': path, ...headers },
      ...(host !== undefined && { ':authority': host }),
    });
    let received = '';
    let status = 0;
    let type = '';
    stream.on('response', (head) => {
      status = Number(head[':status']);
      type = head['content-type'] ?? '';
    });
    stream.on('data', (part: Buffer) => {
      received += part.toString();
    });
    stream.on('error', reject);
    stream.on('end', () => resolve({ status, type, body: received }));
    if (verb !== 'GET') stream.end(body);
  });
}

const comparable = ({ status, type, body }: Received) =>
  masked({ status, headers: { 'content-type': type }, body });

describe('JSON with TLS gets the responses of etcd', () => {
  test.each(requests)('over HTTP/1.1: $name', async (request) => {
    const [expected, got] = await Promise.all(urls.map((url) => overHttp1(url, request)));
    if (expected === undefined || got === undefined) throw new Error('no response');
    expect(comparable(got)).toEqual(comparable(expected));
  });

  test('over HTTP/2', async () => {
    const sessions = urls.map((url) => connect(url, tls()));
    for (const request of requests) {
      const [expected, got] = await Promise.all(
        sessions.map((session) => overHttp2(session, request)),
      );
      if (expected === undefined || got === undefined) throw new Error('no response');
      expect(comparable(got), request.name).toEqual(comparable(expected));
    }
    for (const session of sessions) session.close();
  });
});
