import { describe, expect, test } from 'vitest';
import { replaceVarintField, varintField } from '../../../src/protobuf/varint-field.ts';
import { slowMessage } from '../../support/slow-rewriter.ts';

const grant = slowMessage([1, 60n], [2, 7n], [9, 'unknown']);

describe('one varint field of a message', () => {
  test('is read, and is 0 if absent', () => {
    expect(varintField(grant, 2)).toBe(7n);
    expect(varintField(grant, 3)).toBe(0n);
    expect(varintField(slowMessage([2, -5n]), 2)).toBe(-5n);
  });

  test('is replaced, and all other fields are unchanged', () => {
    expect(replaceVarintField(grant, 2, 2n ** 62n)).toEqual(
      slowMessage([1, 60n], [2, 2n ** 62n], [9, 'unknown']),
    );
    expect(replaceVarintField(grant, 2, 0n)).toEqual(
      slowMessage([1, 60n], [2, 0n], [9, 'unknown']),
    );
  });

  test('is appended if absent', () => {
    expect(replaceVarintField(slowMessage([1, 60n]), 2, 7n)).toEqual(
      slowMessage([1, 60n], [2, 7n]),
    );
  });

  test.each([
    ['field-duplicate', slowMessage([2, 7n], [1, 1n], [2, 7n])],
    ['malformed', slowMessage([2, 'seven'])],
    ['malformed', slowMessage([2, 7n]).subarray(0, 1)],
    ['malformed', Buffer.concat([slowMessage([2, 7n], [2, 7n]), Buffer.of(0x07)])],
  ])('is the fault %s if the message is ambiguous or malformed', (fault, source) => {
    expect(varintField(source, 2)).toBe(fault);
    expect(replaceVarintField(source, 2, 1n)).toBe(fault);
  });
});
