import { join } from 'node:path';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { requests } from '../../../src/etcd/fields.ts';
import type { MessageFields, RequestRule } from '../../../src/rewrite/field-table.ts';

/** Message types of the table that have another name in the API. */
const aliases: { readonly [name: string]: string } = { ResignedKey: 'LeaderKey' };

const folder = join(import.meta.dirname, '../../../proto');
const definitions = loadSync(
  [
    ...['kv', 'watch', 'lease', 'cluster', 'maintenance', 'auth'].map((f) => `etcdserverpb/${f}`),
    ...['v3lockpb/lock', 'v3electionpb/election'],
  ].map((file) => `${file}.proto`),
  { includeDirs: [folder], keepCase: true },
);

function fieldNumbers(name: string): readonly number[] {
  const packages = ['etcdserverpb', 'v3lockpb', 'v3electionpb'];
  const found = packages
    .map((each) => definitions[`${each}.${aliases[name] ?? name}`])
    .find((each) => each !== undefined) as MessageTypeDefinition<object, object> | undefined;
  const type = found?.type as
    | { readonly field: readonly { readonly number: number }[] }
    | undefined;
  return (type?.field ?? []).map(({ number }) => number);
}

const tables: [string, MessageFields<RequestRule>][] = Object.entries(requests);

test.each(tables.filter(([name]) => name !== 'Plain'))(
  'the table knows all fields of %s',
  (name, { fields, plain = [] }) => {
    const known = [...Object.keys(fields).map(Number), ...plain];
    expect(known.toSorted((a, b) => a - b)).toEqual(fieldNumbers(name).toSorted((a, b) => a - b));
  },
);
