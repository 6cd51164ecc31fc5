/** The definitions in proto/ against those of an independent client, and against the table of methods. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as protoLoader from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import { methods } from '../../../src/etcd/methods.ts';
import { definitions } from '../../support/codec.ts';
import { factsOf } from '../../support/definitions.ts';

const etcd3Dir = join(
  dirname(createRequire(import.meta.url).resolve('etcd3/package.json')),
  'proto',
);
const ours = factsOf(definitions);
const theirs = new Map(
  [
    ...factsOf(
      protoLoader.loadSync(['rpc.proto', 'kv.proto', 'auth.proto'], {
        includeDirs: [etcd3Dir],
        keepCase: true,
      }),
    ),
  ].map(([name, fact]) => [asEtcdSpells(name), fact]),
);

/** The package writes the values of this one enum in another case than etcd. */
function asEtcdSpells(name: string): string {
  return name.replace(/(?<=^etcdserverpb\.AlarmType\.).*/, (value) => value.toUpperCase());
}

/** What etcd's members only store or send to each other does not concern clients. */
const isInternal = (name: string) =>
  /^(authpb\.(User|Role)(\.|$)|etcdserverpb\.LeaseCheckpoint)/.test(name);

/** What etcd has gained since the etcd3 package was cut, or serves beside its own API. */
const isNewer = (name: string) =>
  /^(v3lockpb|v3electionpb|grpc\.health\.v1)\./.test(name) ||
  /RangeStream|AuthStatus|[Dd]owngrade|hashedPassword/.test(name) ||
  [
    'etcdserverpb.MemberListRequest.linearizable',
    'etcdserverpb.HashKVResponse.hash_revision',
    'etcdserverpb.SnapshotResponse.version',
    'etcdserverpb.StatusResponse.storageVersion',
    'etcdserverpb.StatusResponse.dbSizeQuota',
  ].includes(name);

describe('the definitions of the API', () => {
  test('say of every name that the etcd3 package knows exactly what it says', () => {
    const different = [...theirs].filter(
      ([name, fact]) => !isInternal(name) && ours.get(name) !== fact,
    );
    expect(different).toEqual([]);
    expect(theirs.size).toBeGreaterThan(250);
  });

  test('know nothing beyond it but what etcd gained since', () => {
    const extra = [...ours.keys()].filter((name) => !theirs.has(name) && !isNewer(name));
    expect(extra).toEqual([]);
  });

  test('hold exactly the methods of the table, and they stream the same way', () => {
    const streams = (fact: string) => ({
      requestStream: fact.startsWith('stream '),
      responseStream: fact.includes('→ stream '),
    });
    const defined = [...ours].filter(([name]) => name.includes('/'));
    expect(new Map(defined.map(([name, fact]) => [name, streams(fact)]))).toEqual(
      new Map(
        methods.map(({ name, requestStream, responseStream }) => [
          name as string,
          // The table counts a bidirectional method as streaming in both directions.
          { requestStream, responseStream },
        ]),
      ),
    );
  });

  test('give no number twice within a message', () => {
    const numbers = new Map<string, string>();
    for (const [name, fact] of ours) {
      if (!/^\d+ TYPE/.test(fact)) continue;
      const place = `${name.slice(0, name.lastIndexOf('.'))} ${fact.split(' ', 1)[0]}`;
      expect(numbers.get(place)).toBeUndefined();
      numbers.set(place, name);
    }
    expect(numbers.size).toBeGreaterThan(200);
  });
});
