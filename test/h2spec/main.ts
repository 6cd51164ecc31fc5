/**
 * Runs h2spec, an independent HTTP/2 conformance suite, against the native transport. It needs Go, which downloads and builds
 * h2spec. Exits with 0 if all cases pass.
 *
 * Run: node test/h2spec/main.ts
 */

import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { endedCall } from '../../src/grpc/call.ts';
import { NativeServerTransport } from '../../src/grpc/native/server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { connectionsOf } from '../support/client-connections.ts';
import { memoryOf } from '../support/message-memory.ts';

const tool = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible';
const runMsMax = 300_000;
/** Without a limit on streams, h2spec skips the cases about it. */
const streamsMax = 100;

const transport = new NativeServerTransport({
  clock: systemClock,
  memory: memoryOf(),
  connections: connectionsOf(),
  onFault: (fault) => {
    throw fault;
  },
  http1: createServer((_, response) => response.end()),
});
const listener = await transport.listen(
  {
    name: 'h2spec',
    address: { host: '127.0.0.1', port: 0 },
    tls: null,
    messageBytesMax: 2_097_152,
    streamsMax,
  },
  { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
);
const port = listener.address.slice(listener.address.lastIndexOf(':') + 1);

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
await listener.drain(0);
console.log(failed ? `${report}\n${errors}` : report.split('\n').at(-1));
process.exitCode = failed ? 1 : 0;
