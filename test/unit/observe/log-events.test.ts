/** docs/logs.md describes every line that the program logs. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commonFields, logEvents, logFields } from '../../../scripts/log-events.ts';

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(`src/${path}`, 'utf8'));

test('every event in the source is described', () => {
  const call =
    /\.(?:debug|info|warn|error|fatal)\(\s*(?:'([^']+)'|[^'()]+\? '([^']+)' : '([^']+)')/g;
  const found = sources.flatMap((source) =>
    [...source.matchAll(call)].flatMap((match) => match.slice(1).filter((each) => each)),
  );
  expect(found.length).toBeGreaterThan(20);
  const described = new Set(logEvents.map(({ event }) => event));
  expect(found.filter((event) => !described.has(event as string))).toEqual([]);
});

test('every event that is described is in the source', () => {
  const all = sources.join('\n');
  expect(logEvents.filter(({ event }) => !all.includes(`'${event}'`))).toEqual([]);
});

test('every field that is described belongs to an event', () => {
  const used = new Set<string>([...commonFields, ...logEvents.flatMap(({ fields }) => fields)]);
  expect(Object.keys(logFields).filter((name) => !used.has(name))).toEqual([]);
  expect(Object.keys(logFields)).toEqual(expect.arrayContaining([...commonFields]));
});
