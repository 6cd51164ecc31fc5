import { describe, expect, test } from 'vitest';
import { parseFlags } from '../../../src/cli/flags.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { settingNames } from '../../../src/config/schema.ts';

const set = {
  settings: settingNames,
  others: { debug: { isBoolean: true }, 'metrics-addr': { isBoolean: false } },
};

function parse(...args: string[]) {
  const { settings, others, wantsHelp, problems } = parseFlags(args, set);
  return {
    settings: Object.fromEntries([...settings].map(([name, { texts }]) => [name, texts])),
    others: Object.fromEntries(others),
    wantsHelp,
    problems: problems.map(formatProblem),
  };
}

describe('flags have the syntax of etcd', () => {
  test.each([
    [['--hold=5s'], { hold: ['5s'] }],
    [['--hold', '5s'], { hold: ['5s'] }],
    [['--endpoints=a:1', '--endpoints', 'b:1,c:1'], { endpoints: ['a:1', 'b:1,c:1'] }],
    [['--log-keys'], { 'log-keys': ['true'] }],
    [['--log-keys=hash'], { 'log-keys': ['hash'] }],
    [['--breaker=false'], { breaker: ['false'] }],
    [['--namespace='], { namespace: [''] }],
    [['--namespace=--x/'], { namespace: ['--x/'] }],
    [['--namespace', '-x/'], { namespace: ['-x/'] }],
  ])('%j', (args, settings) => {
    expect(parse(...args)).toEqual({ settings, others: {}, wantsHelp: false, problems: [] });
  });
});

test('flags that are not settings are returned separately', () => {
  expect(parse('--debug', '--metrics-addr=x')).toMatchObject({
    settings: {},
    others: { debug: 'true', 'metrics-addr': 'x' },
  });
});

test.each([['--help'], ['-h'], ['--hold=1s', '--help']])('%j requests help', (...args) => {
  expect(parse(...args).wantsHelp).toBe(true);
});

describe('problems', () => {
  test.each([
    [['--endpoint=a'], ['--endpoint: unknown flag; did you mean "--endpoints"?']],
    [['--endpoint', 'a'], ['--endpoint: unknown flag; did you mean "--endpoints"?']],
    [['-x'], ['-x: unknown flag']],
    [['--hold'], ['--hold: requires a value']],
    [['--hold', '--log-keys'], ['--hold: requires a value']],
    [
      ['a', 'b'],
      ['a: unexpected argument', 'b: unexpected argument'],
    ],
    [['--log-keys', 'true'], ['true: unexpected argument']],
    [['--no-breaker'], ['--no-breaker: unknown flag; did you mean "--breaker"?']],
    [['--__proto__=x'], ['--__proto__: unknown flag']],
  ])('%j', (args, problems) => {
    expect(parse(...args).problems).toEqual(problems);
  });

  test('are all reported', () => {
    expect(parse('x', '--nope', 'y', '--hold').problems).toEqual([
      'x: unexpected argument',
      '--nope: unknown flag',
      '--hold: requires a value',
    ]);
  });
});
