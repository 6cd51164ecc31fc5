/** The history of a prefix, as a watch from the beginning reports it. */
import type { GrpcClient } from '../support/client.ts';

export interface Recorded {
  readonly revision: number;
  /** `put` or `delete`, the key without the prefix, and the value, as one text. */
  readonly text: string;
  readonly key: string;
  readonly value: string;
}

/** All events after `after`, up to the current revision. */
export async function history(
  client: GrpcClient,
  prefix: string,
  after: number,
): Promise<readonly Recorded[]> {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  // A put behind everything ends the history.
  const mark = Buffer.from(`${prefix}~end of history ${performance.now()}`);
  await client.call('etcdserverpb.KV/Put', { key: mark });
  const stream = client.stream('etcdserverpb.Watch/Watch');
  stream.send({
    create_request: { key: Buffer.from(prefix), range_end: end, start_revision: String(after + 1) },
  });
  const recorded: Recorded[] = [];
  try {
    for (;;) {
      const { events } = await stream.next();
      for (const { type, kv } of events) {
        if (kv.key.equals(mark)) {
          await client.call('etcdserverpb.KV/DeleteRange', { key: mark });
          return recorded;
        }
        const key = kv.key.toString('latin1').slice(prefix.length);
        const value = kv.value.toString('base64');
        const text = `${type === 'PUT' ? 'put' : 'delete'} ${key} ${value}`;
        recorded.push({ revision: Number(kv.mod_revision), text, key, value });
      }
    }
  } finally {
    stream.cancel();
  }
}
