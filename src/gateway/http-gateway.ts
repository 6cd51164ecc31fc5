/**
 * HTTP besides gRPC on the client port, on HTTP/1.1 and HTTP/2: the pages that tools and client libraries request from etcd, and
 * etcd's API as JSON below `/v3/`.
 */
import type { Etcd } from '../call/call.ts';
import type { RefusalName } from '../call/refusals.ts';
import { etcdTimeoutMs } from '../etcd/outcomes.ts';
import type { MessageMemory } from '../grpc/message-memory.ts';
import type { Clock } from '../runtime/clock.ts';
import { type AccessRules, corsHeaders, isOwnName } from './access.ts';
import type { HttpExchange } from './exchange.ts';
import { health } from './health.ts';
import type { JsonGateway } from './json/gateway.ts';
import { metricsPage, type VisibleMetric } from './metrics.ts';
import { type Page, text, writePage } from './page.ts';
import { cleanPath, parseTarget, type Target } from './target.ts';
import type { RequestContext } from './unary.ts';
import { oldestRelease, versionPage } from './version.ts';

/** The last known state of a member. */
export interface MemberReport {
  /** `ready` if the proxy is connected and the member has a leader. */
  readonly state: string;
  /** Empty if it is not known yet. */
  readonly version: string;
}

export interface GatewayParts extends AccessRules {
  /** The top of the pipeline. */
  readonly etcd: Etcd<'client'>;
  /** Called at every request. */
  readonly upstream: () => readonly MemberReport[];
  /** A metric of the process in Prometheus' text format. */
  readonly processMetric: (name: VisibleMetric) => Promise<string>;
  /** Whether `/v3/` is served. */
  readonly hasJson: boolean;
  readonly memory: MessageMemory;
  /** Of a message in JSON, once it is protobuf. */
  readonly messageBytesMax: number;
  /** Called for a JSON request that never enters the pipeline, for metrics. */
  readonly onRejected: (reason: RefusalName) => void;
  readonly clock: Clock;
  /** Called with an exception, which is always a bug. The request gets status 500. */
  readonly onFault: (fault: unknown) => void;
}

/** Those below /proxy are etcd's own proxy's, which has them on the client port too. */
const paths: ReadonlySet<string> = new Set([
  ...['/health', '/metrics', '/version', '/proxy/health', '/proxy/metrics'],
]);
/** How long the release of etcd is remembered. */
const releaseMs = 1_000;
/** While no member has reported its version. */
const newestMinor = 7;

export class HttpGateway {
  readonly #parts: GatewayParts;
  #json: JsonGateway | null = null;
  #loading: Promise<JsonGateway> | null = null;
  #minor = newestMinor;
  #minorUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** An exception ends this request with status 500, or its connection if the response has begun. */
  serve(exchange: HttpExchange): void {
    this.#route(exchange).catch((fault: unknown) => {
      this.#parts.onFault(fault);
      exchange.abort();
    });
  }

  async #route(exchange: HttpExchange): Promise<void> {
    const parts = this.#parts;
    if (!isOwnName(exchange, parts)) {
      writePage(exchange, text(421, 'unknown host name'), []);
      return;
    }
    const cors = corsHeaders(exchange, parts);
    if (cors === null) {
      writePage(exchange, text(403, 'the origin of the page is not allowed, see --cors'), []);
      return;
    }
    if (exchange.method === 'OPTIONS') {
      exchange.head(200, cors);
      exchange.end('');
      return;
    }
    const target = parseTarget(exchange.target);
    if (target === null) {
      writePage(exchange, text(400, '400 Bad Request'), cors);
      return;
    }
    const path = target.path.replace(/^\/v3beta\//, '/v3/');
    const clean = parts.hasJson && path === '/v3' ? '/v3/' : cleanPath(path);
    if (clean !== path) {
      this.#redirect(exchange, clean, target, cors);
      return;
    }
    if (parts.hasJson && path.startsWith('/v3/')) {
      await this.#serveJson(exchange, path, cors);
      return;
    }
    try {
      writePage(exchange, await this.#page(exchange, path, target), cors);
    } catch (fault) {
      parts.onFault(fault);
      writePage(exchange, text(500, 'internal error'), cors);
    }
  }

  /** As Go's multiplexer, which changed the status in a release between those of etcd 3.4 and 3.5. */
  #redirect(
    exchange: HttpExchange,
    path: string,
    { query }: Target,
    cors: readonly string[],
  ): void {
    const location = encodeURI(path) + (query === '' ? '' : `?${query}`);
    exchange.head(this.#release() === 4 ? 301 : 307, [...cors, ...['Location', location]]);
    exchange.end('');
  }

  async #serveJson(exchange: HttpExchange, path: string, cors: readonly string[]): Promise<void> {
    const parts = this.#parts;
    if (this.#json === null) {
      this.#loading ??= import('./json/gateway.ts').then(({ JsonGateway }) =>
        JsonGateway.load(parts),
      );
      this.#json = await this.#loading;
    }
    this.#json.serve(exchange, path, this.#release(), cors);
  }

  /** The minor release of the oldest member. */
  #release(): number {
    const { clock, upstream } = this.#parts;
    const nowMs = clock.nowMs();
    if (nowMs < this.#minorUntilMs) return this.#minor;
    const oldest = oldestRelease(upstream().map(({ version }) => version));
    if (oldest === null) return newestMinor;
    this.#minor = oldest.minor;
    this.#minorUntilMs = nowMs + releaseMs;
    return this.#minor;
  }

  async #page(exchange: HttpExchange, path: string, { query }: Target): Promise<Page> {
    const { etcd, upstream, processMetric, clock } = this.#parts;
    if (!paths.has(path)) return text(404, '404 page not found');
    if (exchange.method !== 'GET') return text(405, 'Method Not Allowed');
    if (path.endsWith('/metrics')) return metricsPage(processMetric);
    const members = upstream();
    if (path === '/version') return versionPage(members.map(({ version }) => version));
    const authorization = exchange.header('authorization');
    const disconnected = new AbortController();
    exchange.onClose = () => disconnected.abort();
    const context: RequestContext = {
      etcd,
      peer: exchange.peer,
      metadata: authorization === undefined ? [] : ['authorization', authorization],
      deadlineMs: clock.nowMs() + etcdTimeoutMs,
      signal: disconnected.signal,
    };
    const hasLeader = members.some(({ state }) => state === 'ready');
    return health(context, new URLSearchParams(query), hasLeader);
  }
}
