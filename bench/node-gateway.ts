/**
 * A separate program: forwards TCP bytes in Node, as `etcd gateway` does in Go. Its cost is the lower bound for every proxy
 * in Node.
 *
 * Usage: node bench/node-gateway.ts PORT ETCD_PORT
 */
import { connect, createServer } from 'node:net';

const [port = '', etcdPort = ''] = process.argv.slice(2);

createServer({ noDelay: true }, (client) => {
  const etcd = connect({ host: '127.0.0.1', port: Number(etcdPort), noDelay: true });
  client.on('data', (bytes) => etcd.write(bytes));
  etcd.on('data', (bytes) => client.write(bytes));
  for (const [one, other] of [
    [client, etcd],
    [etcd, client],
  ] as const) {
    // An error is followed by `close`.
    one.on('error', () => {});
    one.on('close', () => other.destroy());
  }
}).listen(Number(port), '127.0.0.1');
