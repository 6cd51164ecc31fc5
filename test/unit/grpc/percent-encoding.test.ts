import { describe, expect, test } from 'vitest';
import { percentDecode, percentEncode } from '../../../src/grpc/percent-encoding.ts';

describe('grpc-message', () => {
  test.each([
    ['etcdserver: no leader', 'etcdserver: no leader'],
    ['100 %', '100 %25'],
    ['a\nb', 'a%0Ab'],
    ['ü', '%C3%BC'],
    ['\u{1f409}', '%F0%9F%90%89'],
    ['\x7f', '%7F'],
  ])('%j is encoded as %s', (text, encoded) => {
    expect(percentEncode(text)).toBe(encoded);
    expect(percentDecode(encoded)).toBe(text);
  });

  test.each([
    ['50%', '50%'],
    ['%zz %4', '%zz %4'],
    ['%FF', '\ufffd'],
    ['%c3%bc', 'ü'],
  ])('%s, which is not valid, is read as %j', (encoded, text) => {
    expect(percentDecode(encoded)).toBe(text);
  });
});
