/** The bytes that the bench sends and reads, spelt out against protobuf's and gRPC's own rules. */
import { describe, expect, test } from 'vitest';
import {
  grpcFrame,
  isWatchCreated,
  keyValuesOf,
  leasedPutRequest,
  leaseGrantRequest,
  leaseIdOf,
  leaseKeepAliveRequest,
  putRequest,
  rangeRequest,
  revisionOf,
  watchCreateRequest,
} from '../../../bench/messages.ts';

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

describe('requests', () => {
  test('a put carries key and value', () => {
    expect(putRequest('k', Buffer.from('v'))).toEqual(bytes('0a 01 6b 12 01 76'));
  });

  test('a value of 256 bytes has a length of two bytes', () => {
    expect(putRequest('k', Buffer.alloc(256)).subarray(3, 6)).toEqual(bytes('12 80 02'));
  });

  test('a range names its end only when it has one', () => {
    expect(rangeRequest('k')).toEqual(bytes('0a 01 6b'));
    expect(rangeRequest('k', 'l')).toEqual(bytes('0a 01 6b 12 01 6c'));
    expect(rangeRequest('k', 'l', true)).toEqual(bytes('0a 01 6b 12 01 6c 38 01'));
  });

  test('a watch is created inside of its request', () => {
    expect(watchCreateRequest('k')).toEqual(bytes('0a 03 0a 01 6b'));
  });

  test('a watch of a range may start at a revision', () => {
    expect(watchCreateRequest('k', 'l', 300)).toEqual(bytes('0a 09 0a 01 6b 12 01 6c 18 ac 02'));
  });

  test('leases have IDs of up to 63 bits', () => {
    const encoded = 'ff ff ff ff ff ff ff ff 7f';
    const id = bytes(encoded);
    expect(leaseGrantRequest(30)).toEqual(bytes('08 1e'));
    expect(leaseKeepAliveRequest(id)).toEqual(bytes(`08 ${encoded}`));
    expect(leasedPutRequest('k', Buffer.from('v'), id)).toEqual(
      bytes(`0a 01 6b 12 01 76 18 ${encoded}`),
    );
    expect(leaseIdOf(bytes(`0a 02 18 09 10 ${encoded} 18 1e`))).toEqual(id);
  });

  test('a gRPC frame is a flag, a length and the message', () => {
    expect(grpcFrame(bytes('0a 01 6b'))).toEqual(bytes('00 00 00 00 03 0a 01 6b'));
  });
});

describe('responses', () => {
  // cluster_id of all ones: larger than a number holds exactly, and in front of what is looked for.
  const header = bytes('0a 0e 08 ff ff ff ff ff ff ff ff ff 01 18 ac 02');

  test('the revision is in the header', () => {
    expect(revisionOf(header)).toBe(300);
  });

  test('keys and values are found beside other fields', () => {
    const response = Buffer.concat([header, bytes('12 08 0a 01 6b 18 02 2a 01 76 20 01')]);
    expect(keyValuesOf(response)).toEqual([{ key: 'k', value: Buffer.from('v') }]);
  });

  test('a watch counts as created only if it was not rejected in the same response', () => {
    expect(isWatchCreated(Buffer.concat([header, bytes('18 01')]))).toBe(true);
    expect(isWatchCreated(Buffer.concat([header, bytes('18 01 20 01')]))).toBe(false);
    expect(isWatchCreated(header)).toBe(false);
  });

  test('bytes that end within a number are refused', () => {
    expect(() => revisionOf(bytes('0a ff'))).toThrow(RangeError);
  });
});
