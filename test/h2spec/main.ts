/**
 * Runs h2spec, an independent HTTP/2 conformance suite, against the HTTP/2 engine of the native transport,
 * without gRPC: h2spec sends requests of a browser, which gRPC rejects before the frames that a case is about. It needs Go, which downloads and builds
 * h2spec. Exits with 0 if all cases pass.
 *
 * Run: node test/h2spec/main.ts
 */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { HeaderTemplate } from '../../src/http2/hpack/encoder.ts';
import type { HeaderList } from '../../src/http2/hpack/header-list.ts';
import { readPreface } from '../../src/http2/preface.ts';
import { ServerConnection } from '../../src/http2/server-connection.ts';
import { Stream } from '../../src/http2/stream.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const tool = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible';
const runMsMax = 300_000;
/** Without a limit on streams, h2spec skips the cases about it. */
const streamsMax = 100;

const nothing = Buffer.alloc(0);

/** Responds to any request, at its end, as h2spec expects it from a web server: with a body, which its window holds back. */
class Page extends Stream {
  override onHeaders(_: HeaderList, ended: boolean): void {
    if (ended) this.#respond();
  }
  override onData(_bytes: Buffer, _start: number, _end: number, ended: boolean): void {
    if (ended) this.#respond();
  }
  override onTrailers(): void {
    this.#respond();
  }
  override onReset(): void {}
  override onLost(): void {}
  override onDrained(): void {}

  #respond(): void {
    this.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
    this.sendData(nothing, Buffer.from('a response with a body\n'), true, false);
  }
}

function serve(socket: Socket, rest: Buffer): void {
  const connection = new ServerConnection({
    socket,
    clock: systemClock,
    keepAlive: { intervalMs: 7_200_000, timeoutMs: 20_000, whenIdle: true },
    onBug: (bug) => {
      throw bug;
    },
    streamsMax,
    acceptor: { accept: (opened) => new Page(opened), onClosed() {} },
  });
  if (rest.length > 0) connection.receive(rest);
}

const server = createServer((socket) => {
  socket.on('error', () => {});
  readPreface(socket, {
    onHttp2: (rest) => serve(socket, rest),
    onHttp1: () => socket.destroy(),
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const port = String((server.address() as AddressInfo).port);

const { failed, report, errors } = await new Promise<{
  failed: boolean;
  report: string;
  errors: string;
}>((resolve) => {
  const args = ['run', tool, '--strict', '--host', '127.0.0.1', '--port', port, '--timeout', '5'];
  execFile('go', args, { timeout: runMsMax, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
    resolve({ failed: error !== null, report: stdout.trim(), errors: stderr });
  });
});
server.close();
console.log(failed ? `${report}\n${errors}` : report.split('\n').at(-1));
process.exitCode = failed ? 1 : 0;
