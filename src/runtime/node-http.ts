/**
 * Node's HTTP/1.1 module, loaded on first use and without undici. `import 'node:http'` evaluates every export of the module,
 * and the export `WebSocket` loads undici: 10 MiB of resident memory and 40 ms of every start.
 */
import type * as Http from 'node:http';

export function nodeHttp(): typeof Http {
  return process.getBuiltinModule('node:http');
}
