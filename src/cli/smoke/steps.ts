/**
 * The steps of the smoke test. All use one key with a random name, under `etcd-bulkhead-smoke-test/`, and a lease that
 * expires by itself if a step fails. Each step throws if a response is not as etcd's would be.
 */
import { Writer } from '../../protobuf/writer.ts';
import { systemRandom } from '../../runtime/random.ts';
import { type Etcd, field, integer, type Stream, textOf } from './etcd.ts';

export interface Step {
  readonly name: string;
  readonly run: (etcd: Etcd) => Promise<void>;
}

const leaseSeconds = 60;
const tooMany = 1_000_000_000;

/** For one run, because the steps share the key, the lease and the watch. */
export function steps(): readonly Step[] {
  const key = Buffer.from(`etcd-bulkhead-smoke-test/${systemRandom.integer(0, tooMany)}`);
  const value = Buffer.from(`value ${systemRandom.integer(0, tooMany)}`);
  let lease = 0n;
  let watch: Stream | null = null;
  return [
    {
      name: 'grant a lease',
      run: async (etcd) => {
        const request = new Writer().varint(1, leaseSeconds).finish();
        lease = integer(await etcd.call('etcdserverpb.Lease/LeaseGrant', request), 2);
        expect(lease > 0n, 'the lease has no ID');
      },
    },
    {
      name: 'watch a key',
      run: async (etcd) => {
        watch = etcd.stream('etcdserverpb.Watch/Watch');
        watch.send(new Writer().message(1, new Writer().bytes(1, key).finish()).finish());
        expect(integer(await watch.next(), 3) === 1n, 'the watch was not created');
      },
    },
    {
      name: 'put it with the lease',
      run: async (etcd) => {
        const request = new Writer().bytes(1, key).bytes(2, value).varint(3, lease).finish();
        await etcd.call('etcdserverpb.KV/Put', request);
      },
    },
    {
      name: 'receive the event',
      run: async () => {
        const event = field((await watch?.next()) ?? new Uint8Array(0), 11);
        expect(integer(event, 1) === 0n, 'the event is not a put');
        expectKeyValue(field(event, 2), key, value, lease);
      },
    },
    {
      name: 'get it',
      run: async (etcd) => {
        const response = await etcd.call(
          'etcdserverpb.KV/Range',
          new Writer().bytes(1, key).finish(),
        );
        expect(integer(response, 4) === 1n, 'the key was not found');
        expectKeyValue(field(response, 2), key, value, lease);
      },
    },
    {
      name: 'keep the lease alive',
      run: async (etcd) => {
        using stream = etcd.stream('etcdserverpb.Lease/LeaseKeepAlive');
        stream.send(new Writer().varint(1, lease).finish());
        const response = await stream.next();
        expect(integer(response, 2) === lease, 'the response is for another lease');
        expect(integer(response, 3) === BigInt(leaseSeconds), 'the lease was not renewed');
      },
    },
    {
      name: 'revoke the lease, which deletes the key',
      run: async (etcd) => {
        using stream = watch;
        await etcd.call('etcdserverpb.Lease/LeaseRevoke', new Writer().varint(1, lease).finish());
        const event = field((await stream?.next()) ?? new Uint8Array(0), 11);
        expect(integer(event, 1) === 1n, 'the event is not a delete');
        expect(textOf(field(field(event, 2), 1)) === textOf(key), 'another key was deleted');
      },
    },
  ];
}

/** KeyValue: key, create_revision, mod_revision, version, value, lease. */
function expectKeyValue(found: Uint8Array, key: Buffer, value: Buffer, lease: bigint): void {
  expect(key.equals(field(found, 1)), `the key is ${JSON.stringify(textOf(field(found, 1)))}`);
  expect(value.equals(field(found, 5)), 'the value is another one');
  expect(integer(found, 6) === lease, 'the key has another lease');
}

function expect(isTrue: boolean, otherwise: string): void {
  if (!isTrue) throw new Error(otherwise);
}
