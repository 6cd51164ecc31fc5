/**
 * `/health` as in etcd (etcd server/etcdserver/api/etcdhttp/health.go): no relevant alarm, a leader, and a read that
 * succeeds. The read goes through the pipeline as the client's tenant, so it fails if the client's own calls would fail.
 * `serializable=true` reads from one member without consensus. Probes of this process are on the admin address.
 */
import { method } from '../etcd/methods.ts';
import { Code, type Status } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import { json, type Page } from './page.ts';
import { type RequestContext, unary } from './unary.ts';

const range = method('etcdserverpb.KV/Range');
const alarm = method('etcdserverpb.Maintenance/Alarm');

/** The key that `etcdctl endpoint health` reads. It need not exist. */
const key = 'health';
/** Names of AlarmType, by number. */
const alarmNames = ['NONE', 'NOSPACE', 'CORRUPT'];

const healthyPage: Page = healthPage(null);

export async function health(
  context: RequestContext,
  query: URLSearchParams,
  hasLeader: boolean,
): Promise<Page> {
  const isSerializable = query.get('serializable') === 'true';
  if (!hasLeader && !isSerializable) return healthPage('RAFT NO LEADER');
  const alarms = await unary(context, alarm, new Uint8Array(0));
  // A tenant that may not read alarms is not unhealthy. etcd itself needs no permission to read them.
  const raised = alarms.message === null ? null : raisedAlarm(alarms.message, query);
  if (raised !== null) return healthPage(`ALARM ${raised}`);
  const request = new Writer().string(1, key).bool(7, isSerializable).bool(8, true).finish();
  const { status } = await unary(context, range, request);
  return provesHealth(status) ? healthyPage : healthPage(`RANGE ERROR:${status.text}`);
}

/** A server that rejects a reader for its permissions works. `etcdctl endpoint health` has the same rule. */
function provesHealth({ code }: Status): boolean {
  return code === Code.OK || code === Code.PERMISSION_DENIED || code === Code.UNAUTHENTICATED;
}

/** Returns the first alarm of an AlarmResponse that the query does not exclude by name. */
function raisedAlarm(response: Uint8Array, query: URLSearchParams): string | null {
  const excluded = new Set(query.getAll('exclude'));
  const reader = new Reader(response);
  while (reader.next()) {
    if (reader.field !== 2) continue;
    const member = reader.message();
    let kind = 0;
    while (member.next()) if (member.field === 2) kind = member.number();
    const name = alarmNames[kind] ?? 'UNKNOWN';
    if (!excluded.has(name)) return name;
  }
  return null;
}

/**
 * If healthy, the exact bytes of etcd 3.4, because some clients compare them. Otherwise with the reason that newer releases
 * of etcd add.
 */
function healthPage(failure: string | null): Page {
  if (failure === null) return json(200, { health: 'true' });
  return json(503, { health: 'false', reason: failure });
}
