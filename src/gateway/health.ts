/**
 * `/health` as etcd answers it (etcd server/etcdserver/api/etcdhttp/health.go): no alarm that matters, a leader, and a read
 * that succeeds. The read is of one key of whoever asks, through the pipeline, so that it says what a call of his would
 * meet; `serializable=true` asks a member alone. Not a probe of this process: that is the admin address's part.
 */
import { method } from '../etcd/methods.ts';
import { Code, type Status } from '../grpc/status.ts';
import { Reader } from '../protobuf/reader.ts';
import { Writer } from '../protobuf/writer.ts';
import { type Answer, json } from './answer.ts';
import { type Asking, unary } from './unary.ts';

const range = method('etcdserverpb.KV/Range');
const alarm = method('etcdserverpb.Maintenance/Alarm');

/** The key that `etcdctl endpoint health` reads. It need not exist. */
const key = 'health';
/** AlarmType, by number. */
const alarmNames = ['NONE', 'NOSPACE', 'CORRUPT'];

const healthy: Answer = healthAnswer(null);

export async function health(
  asking: Asking,
  query: URLSearchParams,
  hasLeader: boolean,
): Promise<Answer> {
  const isSerializable = query.get('serializable') === 'true';
  if (!hasLeader && !isSerializable) return healthAnswer('RAFT NO LEADER');
  const alarms = await unary(asking, alarm, new Uint8Array(0));
  // etcd knows its alarms by itself: who may not ask for them is not sick for that.
  const raised = alarms.message === null ? null : raisedAlarm(alarms.message, query);
  if (raised !== null) return healthAnswer(`ALARM ${raised}`);
  const request = new Writer().string(1, key).bool(7, isSerializable).bool(8, true).finish();
  const { status } = await unary(asking, range, request);
  return isAnswer(status) ? healthy : healthAnswer(`RANGE ERROR:${status.text}`);
}

/** Whoever refuses a reader has an opinion on readers, and thereby works: so does `etcdctl endpoint health` see it. */
function isAnswer({ code }: Status): boolean {
  return code === Code.OK || code === Code.PERMISSION_DENIED || code === Code.UNAUTHENTICATED;
}

/** The first alarm of an AlarmResponse that the query does not exclude by name. */
function raisedAlarm(answer: Uint8Array, query: URLSearchParams): string | null {
  const excluded = new Set(query.getAll('exclude'));
  const reader = new Reader(answer);
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
 * The bytes of etcd 3.4 when all is well; beside `false` the reason that newer releases give. Clients read them as JSON or
 * compare them, and either works with both.
 */
function healthAnswer(failure: string | null): Answer {
  if (failure === null) return json(200, { health: 'true' });
  return json(503, { health: 'false', reason: failure });
}
