/**
 * What the linter cannot say about the text of this repository: every source file explains itself, every test is run,
 * and nothing of the machine it was written on is left in it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { rendered } from '../scripts/docs.ts';

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && !path.endsWith('package-lock.json'));

const text = (path: string) => readFileSync(path, 'utf8');
const sources = tracked.filter((path) => path.startsWith('src/') && path.endsWith('.ts'));

describe('the text of the repository', () => {
  test('every source file opens with a paragraph that says what it is', () => {
    const silent = sources.filter((path) => !/^(#!.*\n)?\/\*\*[\s\S]{40,}?\*\//.test(text(path)));
    expect(silent).toEqual([]);
  });

  test('no source file has outgrown its noun', () => {
    const long = sources.filter((path) => text(path).split('\n').length > 500);
    expect(long).toEqual([]);
  });

  test('no test is skipped or alone, and nothing is left to do', () => {
    const marks =
      /\b(?:it|test|describe)\.(?:only|skip|todo)\b|\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/;
    const marked = tracked.filter(
      (p) => /^(src|test|bench|scripts)\//.test(p) && marks.test(text(p)),
    );
    expect(marked).toEqual([]);
  });

  test('no path of a machine and no download host is written down', () => {
    const local =
      /\/(?:work|home|root)\/[a-z]|registry\.npm[j]s|deb\.debian\.o[r]g|proxy\.golan[g]/;
    const telling = tracked.filter((p) => !/\.(png|ico)$/.test(p) && local.test(text(p)));
    expect(telling).toEqual([]);
  });

  test.each([...rendered()])('%s says what the tables say', (path, content) => {
    expect(text(path)).toBe(content);
  });

  test('every test file is part of a project that runs', () => {
    const projects =
      /^test\/(unit|property|fuzz|regression|simulation|conformance|integration|isolation|differential)\//;
    const orphans = tracked.filter(
      (p) => p.endsWith('.test.ts') && !projects.test(p) && p !== 'test/tidy.test.ts',
    );
    expect(orphans).toEqual([]);
  });
});
