/** The examples of RFC 7541, appendix C, and the limits and errors of decoder and encoder. */
import { describe, expect, test } from 'vitest';
import { HpackDecoder } from '../../../../src/http2/hpack/decoder.ts';
import { HeaderTemplate, HpackEncoder, literalField } from '../../../../src/http2/hpack/encoder.ts';
import type { HeaderList } from '../../../../src/http2/hpack/header-list.ts';
import {
  huffmanDecode,
  huffmanEncode,
  huffmanLength,
} from '../../../../src/http2/hpack/huffman.ts';

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

function decode(decoder: HpackDecoder, hex: string): HeaderList {
  const block = bytes(hex);
  const list = decoder.decode(block, 0, block.length);
  if (list === null) throw new Error('malformed block');
  return list;
}

const requests = {
  'without Huffman (C.3)': [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ],
  'with Huffman (C.4)': [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ],
};

describe.each(Object.entries(requests))('requests %s', (_, blocks) => {
  test('decode to the lists of the RFC', () => {
    const decoder = new HpackDecoder(4096, 65_536);
    const first = decode(decoder, blocks[0]!);
    expect([first.method, first.scheme, first.path, first.authority]).toEqual([
      'GET',
      'http',
      '/',
      'www.example.com',
    ]);
    const second = decode(decoder, blocks[1]!);
    expect(second.authority).toBe('www.example.com');
    expect(second.fields).toEqual(['cache-control', 'no-cache']);
    const third = decode(decoder, blocks[2]!);
    expect([third.scheme, third.path]).toEqual(['https', '/index.html']);
    expect(third.fields).toEqual(['custom-key', 'custom-value']);
  });
});

const responses = {
  'without Huffman (C.5)': [
    '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '4803 3330 37c1 c0bf',
    '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
  ],
  'with Huffman (C.6)': [
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    '4883 640e ffc1 c0bf',
    '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
  ],
};

describe.each(Object.entries(responses))('responses %s', (_, blocks) => {
  test('decode to the lists of the RFC, with a table so small that entries are evicted', () => {
    const decoder = new HpackDecoder(256, 65_536);
    const first = decode(decoder, blocks[0]!);
    expect(first.status).toBe(302);
    expect(first.fields).toEqual([
      'cache-control',
      'private',
      'date',
      'Mon, 21 Oct 2013 20:13:21 GMT',
      'location',
      'https://www.example.com',
    ]);
    const second = decode(decoder, blocks[1]!);
    expect(second.status).toBe(307);
    expect(second.fields).toEqual(first.fields);
    const third = decode(decoder, blocks[2]!);
    expect(third.status).toBe(200);
    expect(third.fields).toEqual([
      'cache-control',
      'private',
      'date',
      'Mon, 21 Oct 2013 20:13:22 GMT',
      'location',
      'https://www.example.com',
      'content-encoding',
      'gzip',
      'set-cookie',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ]);
  });
});

describe('Huffman', () => {
  test.each([
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['custom-value', '25a849e95bb8e8b4bf'],
  ])('%s has the encoding of the RFC', (text, hex) => {
    const plain = Buffer.from(text, 'latin1');
    const packed = Buffer.alloc(huffmanLength(plain));
    expect(huffmanEncode(plain, packed, 0)).toBe(packed.length);
    expect(packed.toString('hex')).toBe(hex);
  });

  test.each([
    ['more than seven bits of padding', 'f1e3c2e5f23a6ba0ab90f4ffff'],
    ['padding that is not all ones', 'a8eb10649cbe'],
    ['the end-of-string symbol', 'fffffffc'],
  ])('%s is malformed', (_, hex) => {
    const packed = bytes(hex);
    expect(huffmanDecode(packed, 0, packed.length, Buffer.alloc(100))).toBe(-1);
  });
});

