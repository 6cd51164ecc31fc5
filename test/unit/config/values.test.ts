import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { schema, settingNames } from '../../../src/config/schema.ts';
import type { Kind, Setting } from '../../../src/config/setting.ts';
import { formatDuration, InvalidValue, readValue } from '../../../src/config/values.ts';

const unbounded = (kind: Kind): Setting => ({
  kind,
  default: '',
  section: 'operation',
  reload: 'restart',
  doc: '',
});

function read(kind: Kind, text: string): unknown {
  const value = readValue(kind, [text], unbounded(kind));
  return value instanceof InvalidValue ? 'rejected' : value;
}

describe('durations have the format of Go', () => {
  test.each([
    ['0', 0],
    ['500ms', 500],
    ['5s', 5_000],
    ['1.5s', 1_500],
    ['1h30m', 5_400_000],
    ['1m30.5s', 90_500],
  ])('%s', (text, ms) => {
    expect(read('duration', text)).toBe(ms);
  });

  test.each(['', '5', 's', '-5s', '5 s', '5sec', '1e3s', '1d', '999999h', '5s5'])(
    'not %j',
    (text) => {
      expect(read('duration', text)).toBe('rejected');
    },
  );

  test('a formatted duration is parsed to the same value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_147_483_647 }), (ms) => {
        expect(read('duration', formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

test.each([
  ['1024', 1024],
  ['1KiB', 1024],
  ['1.5MiB', 1_572_864],
  ['2GiB', 2_147_483_648],
  ['1MB', 'rejected'],
  ['-1', 'rejected'],
  ['', 'rejected'],
])('the size %j', (text, bytes) => {
  expect(read('bytes', text)).toBe(bytes);
});

test.each([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
  ['yes', 'rejected'],
  ['', 'rejected'],
])('the boolean %j', (text, value) => {
  expect(read('boolean', text)).toBe(value);
});

test.each([
  ['127.0.0.1:2379', { host: '127.0.0.1', port: 2379 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  [':2379', { host: '::', port: 2379 }],
  ['unix:///run/a.sock', { path: '/run/a.sock' }],
  ['unix://run/a.sock', null],
  ['127.0.0.1', null],
  ['127.0.0.1:65536', null],
  ['[127.0.0.1]:1', null],
  ['::1:2379', null],
  ['http://a:1', null],
  ['a b:1', null],
])('the address %j', (text, address) => {
  const value = readValue('address', [text], unbounded('address'));
  expect(value instanceof InvalidValue ? null : value?.address).toEqual(address);
});

test.each([
  ['etcd:2379', null],
  ['http://etcd:2379', false],
  ['https://etcd:2379/', true],
  ['unix:///run/a.sock', null],
  [':2379', 'rejected'],
  ['etcd:0', 'rejected'],
  ['http://user:word@etcd:1', 'rejected'],
  ['http://unix:///a', 'rejected'],
  ['', 'rejected'],
])('the endpoint %j', (text, secure) => {
  const value = readValue('endpoints', [text], unbounded('endpoints'));
  expect(value instanceof InvalidValue ? 'rejected' : value[0]?.secure).toBe(secure);
});

test('every default is a valid value of its kind', () => {
  for (const name of settingNames) {
    const setting: Setting = schema[name];
    const value = readValue(setting.kind, [setting.default], setting);
    expect(value, name).not.toBeInstanceOf(InvalidValue);
  }
});

test('no text makes a parser throw', () => {
  const kinds = [...new Set(settingNames.map((name) => schema[name].kind))];
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.string(), (kind, text) => {
      expect(() => readValue(kind, [text], unbounded(kind))).not.toThrow();
    }),
  );
});

describe('a choice that is a switch', () => {
  const setting: Setting = {
    ...unbounded('choice'),
    choices: ['off', 'hash', 'on'],
    isSwitch: true,
  };
  test.each([
    ['on', 'on'],
    ['true', 'on'],
    ['1', 'on'],
    ['false', 'off'],
    ['0', 'off'],
    ['hash', 'hash'],
    ['yes', 'rejected'],
  ])('%j', (text, expected) => {
    const value = readValue('choice', [text], setting);
    expect(value instanceof InvalidValue ? 'rejected' : value).toBe(expected);
  });

  test('without the mark true and false are not valid', () => {
    const plain = { ...setting, isSwitch: undefined } as unknown as Setting;
    expect(readValue('choice', ['true'], plain)).toBeInstanceOf(InvalidValue);
  });
});
