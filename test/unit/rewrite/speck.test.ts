import { expect, test } from 'vitest';
import { Speck } from '../../../src/rewrite/speck.ts';

// The test vector for Speck64/128 in the appendix of "The Simon and Speck Families of Lightweight Block Ciphers".
const key = Buffer.from('0001020308090a0b1011121318191a1b', 'hex');
const plain = { high: 0x3b72_6574, low: 0x7475_432d };
const encrypted = { high: 0x8c6f_a548, low: 0x454e_028b };

test('encrypts the published test vector', () => {
  const speck = new Speck(key);
  speck.encrypt(plain.high, plain.low);
  expect({ high: speck.high, low: speck.low }).toEqual(encrypted);
});

test('rejects a key of another length', () => {
  expect(() => new Speck(key.subarray(1))).toThrow('a key has 16 bytes, not 15');
});