describe('malformed blocks', () => {
  test.each([
    ['index 0', '80'],
    ['an index beyond the table', 'be'],
    ['a name index beyond the table', '7f0101 61'],
    ['a string longer than the block', '000a6162'],
    ['an integer that ends with the block', 'ff'],
    ['an integer that is too long', 'ffffffffffffffffffffff7f'],
    ['a literal without a value', '000161'],
    ['a table larger than allowed', '3fe21f'],
    ['a size update after a field', '8220'],
  ])('%s is rejected', (_, hex) => {
    const block = bytes(hex);
    expect(new HpackDecoder(4096, 65_536).decode(block, 0, block.length)).toBeNull();
  });
});

describe('the decoder', () => {
  test('returns the same list for a block that repeats, until the table changes', () => {
    const decoder = new HpackDecoder(4096, 65_536);
    decode(decoder, '400161 0162');
    const first = decode(decoder, 'be');
    expect(decode(decoder, 'be')).toBe(first);
    decode(decoder, '400163 0164');
    expect(decode(decoder, 'be').fields).toEqual(['c', 'd']);
    expect(decode(decoder, 'bf').fields).toEqual(['a', 'b']);
  });

  test('stops filling a list at its limit and continues to decode', () => {
    const decoder = new HpackDecoder(4096, 100);
    const list = decode(decoder, '400161 0162 be be be be');
    expect(list.tooLarge).toBe(true);
    expect(list.fields.length).toBeLessThan(10);
    expect(decode(decoder, 'be').fields).toEqual(['a', 'b']);
  });

  test('a size update to 0 empties the table', () => {
    const decoder = new HpackDecoder(4096, 65_536);
    decode(decoder, '400161 0162');
    decode(decoder, '20 3fe11f 82');
    const block = bytes('be');
    expect(decoder.decode(block, 0, 1)).toBeNull();
  });
});

describe('header lists', () => {
  test.each([
    ['an upper-case name', '0001 41 0162'],
    ['connection', '000a 636f6e6e656374696f6e 0162'],
    ['te other than trailers', '0002 7465 0162'],
    ['an unknown pseudo-header field', '0002 3a78 0162'],
    ['a pseudo-header field after a regular one', '000161 0162 82'],
    ['a pseudo-header field twice', '8283'],
    ['a line break in a value', '000161 010a'],
    ['an empty path', '04 00'],
    ['two content-lengths that differ', '0f0d 0131 0f0d 0132'],
  ])('%s makes the list malformed', (_, hex) => {
    expect(decode(new HpackDecoder(4096, 65_536), hex).malformed).toBe(true);
  });
});

describe('the encoder', () => {
  const fields = [':method', 'POST', ':path', '/etcdserverpb.KV/Put', 'te', 'trailers'];

  test('converges to a constant block of indexes', () => {
    const encoder = new HpackEncoder(4096);
    const template = new HeaderTemplate(fields, true);
    const first = encoder.encode(template);
    const second = encoder.encode(template);
    expect(second.length).toBe(3);
    expect(encoder.encode(template)).toBe(second);
    const decoder = new HpackDecoder(4096, 65_536);
    for (const block of [first, second, second]) {
      const list = decode(decoder, block.toString('hex'));
      expect([list.method, list.path, ...list.fields]).toEqual([
        'POST',
        '/etcdserverpb.KV/Put',
        'te',
        'trailers',
      ]);
    }
  });

  test('announces the smallest and the last table size after the peer changed it', () => {
    const encoder = new HpackEncoder(4096);
    encoder.setPeerTableBytes(0);
    encoder.setPeerTableBytes(1_000_000);
    const block = encoder.encode(new HeaderTemplate([':method', 'POST'], true));
    expect(block.toString('hex')).toBe('203fe11f83');
  });

  test('never adds a credential to the table', () => {
    const encoder = new HpackEncoder(4096);
    const template = new HeaderTemplate(['token', 'secret'], true);
    const first = encoder.encode(template);
    expect((first[0] as number) & 0xf0).toBe(0x10);
    expect(encoder.encode(template)).toEqual(first);
  });

  test('writes literals that use no table', () => {
    const list = decode(
      new HpackDecoder(0, 65_536),
      literalField('grpc-timeout', '5S').toString('hex'),
    );
    expect(list.fields).toEqual(['grpc-timeout', '5S']);
  });
});
