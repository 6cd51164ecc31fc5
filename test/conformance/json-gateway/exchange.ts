/** HTTP requests to a JSON gateway, and what of the responses has to be the same everywhere. */
import { type IncomingHttpHeaders, request } from 'node:http';

export interface JsonRequest {
  /** Unique in the list, and says what is special. */
  readonly name: string;
  readonly path: string;
  /** The body. Characters are bytes. */
  readonly body: string;
  readonly verb?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The response does not end. It is cut off after so many lines. */
  readonly lines?: number;
  /** Some releases never respond. */
  readonly mayHang?: true;
}

export interface JsonResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Headers that are compared. The others are those of the HTTP library, such as Date. */
const compared = [
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'allow',
  'content-type',
  'grpc-metadata-content-type',
  'location',
  'www-authenticate',
  'x-content-type-options',
];

/** Time until a server counts as one that does not respond. */
const silentMs = 15_000;
/** The same, if that is expected. */
const hangingMs = 1_500;

/** Resolves with null if the server does not respond, or closes the connection without a response. */
export function send(address: string, wanted: JsonRequest): Promise<JsonResponse | null> {
  const { path, body, verb = 'POST', headers = {}, lines, mayHang } = wanted;
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const outgoing = request({ host, port, path, method: verb, headers, agent: false });
    const timer = setTimeout(() => outgoing.destroy(), mayHang === true ? hangingMs : silentMs);
    const finish = (response: JsonResponse | null) => {
      clearTimeout(timer);
      outgoing.destroy();
      resolve(response);
    };
    outgoing.on('error', () => finish(null));
    outgoing.on('close', () => finish(null));
    outgoing.on('response', (incoming) => {
      let received = '';
      const whole = () => ({
        status: incoming.statusCode ?? 0,
        headers: comparedOf(incoming.headers),
        body: received,
      });
      incoming.setEncoding('utf8');
      incoming.on('data', (part: string) => {
        received += part;
        if (lines !== undefined && received.split('\n').length > lines) finish(whole());
      });
      incoming.on('end', () => finish(whole()));
    });
    outgoing.end(Buffer.from(body, 'latin1'));
  });
}

function comparedOf(headers: IncomingHttpHeaders): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of compared) {
    const value = headers[name];
    if (value !== undefined) found[name] = String(value);
  }
  return found;
}

/**
 * Without what differs between two clusters, and between two binaries of the same etcd: the protobuf library of 3.6 and later
 * decides by a hash of the binary whether it writes a space after commas, and a no-break space in its errors.
 */
export function masked(response: JsonResponse | null): JsonResponse | null {
  if (response === null) return null;
  const body = response.body
    .replace(/("(?:[^"\\]|\\.)*")|, /g, (_, text: string | undefined) => text ?? ',')
    .replaceAll('proto:\u00a0', 'proto: ')
    .replace(/"ID":"\d{7,}"/g, '"ID":"…"')
    .replace(/"(cluster_id|member_id|raft_term|leader|raftTerm)":"\d+"/g, '"$1":"…"');
  return { ...response, body };
}
