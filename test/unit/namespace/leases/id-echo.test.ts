import { describe, expect, test } from 'vitest';
import { answerOf, bytes, encodeResponse, header, Setup } from '../setup.ts';

const name = 'etcdserverpb.Lease/LeaseTimeToLive';

describe('looking a lease up', () => {
  test.each(['0', '-1', '2147483648', '9223372036854775807'])(
    'one with the ID %s does not exist, and the response has that ID',
    (id) => {
      const setup = new Setup();
      const never = String(setup.tenant.keySpace.leases.stored(0));
      const { heard } = setup.unary(name, { ID: id, keys: true });
      expect(setup.stored(name)).toEqual({ ID: never, keys: true });
      setup.etcd.last.respond(encodeResponse(name, { header, ID: never, TTL: -1 }));
      expect(answerOf(name, heard)).toMatchObject({ ID: id, TTL: '-1', header });
    },
  );

  test('one of the tenant shows its keys by their visible names, and no others', () => {
    const setup = new Setup();
    const stored = String(setup.tenant.keySpace.leases.stored(9));
    const { heard } = setup.unary(name, { ID: 9, keys: true });
    expect(setup.stored(name).ID).toBe(stored);
    const keys = [bytes('t1/a'), bytes('t2/b')];
    setup.etcd.last.respond(encodeResponse(name, { header, ID: stored, TTL: 5, keys }));
    expect(answerOf(name, heard)).toMatchObject({ ID: '9', TTL: '5', keys: [bytes('a')] });
  });

  test('an ID that is refused is refused as it was sent', () => {
    const setup = new Setup();
    const { heard } = setup.unaryBytes(name, Uint8Array.of(0x08, 1, 0x08, 2));
    expect(heard.status).not.toBeNull();
    expect(setup.etcd.calls).toEqual([]);
  });

  test('the tenant that owns the cluster looks up any', () => {
    const setup = new Setup('');
    setup.unary(name, { ID: '7587866000000000000' });
    expect(setup.stored(name).ID).toBe('7587866000000000000');
  });
});
